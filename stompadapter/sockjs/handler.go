package sockjs

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync"

	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/transport"
)

// Config says how a [Handler] behaves.
type Config struct {
	// MountConfig says how the endpoint behaves. Zero means the zero
	// MountConfig.
	MountConfig
	// Transport says who may connect, how many, and how much may wait for each.
	// Zero means the zero [transport.Config].
	Transport transport.Config
	// PendingMessages is how many received messages may wait for
	// [Session.Receive], and they may have 512 KiB, unless it is one that is
	// larger; then the client has to wait, and is cut when that takes longer
	// than a minute. Zero means 64.
	PendingMessages int
}

// Handler is a SockJS endpoint that stands alone. Its methods may be called
// from any goroutine. Make one with [New].
type Handler struct {
	endpoint http.Handler
	server   *transport.Server
	logger   *slog.Logger
	pending  int
	serve    func(*Session)
	serving  sync.WaitGroup
}

// New returns a handler that calls serve once for each session, on a goroutine
// of its own. When serve returns the session is closed. It panics if serve is
// nil or an allowed origin or the client's URL is malformed. Whoever calls New
// calls [Handler.Shutdown] or [Handler.Close].
func New(c Config, serve func(*Session)) *Handler {
	if serve == nil {
		panic("sockjs: serve is nil")
	}
	h := &Handler{
		server:  transport.NewServer(c.Transport),
		logger:  cmp.Or(c.Transport.Logger, slog.Default()),
		pending: c.PendingMessages,
		serve:   serve,
	}
	if h.pending <= 0 {
		h.pending = 64
	}
	h.endpoint = Mount(h.server, c.MountConfig, h.open)
	return h
}

// ServeHTTP answers the requests of clients.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) { h.endpoint.ServeHTTP(w, r) }

// open begins a session.
func (h *Handler) open(c *transport.Conn) transport.Protocol {
	s := newSession(c, h.pending)
	h.serving.Go(func() { h.run(s) })
	return &intake{session: s}
}

// run serves a session. A panic costs its own session only.
func (h *Handler) run(s *Session) {
	err := h.call(s)
	if p, ok := errors.AsType[*message.PanicError](err); ok {
		h.logger.Error("sockjs: serve panicked", "session", s.id, "error", p, "stack", string(p.Stack))
	}
	s.end(err)
}

// call calls serve. A panic costs its own session only.
func (h *Handler) call(s *Session) (err error) {
	defer message.Recover(&err)
	h.serve(s)
	return nil
}

// Shutdown refuses new sessions, closes those that are open, as of a server
// that goes away, and waits until the clients know, or nobody has come to be
// told within the disconnect delay, and serve has returned for each. When ctx
// is over first it returns an error that wraps the context's cause; Close ends
// the rest.
func (h *Handler) Shutdown(ctx context.Context) error {
	if err := h.server.Shutdown(ctx); err != nil {
		return err
	}
	served := make(chan struct{})
	go func() { // ends no later than Close does
		h.serving.Wait()
		close(served)
	}()
	select {
	case <-served:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Close cuts all connections and waits until serve has returned for each
// session, so it must not be called by serve.
func (h *Handler) Close() {
	h.server.Close()
	h.serving.Wait()
}

// Stats returns a snapshot of the connections: sessions, whatever their
// transport.
func (h *Handler) Stats() transport.Stats { return h.server.Stats() }
