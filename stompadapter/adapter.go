package stompadapter

import (
	"context"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/stompadapter/sockjs"
	"github.com/headrace/headrace/transport"
)

// Adapter is the server side of STOMP. Its methods may be called from any
// goroutine. Make one with [New].
type Adapter struct {
	config   Config
	server   *transport.Server
	exchange *transport.Exchange
	beats    sync.Map // of *transport.Framing, to its heart-beat's *transport.Frame
	tcp      atomic.Bool
}

// New returns an adapter that sends what clients send to inbound. It panics
// when inbound is nil, a limit of c is negative, or what is the adapter's own in
// c.WebSocket or c.TCP is set. Whoever calls New calls Close.
func New(inbound message.RawHandler, c Config) *Adapter {
	c = c.checked()
	return &Adapter{
		config: c,
		server: transport.NewServer(c.Transport),
		exchange: transport.NewExchange(inbound, transport.ExchangeConfig{
			First:        "the first frame must be CONNECT or STOMP",
			LoginTimeout: c.LoginTimeout,
			MaxPending:   c.MaxPending,
			Logger:       c.Logger,
		}),
	}
}

// WebSocket returns the handler of an endpoint for STOMP over WebSocket. It
// may be called more than once.
func (a *Adapter) WebSocket() http.Handler { return a.server.WebSocket(a.config.WebSocket, a.open) }

// SockJS returns the handler of a SockJS endpoint, to be mounted at a path and
// all below it; WebSocket without SockJS is at PATH/websocket. What is sent
// that is not UTF-8, which SockJS cannot carry, arrives as U+FFFD. It may be
// called more than once. It panics when Config.SockJS is malformed.
func (a *Adapter) SockJS() http.Handler {
	return sockjs.Mount(a.server, a.config.SockJS, func(c *transport.Conn) transport.Protocol {
		d := newDialect(a, c)
		d.textOnly = c.Framing() != transport.FramingWebSocket // which is that of PATH/websocket
		return a.exchange.Open(c, d)
	})
}

// ServeTCP serves STOMP over the connections that ln accepts, as
// http.Server.Serve does: it returns when ln fails, or with
// [transport.ErrShutdown] after Shutdown or Close, which close ln. For TLS, ln
// is what tls.NewListener returns. It may be called for any number of
// listeners, each on a goroutine of its own.
func (a *Adapter) ServeTCP(ln net.Listener) error {
	a.tcp.Store(true)
	return a.server.Serve(ln, a.config.TCP, a.open)
}

// open puts a session onto a connection, however it came.
func (a *Adapter) open(c *transport.Conn) transport.Protocol {
	return a.exchange.Open(c, newDialect(a, c))
}

// beat returns the heart-beat for connections of a framing, which share it.
func (a *Adapter) beat(f *transport.Framing) *transport.Frame {
	if beat, ok := a.beats.Load(f); ok {
		return beat.(*transport.Frame)
	}
	beat, _ := a.beats.LoadOrStore(f, transport.NewFrame(f, []byte("\n")))
	return beat.(*transport.Frame)
}

// Shutdown refuses new clients and new messages, waits until what was accepted
// is handled and its receipts are sent, and closes the connections as those of
// a server that goes away. It returns ctx's error when that takes longer than
// ctx lasts; Close ends the rest.
func (a *Adapter) Shutdown(ctx context.Context) error { return a.server.Shutdown(ctx) }

// Close cuts all connections and waits until the last message of each session
// was given to inbound.
func (a *Adapter) Close() { a.server.Close() }

// Stats returns a snapshot of the adapter's counters.
func (a *Adapter) Stats() transport.AdapterStats {
	return transport.AdapterStats{Name: "stomp", ExchangeStats: a.exchange.Stats(), Transport: a.server.Stats()}
}

// Doors returns what Config opens to strangers beyond the defaults, and who is let in
// without a name, over TCP too once ServeTCP was called.
func (a *Adapter) Doors() message.Doors {
	const at = "stompadapter.Config"
	c := &a.config
	return slices.Concat(
		c.Transport.Doors(at+".Transport"),
		c.WebSocket.Doors(at+".WebSocket"),
		c.SockJS.Doors(at+".SockJS"),
	).
		If(a.tcp.Load() && c.TCP.Principal == nil, at+".TCP.Principal", "who is not logged in may connect over TCP, unless an interceptor refuses it").
		If(c.Lenient, at+".Lenient", "clients may send frames that the specification forbids").
		If(c.Heartbeat.Receive == 0, at+".Heartbeat.Receive", "clients over TCP that are silent, or gone, stay")
}
