// Echo offers, by SockJS, the services that the protocol's public test asks of
// a server, and a plain WebSocket that sends back what it is sent.
//
//	go run ./examples/echo -http localhost:8081
//
// There is no STOMP here: package sockjs serves any protocol, and so does
// package transport.
package main

import (
	"context"
	"errors"
	"flag"
	"log"
	"net"
	"net/http"
	"time"

	"github.com/headrace/headrace/examples/internal/demo"
)

func main() {
	addr := flag.String("http", "localhost:8081", "address to listen on")
	client := flag.String("client", "", "`URL` of sockjs-client for the iframe page; empty for the one on cdn.jsdelivr.net")
	flag.Parse()
	ctx, stop := demo.Context()
	defer stop()
	if err := run(ctx, *addr, *client); err != nil {
		log.Fatal(err)
	}
}

// run listens and serves until ctx ends.
func run(ctx context.Context, addr, client string) error {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	return serve(ctx, listener, client)
}

func serve(ctx context.Context, listener net.Listener, client string) error {
	services := newServices(client)
	defer services.close()
	server := demo.Server("", services)
	stopped := make(chan error, 1)
	go func() {
		<-ctx.Done()
		services.close() // first, or the server would wait for those that receive
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		stopped <- server.Shutdown(ctx)
	}()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return <-stopped
}
