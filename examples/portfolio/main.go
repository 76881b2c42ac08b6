// Portfolio is a small stock exchange: prices tick, everybody trades in the
// browser and sees the trades of all, but only the own positions.
//
//	go run ./examples/portfolio -http localhost:8080
//	curl -X POST localhost:8080/announce -d 'hello'
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
	"time"
	"unicode/utf8"

	"github.com/headrace/headrace"
	"github.com/headrace/headrace/examples/internal/demo"
	"github.com/headrace/headrace/examples/internal/web"
	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/stompadapter"
	"github.com/headrace/headrace/transport"
)

//go:embed index.html *.js *.css
var page embed.FS

func main() {
	addr := flag.String("http", "localhost:8080", "address to listen on")
	flag.Parse()
	ctx, stop := demo.Context()
	defer stop()
	if err := run(ctx, *addr); err != nil {
		log.Fatal(err)
	}
}

// run serves until ctx ends.
func run(ctx context.Context, addr string) error {
	node := headrace.New(headrace.Config{})
	exchange := &exchange{market: newMarket(), accounts: newAccounts(), template: node.Template}
	exchange.routes(node.Router)
	stomp := stompadapter.New(node.Inbound, stompadapter.Config{
		Transport: transport.Config{Handshake: transport.Handshake{Principal: user}},
	})

	mux := http.NewServeMux()
	mux.Handle("/ws", stomp.WebSocket())
	mux.Handle("POST /announce", http.NewCrossOriginProtection().Handler(http.HandlerFunc(exchange.announce)))
	mux.Handle("/shared/", web.Shared())
	mux.Handle("/", http.FileServerFS(page))

	ctx, cancel := context.WithCancel(ctx)
	var ticker sync.WaitGroup
	defer ticker.Wait()
	defer cancel()
	ticker.Go(func() { exchange.run(ctx, 250*time.Millisecond) })
	return node.Serve(ctx, demo.Server(addr, mux), stomp)
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
