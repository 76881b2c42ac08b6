module github.com/headrace/headrace/bench

go 1.26.0

replace github.com/headrace/headrace => ../

require (
	github.com/gorilla/websocket v1.5.3
	github.com/headrace/headrace v0.0.0-00010101000000-000000000000
)
