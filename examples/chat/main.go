// Chat is one room for clients of four kinds: STOMP over WebSocket, STOMP over
// SockJS, plain JSON over WebSocket, and Server-Sent Events with POST. The page
// has one of each.
//
//	go run ./examples/chat -http localhost:8080
//
// From a terminal, with the Go client:
//
//	go run ./examples/chat -as kim -url ws://localhost:8080/ws
package main

import (
	"context"
	"embed"
	"flag"
	"log"
	"net/http"
	"os"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/headrace/headrace"
	"github.com/headrace/headrace/examples/internal/demo"
	"github.com/headrace/headrace/examples/internal/web"
	"github.com/headrace/headrace/handler"
	"github.com/headrace/headrace/jsonadapter"
	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/sseadapter"
	"github.com/headrace/headrace/stompadapter"
)

//go:embed page.html *.js
var files embed.FS

// Line is what somebody says.
type Line struct {
	Name string    `json:"name"`
	Text string    `json:"text"`
	Time time.Time `json:"time"`
}

// Validate is called before the handler is.
func (l Line) Validate() error {
	switch {
	case strings.TrimSpace(l.Name) == "" || utf8.RuneCountInString(l.Name) > 40:
		return message.Errorf(message.CodeInvalid, "a name has 1 to 40 characters")
	case strings.TrimSpace(l.Text) == "" || utf8.RuneCountInString(l.Text) > 250:
		return message.Errorf(message.CodeInvalid, "a text has 1 to 250 characters")
	}
	return nil
}

// say is an endpoint: its result goes to everybody who subscribed to
// /topic/chat.
func say(_ context.Context, l Line) (Line, error) {
	l.Time = time.Now()
	return l, nil
}

func main() {
	addr := flag.String("http", "localhost:8080", "address to listen on")
	name := flag.String("as", "", "join as `NAME` from this terminal instead of serving")
	url := flag.String("url", "ws://localhost:8080/ws", "the room to join with -as")
	flag.Parse()
	ctx, stop := demo.Context()
	defer stop()

	run := func() error { return serve(ctx, *addr) }
	if *name != "" {
		run = func() error { return join(ctx, *url, *name, os.Stdin, os.Stdout) }
	}
	if err := run(); err != nil {
		log.Fatal(err)
	}
}

func serve(ctx context.Context, addr string) error {
	node := headrace.New(headrace.Config{})
	handler.Handle(node.Router, "/chat", say)
	stomp := stompadapter.New(node.Inbound, stompadapter.Config{})
	plain := jsonadapter.New(node.Inbound, jsonadapter.Config{})
	events := sseadapter.New(node.Inbound, sseadapter.Config{})

	mux := http.NewServeMux()
	mux.Handle("/ws", stomp.WebSocket())
	mux.Handle("/sockjs/", stomp.SockJS())
	mux.Handle("/json", plain.WebSocket())
	mux.Handle("/events", events.Events())
	mux.Handle("/shared/", web.Shared())
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		http.ServeFileFS(w, r, files, "page.html")
	})
	mux.Handle("GET /chat/", http.StripPrefix("/chat/", http.FileServerFS(files)))
	return node.Serve(ctx, demo.Server(addr, mux), stomp, plain, events)
}
