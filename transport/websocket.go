package transport

import (
	"net"
	"net/http"
)

// WebSocket returns the handler of one endpoint (RFC 6455). For each client
// that passes the handshake it calls open, on the request's goroutine, with the
// new connection; open may send at once. The request's goroutine ends with the
// upgrade: an idle connection costs one goroutine, which reads. Open must not
// return nil.
//
// The handler works wherever the connection can be had: behind middleware
// whose ResponseWriter has an Unwrap method or is an http.Hijacker. For others
// the log and the answer, a 500, name the type that is in the way.
func (s *Server) WebSocket(c WebSocketConfig, open func(*Conn) Protocol) http.Handler {
	return &endpoint{server: s, config: c.withDefaults(), open: open}
}

// endpoint is one place at which WebSocket clients connect.
type endpoint struct {
	server *Server
	config WebSocketConfig
	open   func(*Conn) Protocol
}

// ServeHTTP makes a connection of a request.
func (e *endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	info, p, ok := e.server.admit(w, r)
	if !ok {
		return
	}
	var c *Conn
	defer func() {
		switch {
		case c == nil:
			e.server.release(&p)
		case c.protocol == nil: // open panicked: there is no reader that would clean up
			c.drop(nil, reset)
			<-c.gone
			e.server.release(&c.place)
		}
	}()
	u, err := e.upgrade(w, r)
	if err != nil {
		e.failed(w, r, err)
		return
	}
	info.Transport = e.config.Transport
	c = newConn(e.server, webSocketLink{u.nc, e.config.Goodbye}, e.config.Framing, info, p)
	c.out.writeTo(u.nc)
	c.subprotocol = u.subprotocol
	c.protocol = e.open(c)
	e.server.add(c)
	c.beats.watch(e.config.IdleTimeout)
	go newWebSocketReader(c, u.nc, e.config.MessageBytes, u.deflate).run()
}

// webSocketLink is a socket on which a close frame is the goodbye. The client
// answers it, so there is always something to wait for.
type webSocketLink struct {
	nc      net.Conn
	goodbye func(reason error) []byte // WebSocketConfig.Goodbye
}

func (l webSocketLink) lastFrame(reason error) *Frame {
	f := closeFrame(CloseCode(reason))
	if l.goodbye != nil {
		f.wire = append(FramingWebSocket.Append(nil, l.goodbye(reason)), f.wire...)
	}
	return f
}

func (webSocketLink) sent() (over bool) { return false }

func (l webSocketLink) shut(how ending) { shutSocket(l.nc, how) }
