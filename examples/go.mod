module github.com/headrace/headrace/examples

go 1.26.0

replace github.com/headrace/headrace => ../

ignore node_modules
