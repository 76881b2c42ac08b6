module github.com/headrace/headrace/bench

go 1.26.0

replace github.com/headrace/headrace => ../
