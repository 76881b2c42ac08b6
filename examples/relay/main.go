// Relay is a node that leaves topics, queues and the destinations of users to a RabbitMQ,
// by the package stompadapter/relay. A page shows what passes, and what happens when
// RabbitMQ goes and comes back.
//
//	go run ./examples/relay -rabbitmq localhost:61613 -http localhost:8080
//
//	ann ──┐           ┌── her connection ──┐
//	bob ──┼── node ───┼── his connection ──┼── RabbitMQ: /topic, /queue, /user
//	carl ─┘     │     └── application ─────┘
//	            └── the embedded broker: /local, which is there also while RabbitMQ is not
//
// Where no RabbitMQ is, the program says how to start one. Everybody may be whoever he
// says he is.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"net"

	"github.com/headrace/headrace/examples/internal/demo"
	"github.com/headrace/headrace/examples/internal/rabbitmq"
)

func main() {
	addr := flag.String("http", "localhost:8080", "address to listen on")
	rabbit := flag.String("rabbitmq", "localhost:61613", rabbitmq.Usage)
	flag.Parse()
	ctx, stop := demo.Context()
	defer stop()
	if err := run(ctx, *addr, *rabbit); err != nil {
		log.Fatal(err)
	}
}

// run serves until ctx ends.
func run(ctx context.Context, addr, rabbit string) error {
	if err := rabbitmq.Check(ctx, rabbit); err != nil {
		return err
	}
	s := newSite(rabbit)
	defer s.close()
	server := demo.Server(addr, s.routes())
	announce := server.BaseContext
	server.BaseContext = func(l net.Listener) context.Context {
		defer fmt.Println(`Open the page, and pull the plug there, or end RabbitMQ itself and start it again.
Over the clients' heads: nobody loses his connection to the node.`)
		return announce(l)
	}
	return s.node.Serve(ctx, server, s.stomp)
}
