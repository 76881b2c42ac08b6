package jsonadapter

import (
	"cmp"
	"context"
	"log/slog"
	"net/http"
	"slices"
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
	// Logger is told of refused objects and failed messages. Zero means
	// slog.Default().
	Logger *slog.Logger
}

// Adapter is the server side of JSON over WebSocket. Its methods may be called
// from any goroutine. Make one with [New].
type Adapter struct {
	config   Config
	server   *transport.Server
	exchange *transport.Exchange
}

// New returns an adapter that sends what clients send to inbound. It panics
// when inbound is nil or LoginTimeout is negative. Whoever calls New calls
// Close.
func New(inbound message.RawHandler, c Config) *Adapter {
	c.Logger = cmp.Or(c.Logger, slog.Default())
	c.Transport.Logger = cmp.Or(c.Transport.Logger, c.Logger)
	c.WebSocket.MessageBytes = cmp.Or(c.WebSocket.MessageBytes, 64<<10)
	return &Adapter{
		config: c,
		server: transport.NewServer(c.Transport),
		exchange: transport.NewExchange(inbound, transport.ExchangeConfig{
			First:        "the first object must be of the type connect",
			Tolerant:     true,
			LoginTimeout: c.LoginTimeout,
			Logger:       c.Logger,
		}),
	}
}

// WebSocket returns the handler of an endpoint. It may be called more than
// once.
func (a *Adapter) WebSocket() http.Handler {
	return a.server.WebSocket(a.config.WebSocket, func(c *transport.Conn) transport.Protocol {
		return a.exchange.Open(c, &dialect{conn: c, split: splitter{limit: a.config.WebSocket.MessageBytes}})
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

// Stats returns a snapshot of the adapter's counters.
func (a *Adapter) Stats() transport.AdapterStats {
	return transport.AdapterStats{Name: "json", ExchangeStats: a.exchange.Stats(), Transport: a.server.Stats()}
}

// Doors returns what Config opens to strangers beyond the defaults, and who is let in
// without a name.
func (a *Adapter) Doors() message.Doors {
	const at = "jsonadapter.Config"
	return slices.Concat(a.config.Transport.Doors(at+".Transport"), a.config.WebSocket.Doors(at+".WebSocket"))
}
