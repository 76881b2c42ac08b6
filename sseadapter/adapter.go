package sseadapter

import (
	"cmp"
	"context"
	"log/slog"
	"net/http"
	"sync"
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
	// MessageBytes is the largest payload that is taken. Zero means 64 KiB; a
	// negative number means no limit.
	MessageBytes int64
	// ResumeTimeout is how long a session outlives its connection, for a client
	// that comes back. Zero means 10 s; a negative duration means not at all.
	ResumeTimeout time.Duration
	// LoginTimeout is how long a client may wait to be connected. Zero means
	// 10 s.
	LoginTimeout time.Duration
	// Logger is told of refused requests and failed messages. Zero means
	// slog.Default().
	Logger *slog.Logger
}

// Adapter is the server side of messages over Server-Sent Events. Its methods
// may be called from any goroutine. Make one with [New].
type Adapter struct {
	config   Config
	server   *transport.Server
	exchange *transport.Exchange
	streams  sync.Map // of *stream, by token
}

// New returns an adapter that sends what clients send to inbound. It panics
// when inbound is nil or LoginTimeout is negative. Whoever calls New calls
// Close.
func New(inbound message.RawHandler, c Config) *Adapter {
	c.Logger = cmp.Or(c.Logger, slog.Default())
	c.Transport.Logger = cmp.Or(c.Transport.Logger, c.Logger)
	c.MessageBytes = cmp.Or(c.MessageBytes, 64<<10)
	c.ResumeTimeout = max(0, cmp.Or(c.ResumeTimeout, 10*time.Second))
	return &Adapter{
		config: c,
		server: transport.NewServer(c.Transport),
		exchange: transport.NewExchange(inbound, transport.ExchangeConfig{
			Tolerant:     true,
			LoginTimeout: c.LoginTimeout,
			Logger:       c.Logger,
		}),
	}
}

// Events returns the handler of an endpoint. It may be called more than once.
func (a *Adapter) Events() http.Handler { return http.HandlerFunc(a.serve) }

func (a *Adapter) serve(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Cache-Control", "no-store, no-transform")
	if !a.server.Guard(w, r, "GET, POST, OPTIONS") {
		return
	}
	q, err := parseQuery(r)
	switch {
	case err != nil:
		a.server.Refuse(w, r, err)
	case r.Method == http.MethodGet:
		a.listen(w, r, q)
	default:
		a.request(w, r, q)
	}
}

// Shutdown refuses new clients and new messages, waits until what was accepted
// is handled and its receipts are sent, and ends the event streams. It returns
// ctx's error when that takes longer than ctx lasts; Close ends the rest.
func (a *Adapter) Shutdown(ctx context.Context) error { return a.server.Shutdown(ctx) }

// Close cuts all connections and waits until the last message of each session
// was given to inbound.
func (a *Adapter) Close() { a.server.Close() }

// Stats returns a snapshot of the adapter's counters.
func (a *Adapter) Stats() transport.AdapterStats {
	return transport.AdapterStats{Name: "sse", ExchangeStats: a.exchange.Stats(), Transport: a.server.Stats()}
}

// Doors returns what Config opens to strangers beyond the defaults, and who is let in
// without a name.
func (a *Adapter) Doors() message.Doors {
	const at = "sseadapter.Config"
	return a.config.Transport.Doors(at+".Transport").
		If(a.config.MessageBytes < 0, at+".MessageBytes", "messages may be of any size")
}
