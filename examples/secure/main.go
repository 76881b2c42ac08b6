// Secure is a chat in which who you are decides what you may do: a login that
// gives out tokens, roles, rooms for their members, and sessions that end with
// their tokens. The page shows what is refused, and why.
//
//	go run ./examples/secure -http localhost:8080 -life 60s
//
// At its start the program prints which doors are open. A program of one's own
// takes the tokens of an identity provider: docs/security-oidc.md.
package main

import (
	"context"
	"embed"
	"flag"
	"log"
	"net/http"
	"time"

	"github.com/headrace/headrace/examples/internal/demo"
	"github.com/headrace/headrace/examples/internal/web"
	"github.com/headrace/headrace/jsonadapter"
	"github.com/headrace/headrace/transport"
	"github.com/headrace/headrace/transport/auth"
)

//go:embed index.html app.js style.css
var page embed.FS

func main() {
	addr := flag.String("http", "localhost:8080", "address to listen on")
	life := flag.Duration("life", time.Minute, "how long a token lasts, in whole seconds")
	flag.Parse()
	ctx, stop := demo.Context()
	defer stop()
	if err := run(ctx, *addr, *life); err != nil {
		log.Fatal(err)
	}
}

// run serves until ctx ends.
func run(ctx context.Context, addr string, life time.Duration) error {
	logins := newLogins(life)
	node := newNode(newPolicy(), logins.verifier)
	clients := jsonadapter.New(node.Inbound, jsonadapter.Config{Transport: transport.Config{
		// Programs may show their token in the handshake, pages cannot.
		Handshake:  transport.Handshake{Principal: auth.Optional(auth.Bearer(logins.verifier.Bearer))},
		MaxPerUser: 10,
	}})
	mux := http.NewServeMux()
	mux.Handle("/ws", clients.WebSocket())
	mux.HandleFunc("POST /login", logins.login)
	mux.HandleFunc("POST /renew", logins.renew)
	mux.Handle("/shared/", web.Shared())
	mux.Handle("/", ownScriptsOnly(http.FileServerFS(page)))
	return node.Serve(ctx, demo.Server(addr, mux), clients)
}

// ownScriptsOnly keeps the page, which has a token, from running anything but what
// this program serves.
func ownScriptsOnly(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", "default-src 'self'; img-src data:; frame-ancestors 'none'")
		next.ServeHTTP(w, r)
	})
}
