// Broker is a plain message broker for any STOMP client: what is sent to
// /topic/... or /queue/... reaches everybody who subscribed to it.
//
//	go run ./examples/broker -http localhost:8080
//
// Clients connect to ws://localhost:8080/ws.
package main

import (
	"flag"
	"fmt"
	"log"
	"net/http"

	"github.com/headrace/headrace"
	"github.com/headrace/headrace/examples/internal/demo"
	"github.com/headrace/headrace/stompadapter"
)

func main() {
	addr := flag.String("http", "localhost:8080", "address to listen on")
	flag.Parse()
	ctx, stop := demo.Context()
	defer stop()

	node := headrace.New(headrace.Config{})
	stomp := stompadapter.New(node.Inbound, stompadapter.Config{})

	mux := http.NewServeMux()
	mux.Handle("/ws", stomp.WebSocket())
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		s := node.Stats()
		fmt.Fprintf(w, "STOMP broker at ws://%s/ws\nsessions %d, subscriptions %d, published %d, delivered %d\n",
			r.Host, s.Broker.Sessions, s.Broker.Subscriptions, s.Broker.Published, s.Broker.Delivered)
	})
	if err := node.Serve(ctx, demo.Server(*addr, mux), stomp); err != nil {
		log.Fatal(err)
	}
}
