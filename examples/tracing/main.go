// Tracing follows messages with OpenTelemetry: from a browser or a Go client to an
// endpoint on one node, over an engine to another node, and to who subscribed
// there. The terminal shows each finished trace as a tree, the page as a waterfall.
//
//	go run ./examples/tracing -http localhost:8080
//	go run ./examples/tracing -otlp http://localhost:4318
//
// The second one sends the spans to a collector too, such as Jaeger's.
//
//	browser, client ─► west: an endpoint ─► engine ─► east ─► browser, client
package main

import (
	"context"
	"embed"
	"errors"
	"flag"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/ThreeDotsLabs/watermill"
	"github.com/ThreeDotsLabs/watermill/pubsub/gochannel"

	"github.com/headrace/headrace/examples/internal/demo"
	"github.com/headrace/headrace/examples/internal/web"
	"github.com/headrace/headrace/handler"
	"github.com/headrace/headrace/stompadapter"
)

//go:embed index.html *.js *.css
var page embed.FS

func main() {
	addr := flag.String("http", "localhost:8080", "address to listen on")
	otlp := flag.String("otlp", "", "`URL` of an OTLP collector, such as http://localhost:4318; empty for none")
	flag.Parse()
	ctx, stop := demo.Context()
	defer stop()
	if err := run(ctx, *addr, *otlp, os.Stdout); err != nil {
		log.Fatal(err)
	}
}

// run serves until ctx ends, and prints finished traces to out.
func run(ctx context.Context, addr, otlp string, out io.Writer) (err error) {
	traces := newStore()
	tracers, err := newTracers(ctx, otlp, traces)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, tracers.shutdown()) }()

	west, east := newNode(tracers.west), newNode(tracers.east)
	defer west.Close()
	defer east.Close()
	orders{tracers.west.Tracer("examples/tracing")}.routes(west.Router)
	handler.OnSubscribe(east.Router, "/traces", traces.all, handler.Live("/topic/traces"))

	// With an engine outside of this process the nodes can be anywhere.
	engine := gochannel.NewGoChannel(gochannel.Config{OutputChannelBuffer: 64}, watermill.NopLogger{})
	defer engine.Close()
	bridge, err := join(ctx, west, east, engine)
	if err != nil {
		return err
	}
	defer bridge.Close()

	var running sync.WaitGroup
	defer running.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	running.Go(func() {
		traces.run(ctx, func(t Trace) {
			t.print(out)
			_ = east.Template.Send(ctx, "/topic/traces", t) // fails when the node ends
		})
	})
	toWest, toEast := stompadapter.New(west.Inbound, stompadapter.Config{}), stompadapter.New(east.Inbound, stompadapter.Config{})
	server := demo.Server(addr, routes(toWest, toEast))
	announce := server.BaseContext
	server.BaseContext = func(l net.Listener) context.Context {
		running.Go(func() { order(ctx, tracers.client, "ws://"+l.Addr().String()) })
		return announce(l)
	}
	err = west.Serve(ctx, server, toWest, toEast)
	drain, done := context.WithTimeout(context.Background(), 5*time.Second)
	defer done()
	return errors.Join(err, bridge.Shutdown(drain), east.Shutdown(drain))
}

// routes serves both nodes and the page.
func routes(west, east *stompadapter.Adapter) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/west", west.WebSocket())
	mux.Handle("/east", east.WebSocket())
	mux.Handle("/shared/", web.Shared())
	mux.Handle("/", http.FileServerFS(page))
	return mux
}
