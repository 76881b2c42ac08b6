// Greeting is the smallest application: what a client sends to /app/greeting
// comes back on /topic/greeting with a time stamp.
//
//	go run ./examples/greeting -http localhost:8080
package main

import (
	"context"
	_ "embed"
	"flag"
	"log"
	"net/http"
	"time"

	"github.com/headrace/headrace"
	"github.com/headrace/headrace/examples/internal/demo"
	"github.com/headrace/headrace/examples/internal/web"
	"github.com/headrace/headrace/handler"
	"github.com/headrace/headrace/stompadapter"
)

//go:embed page.html
var page []byte

// greet is an endpoint: its result goes to everybody who subscribed to
// /topic/greeting.
func greet(_ context.Context, greeting string) (string, error) {
	return "[" + time.Now().Format(time.TimeOnly) + "] " + greeting, nil
}

func main() {
	addr := flag.String("http", "localhost:8080", "address to listen on")
	flag.Parse()
	ctx, stop := demo.Context()
	defer stop()

	node := headrace.New(headrace.Config{})
	handler.Handle(node.Router, "/greeting", greet)
	stomp := stompadapter.New(node.Inbound, stompadapter.Config{})

	mux := http.NewServeMux()
	mux.Handle("/ws", stomp.WebSocket())
	mux.Handle("/shared/", web.Shared())
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Write(page)
	})
	if err := node.Serve(ctx, demo.Server(*addr, mux), stomp); err != nil {
		log.Fatal(err)
	}
}
