package headrace_test

import (
	"cmp"
	"context"
	"log/slog"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/headrace/headrace"
	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/stompadapter"
	"github.com/headrace/headrace/transport"
)

// site is a node that serves STOMP on a port of the loopback interface.
type site struct {
	t      testing.TB
	node   *headrace.Node
	stomp  *stompadapter.Adapter
	addr   string
	end    context.CancelFunc
	served chan error
}

// setup says how a site differs from the default one.
type setup struct {
	node  headrace.Config
	stomp stompadapter.Config
	wire  func(*headrace.Node) // before the first client
}

// serve starts a site; the test ends it, and Serve must then return nil.
func serve(t testing.TB, s setup) *site {
	t.Helper()
	quiet := slog.New(slog.DiscardHandler)
	s.node.Logger, s.stomp.Logger = cmp.Or(s.node.Logger, quiet), cmp.Or(s.stomp.Logger, quiet)
	node := headrace.New(s.node)
	if s.wire != nil {
		s.wire(node)
	}
	ctx, end := context.WithCancel(context.Background())
	out := &site{t: t, node: node, stomp: stompadapter.New(node.Inbound, s.stomp), end: end, served: make(chan error, 1)}
	mux := http.NewServeMux()
	mux.Handle("/ws", out.stomp.WebSocket())
	addr := make(chan string, 1)
	server := &http.Server{Addr: "127.0.0.1:0", Handler: mux, BaseContext: func(l net.Listener) context.Context {
		addr <- l.Addr().String()
		return context.WithValue(context.Background(), contextKey{}, "of the server")
	}}
	go func() { out.served <- node.Serve(ctx, server, out.stomp) }()
	out.addr = <-addr
	t.Cleanup(func() {
		end()
		if err := <-out.served; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	return out
}

// byHeader knows users by a header, as if a proxy had put it there.
func byHeader(r *http.Request) (message.Principal, error) {
	if name := r.Header.Get("X-User"); name != "" {
		return message.User(name), nil
	}
	return nil, nil
}

// withUsers is an adapter's configuration that knows users.
func withUsers() stompadapter.Config {
	return stompadapter.Config{Transport: transport.Config{Handshake: transport.Handshake{Principal: byHeader}}}
}

// contextKey is for a value that the server gives to every request.
type contextKey struct{}

// stop ends the site and returns what Serve returned.
func (s *site) stop() error {
	s.end()
	err := <-s.served
	s.served <- nil // for the cleanup
	return err
}

// idle waits until nothing is under way; the answer to a message may reach its
// client a little before that.
func (s *site) idle() {
	s.t.Helper()
	eventually(s.t, "nothing is under way", func() bool { return s.node.Stats().Inbound.UnderWay == 0 })
}

// eventually waits for what another goroutine does without telling anybody.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("never happened: %s", what)
		}
		<-tick.C
	}
}

// receive takes a value from a channel, or fails the test.
func receive[T any](t testing.TB, what string, from <-chan T) T {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(20 * time.Second):
		t.Fatalf("never happened: %s", what)
		panic("unreachable")
	}
}
