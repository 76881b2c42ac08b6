// Broker is a plain message broker for any STOMP client: what is sent to
// /topic/... or /queue/... reaches everybody who subscribed to it.
//
//	go run ./examples/broker -http localhost:8080 -tcp localhost:61613
//
// Clients connect to ws://localhost:8080/ws, with SockJS to
// http://localhost:8080/sockjs, and over TCP to localhost:61613.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"

	"github.com/headrace/headrace"
	"github.com/headrace/headrace/examples/internal/demo"
	"github.com/headrace/headrace/stompadapter"
	"github.com/headrace/headrace/transport"
)

func main() {
	addr := flag.String("http", "localhost:8080", "address to listen on for WebSocket and SockJS")
	tcp := flag.String("tcp", "", "address to listen on for TCP; empty for none")
	flag.Parse()
	ctx, stop := demo.Context()
	defer stop()

	node := headrace.New(headrace.Config{})
	stomp := stompadapter.New(node.Inbound, stompadapter.Config{})

	mux := http.NewServeMux()
	mux.Handle("/ws", stomp.WebSocket())
	mux.Handle("/sockjs/", stomp.SockJS())
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		s := node.Stats()
		fmt.Fprintf(w, "STOMP broker at ws://%s/ws, http://%s/sockjs\nsessions %d, subscriptions %d, published %d, delivered %d\n",
			r.Host, r.Host, s.Broker.Sessions, s.Broker.Subscriptions, s.Broker.Published, s.Broker.Delivered)
	})
	if *tcp != "" {
		done := serveTCP(ctx, stop, stomp, *tcp)
		defer func() { <-done }()
	}
	if err := node.Serve(ctx, demo.Server(*addr, mux), stomp); err != nil {
		log.Fatal(err)
	}
}

// serveTCP listens until the adapter ends; failing ends the program.
func serveTCP(ctx context.Context, stop func(), stomp *stompadapter.Adapter, addr string) (done <-chan struct{}) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", addr)
	if err != nil {
		log.Fatal(err)
	}
	log.Printf("STOMP over TCP on %s", listener.Addr())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := stomp.ServeTCP(listener); !errors.Is(err, transport.ErrShutdown) {
			log.Print(err)
			stop()
		}
	}()
	return ended
}
