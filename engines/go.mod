module github.com/headrace/headrace/engines

go 1.26.0

replace github.com/headrace/headrace => ../
