package transport

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"

	"github.com/gorilla/websocket"
)

// WebSocket returns the handler of one endpoint. For each client that passes
// the handshake it calls open, on the request's goroutine, with the new
// connection; open may send at once. The request's goroutine ends with the
// upgrade: an idle connection costs one goroutine, which reads. Open must not
// return nil.
func (s *Server) WebSocket(c WebSocketConfig, open func(*Conn) Protocol) http.Handler {
	c = c.withDefaults()
	e := &endpoint{server: s, config: c, open: open}
	e.upgrader = websocket.Upgrader{
		ReadBufferSize:  c.ReadBufferSize,
		WriteBufferPool: new(sync.Pool), // only asked for by a connection that is never written through
		Subprotocols:    c.Subprotocols,
		CheckOrigin:     func(*http.Request) bool { return true }, // admit has checked it
		Error:           e.refuse,

		EnableCompression: c.Compression,
	}
	return e
}

// endpoint is one place at which WebSocket clients connect.
type endpoint struct {
	server   *Server
	config   WebSocketConfig
	open     func(*Conn) Protocol
	upgrader websocket.Upgrader
}

// ServeHTTP makes a connection of a request.
func (e *endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	info, ok := e.server.admit(w, r)
	if !ok {
		return
	}
	info.Transport = "websocket"
	h := &hijacker{ResponseWriter: w, server: e.server}
	ws, err := e.upgrader.Upgrade(h, r, nil)
	if err != nil {
		e.server.refused.Add(1)
		e.server.release()
		return
	}
	c := newConn(e.server, h.wire, e.config.Framing, info)
	c.out.over(h.wire.Conn)
	c.subprotocol = ws.Subprotocol()
	h.wire.upgraded(c)
	defer func() {
		if c.protocol == nil { // open panicked: there is no reader that would clean up
			c.drop(nil, reset)
			<-c.gone
			e.server.release()
		}
	}()
	c.protocol = e.open(c)
	e.server.add(c)
	c.beats.watch(e.config.IdleTimeout)
	ws.SetReadLimit(max(e.config.MessageBytes, 0))
	go newReader(c, ws, h.wire).run()
}

// refuse answers a request that cannot be upgraded.
func (e *endpoint) refuse(w http.ResponseWriter, r *http.Request, status int, reason error) {
	text := reason.Error()
	if status >= http.StatusInternalServerError {
		e.server.config.Logger.ErrorContext(r.Context(), "transport: upgrade failed", "error", reason)
		text = http.StatusText(status)
	}
	w.Header().Set("Sec-WebSocket-Version", "13")
	http.Error(w, text, status)
}

// hijacker finds the connection behind whatever middleware wraps the response
// and puts a [wire] before it.
type hijacker struct {
	http.ResponseWriter
	server *Server
	wire   *wire
}

// Hijack takes the connection over.
func (h *hijacker) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	nc, rw, err := http.NewResponseController(h.ResponseWriter).Hijack()
	if errors.Is(err, http.ErrNotSupported) {
		return nil, nil, fmt.Errorf("a %T cannot be hijacked: give it an Unwrap method, or mount the endpoint outside the middleware that made it", h.ResponseWriter)
	}
	if err != nil {
		return nil, nil, err
	}
	h.wire = &wire{Conn: nc, server: h.server}
	return h.wire, rw, nil
}
