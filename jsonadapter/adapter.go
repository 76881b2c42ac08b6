package jsonadapter

import (
	"cmp"
	"context"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/transport"
)

// Config says how an [Adapter] treats its clients.
type Config struct {
	// Transport says who may connect and how much may wait for a client. Zero
	// means the defaults of [transport.Config]; its Logger is Logger unless it
	// has one of its own.
	Transport transport.Config
	// WebSocket says how WebSocket connections are read; its MessageBytes
	// bounds the objects as well. Zero means the defaults of
	// [transport.WebSocketConfig]: 64 KiB.
	WebSocket transport.WebSocketConfig
	// LoginTimeout is how long a client has from opening the connection to
	// being connected. Zero means 10 s.
	LoginTimeout time.Duration
	// Logger is told of refused objects and failed messages: at debug level
	// when the error was authored for the client, which can cause any number
	// of them, at error level otherwise. Zero means slog.Default().
	Logger *slog.Logger
}

// Adapter is the server side of JSON over WebSocket. Its methods may be called
// from any goroutine. Make one with [New].
type Adapter struct {
	inbound message.RawHandler
	config  Config
	server  *transport.Server
	frames  frameCache

	sessions atomic.Int64
	refused  atomic.Uint64
}

// New returns an adapter that sends what clients send to inbound. It panics
// when inbound is nil or LoginTimeout is negative. Whoever calls New calls
// Close.
func New(inbound message.RawHandler, c Config) *Adapter {
	if inbound == nil {
		panic("jsonadapter: inbound is nil")
	}
	if c.LoginTimeout < 0 {
		panic("jsonadapter: Config.LoginTimeout is negative")
	}
	c.Logger = cmp.Or(c.Logger, slog.Default())
	c.Transport.Logger = cmp.Or(c.Transport.Logger, c.Logger)
	c.WebSocket.MessageBytes = cmp.Or(c.WebSocket.MessageBytes, 64<<10)
	c.LoginTimeout = cmp.Or(c.LoginTimeout, 10*time.Second)
	return &Adapter{inbound: inbound, config: c, server: transport.NewServer(c.Transport)}
}

// WebSocket returns the handler of an endpoint. It may be called more than
// once.
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
	// Sessions is how many sessions have begun, with connect, and not ended.
	Sessions int
	// Refused is how many objects were refused or failed, vetoes included.
	Refused uint64
	// Encodings is how often a message was encoded for delivery. The deliveries
	// of a message to subscriptions of one id share an encoding when they
	// follow each other within a moment and few other messages come between.
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
