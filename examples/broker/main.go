// Broker is a plain message broker for any STOMP client: what is sent to
// /topic/... reaches everybody who subscribed to it, what is sent to /queue/...
// one of them, and waits while there is nobody.
//
//	go run ./examples/broker -http localhost:8080 -tcp localhost:61613
//
// Who subscribes to a queue with ack:client-individual answers each message by ACK.
// What it refuses by NACK, or does not answer, comes again, to it or to another
// one; what was refused five times goes to /topic/dead-letters.
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
	"sync"
	"time"

	"github.com/headrace/headrace"
	"github.com/headrace/headrace/broker"
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
	if err := run(ctx, *addr, *tcp); err != nil {
		log.Fatal(err)
	}
}

// queues are what is below /queue.
var queues = broker.Rule{
	Prefix: "/queue",
	Mode:   broker.Queue,
	Acks:   broker.Acks{Backoff: 200 * time.Millisecond, DeadLetter: "/topic/dead-letters"},
}

// run serves until ctx ends, or one of the two listeners fails.
func run(ctx context.Context, addr, tcp string) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	node := headrace.New(headrace.Config{Rules: []broker.Rule{queues}})
	stomp := stompadapter.New(node.Inbound, stompadapter.Config{})

	mux := http.NewServeMux()
	mux.Handle("/ws", stomp.WebSocket())
	mux.Handle("/sockjs/", stomp.SockJS())
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		s := node.Stats()
		fmt.Fprintf(w, "STOMP broker at ws://%s/ws, http://%s/sockjs\nsessions %d, subscriptions %d, published %d, delivered %d\n",
			r.Host, r.Host, s.Broker.Sessions, s.Broker.Subscriptions, s.Broker.Published, s.Broker.Delivered)
		fmt.Fprintf(w, "queues %d, redelivered %d, dead letters %d\n", s.Broker.Queues, s.Broker.Redelivered, s.Broker.DeadLetters)
	})
	var serving sync.WaitGroup
	var failed error
	if tcp != "" {
		listener, err := new(net.ListenConfig).Listen(ctx, "tcp", tcp)
		if err != nil {
			return err
		}
		log.Printf("STOMP over TCP on %s", listener.Addr())
		serving.Go(func() {
			if err := stomp.ServeTCP(listener); !errors.Is(err, transport.ErrShutdown) {
				failed = err
				stop()
			}
		})
	}
	err := node.Serve(ctx, demo.Server(addr, mux), stomp)
	serving.Wait()
	return errors.Join(err, failed)
}
