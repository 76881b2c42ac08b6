package stompadapter

import (
	"context"
	"net/http"
	"sync/atomic"

	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/transport"
)

// Adapter is the server side of STOMP. Its methods may be called from any
// goroutine. Make one with [New].
type Adapter struct {
	inbound message.RawHandler
	config  Config
	server  *transport.Server
	frames  *frameCache
	beat    *transport.Frame

	sessions atomic.Int64
	refused  atomic.Uint64
}

// New returns an adapter that sends what clients send to inbound. It panics
// when inbound is nil or a limit of c is negative. Whoever calls New calls Close.
func New(inbound message.RawHandler, c Config) *Adapter {
	if inbound == nil {
		panic("stompadapter: inbound is nil")
	}
	c.check()
	c = c.withDefaults()
	return &Adapter{
		inbound: inbound,
		config:  c,
		server:  transport.NewServer(c.Transport),
		frames:  new(frameCache),
		beat:    transport.NewFrame(transport.FramingWebSocket, []byte("\n")),
	}
}

// WebSocket returns the handler of an endpoint for STOMP over WebSocket. It
// may be called more than once.
func (a *Adapter) WebSocket() http.Handler {
	return a.server.WebSocket(a.config.WebSocket, func(c *transport.Conn) transport.Protocol {
		return newSession(a, c)
	})
}

// Shutdown refuses new clients and new messages, waits until what was accepted
// is handled and its receipts are sent, and closes the connections as those of
// a server that goes away. It returns ctx's error when that takes longer than
// ctx lasts; Close ends the rest.
func (a *Adapter) Shutdown(ctx context.Context) error { return a.server.Shutdown(ctx) }

// Close cuts all connections and waits until the last message of each session
// was given to inbound.
func (a *Adapter) Close() { a.server.Close() }

// Stats is a snapshot of an adapter's counters.
type Stats struct {
	// Sessions is how many sessions have begun, with CONNECT, and not ended.
	Sessions int
	// Refused is how many frames were refused or failed, vetoes included.
	Refused uint64
	// Encodings is how often a message was encoded for delivery. It stays far
	// below the number of deliveries as long as broadcasts share their frames.
	Encodings uint64
	// Transport counts connections and bytes.
	Transport transport.Stats
}

// Stats returns a snapshot.
func (a *Adapter) Stats() Stats {
	return Stats{
		Sessions:  int(a.sessions.Load()),
		Refused:   a.refused.Load(),
		Encodings: a.frames.encodings.Load(),
		Transport: a.server.Stats(),
	}
}
