// Portfolio is a small stock exchange: prices tick, everybody trades in the
// browser and sees the trades of all, but only the own positions.
//
//	go run ./examples/portfolio -http localhost:8080
//	curl -X POST localhost:8080/announce -d 'hello'
//
// On three nodes, joined by a NATS server that it starts:
//
//	go run ./examples/portfolio -broker nats
//
// By a RabbitMQ that runs:
//
//	go run ./examples/portfolio -broker rabbitmq -rabbitmq localhost:61613
//
// Everything is kept in memory, and everybody may be whoever he says he is.
package main

import (
	"context"
	"embed"
	"flag"
	"log"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/headrace/headrace"
	"github.com/headrace/headrace/examples/internal/demo"
	"github.com/headrace/headrace/examples/internal/rabbitmq"
	"github.com/headrace/headrace/examples/internal/web"
	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/stompadapter"
	"github.com/headrace/headrace/transport"
)

//go:embed index.html *.js *.css
var page embed.FS

func main() {
	addr := flag.String("http", "localhost:8080", "address to listen on")
	broker := flag.String("broker", "memory", "what carries the messages: "+brokerNames())
	rabbit := flag.String("rabbitmq", "localhost:61613", rabbitmq.Usage+"; for -broker rabbitmq")
	flag.Parse()
	ctx, stop := demo.Context()
	defer stop()
	if err := run(ctx, *addr, *broker, *rabbit); err != nil {
		log.Fatal(err)
	}
}

// run serves until ctx ends.
func run(ctx context.Context, addr, broker, rabbit string) error {
	backing, err := open(broker, rabbit)
	if err != nil {
		return err
	}
	defer backing.close()
	// Prices and accounts would be in a database; here all nodes share the memory.
	market, accounts := newMarket(), newAccounts()
	var nodes []*headrace.Node
	var exchanges []*exchange
	var adapters []*stompadapter.Adapter
	for _, config := range backing.nodes {
		node := headrace.New(config)
		defer node.Close()
		x := &exchange{market: market, accounts: accounts, template: node.Template}
		x.routes(node.Router)
		nodes, exchanges = append(nodes, node), append(exchanges, x)
		adapters = append(adapters, stompadapter.New(node.Inbound, stompadapter.Config{
			Transport: transport.Config{Handshake: transport.Handshake{Principal: user}},
		}))
	}

	mux := http.NewServeMux()
	mux.Handle("/ws", inTurn(adapters))
	mux.Handle("POST /announce", http.NewCrossOriginProtection().Handler(http.HandlerFunc(exchanges[0].announce)))
	mux.Handle("/shared/", web.Shared())
	mux.Handle("/", http.FileServerFS(page))

	ctx, cancel := context.WithCancel(ctx)
	var ticker sync.WaitGroup
	defer ticker.Wait()
	defer cancel()
	ticker.Go(func() { exchanges[0].run(ctx, 250*time.Millisecond) }) // a node moves the prices, all show them
	var served []headrace.Adapter
	for _, a := range adapters {
		served = append(served, a)
	}
	return nodes[0].Serve(ctx, demo.Server(addr, mux), served...)
}

// inTurn leads clients to one node after the other, as a balancer before real ones does.
func inTurn(adapters []*stompadapter.Adapter) http.Handler {
	var ways []http.Handler
	for _, a := range adapters {
		ways = append(ways, a.WebSocket())
	}
	var clients atomic.Uint64
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ways[clients.Add(1)%uint64(len(ways))].ServeHTTP(w, r)
	})
}

// user believes what the page says. An application that is no demo looks at a
// cookie or a token here. Whoever has no name may watch.
func user(r *http.Request) (message.Principal, error) {
	name := r.URL.Query().Get("user")
	switch {
	case name == "":
		return nil, nil
	case utf8.RuneCountInString(name) > 20:
		return nil, message.Errorf(message.CodeInvalid, "a name has at most 20 characters")
	}
	return message.User(name), nil
}
