package sockjs

import (
	"net/http"

	"github.com/headrace/headrace/transport"
)

// Mount returns the handler of one SockJS endpoint: the greeting, info and
// iframe pages, the sessions of all transports, and WebSocket without SockJS at
// BASE/websocket. Whatever its transport, a session is one connection of s, and
// open puts a protocol on it, as with [transport.Server.WebSocket]. What the
// protocol sends becomes one SockJS message a frame, which is text: a byte that
// is not valid UTF-8 arrives as U+FFFD. What the client sends reaches Receive
// one message a call, except over WebSocket without SockJS; a protocol that is
// a [transport.MessageEnder] is told where each ends. It panics if c.ClientURL
// is malformed.
func Mount(s *transport.Server, c MountConfig, open func(*transport.Conn) transport.Protocol) http.Handler {
	c = c.withDefaults()
	e := &endpoint{
		server:   s,
		config:   c,
		open:     open,
		iframe:   newIframe(c.ClientURL),
		sessions: table{sessions: make(map[string]*httpSession)},
	}
	e.raw = s.WebSocket(c.WebSocket, open)
	e.framed = e.webSocket()
	return e
}

// endpoint is one SockJS endpoint.
type endpoint struct {
	server   *transport.Server
	config   MountConfig
	open     func(*transport.Conn) transport.Protocol
	iframe   iframe
	raw      http.Handler // WebSocket without SockJS
	framed   http.Handler // WebSocket with it
	sessions table        // of the HTTP transports
}

// ServeHTTP finds out what a URL leads to.
func (e *endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Content-Type-Options", "nosniff")
	path, ok := below(r, e.config.Prefix)
	var to route
	if ok {
		to, ok = parseRoute(path)
	}
	switch {
	case !ok:
		http.NotFound(w, r)
	case to.session != "":
		e.serveSession(w, r, to)
	default:
		e.serveStatic(w, r, to.leaf)
	}
}

func (e *endpoint) serveStatic(w http.ResponseWriter, r *http.Request, leaf string) {
	switch leaf {
	case leafInfo:
		e.guard(w, r, "OPTIONS, GET", e.info)
	case leafRaw:
		e.upgrade(w, r, e.raw)
	case leafIframe:
		if e.server.GuardEmbedded(w, r, http.MethodGet) {
			e.iframe.serve(w, r)
		}
	default:
		if r.Method != http.MethodGet {
			methodNotAllowed(w, http.MethodGet)
			return
		}
		greeting(w)
	}
}

// serveSession knows the transports by the last segment of their URLs.
func (e *endpoint) serveSession(w http.ResponseWriter, r *http.Request, to route) {
	switch {
	case to.end == endWebSocket:
		e.upgrade(w, r, e.framed)
	case to.end == endXHRSend:
		e.guard(w, r, "OPTIONS, POST", func(w http.ResponseWriter, r *http.Request) {
			e.send(w, r, to.session, xhrSend)
		})
	case to.end == endJSONPSend && e.config.JSONP:
		e.guardEmbedded(w, r, http.MethodPost, func(w http.ResponseWriter, r *http.Request) {
			e.send(w, r, to.session, jsonpSend)
		})
	default:
		t := transports[to.end]
		if t == nil || to.end == "htmlfile" && !e.config.HTMLFile || to.end == "jsonp" && !e.config.JSONP {
			http.NotFound(w, r)
			return
		}
		serve := func(w http.ResponseWriter, r *http.Request) { e.receive(w, r, to.session, t) }
		if t.callback {
			e.guardEmbedded(w, r, t.method, serve)
		} else {
			e.guard(w, r, "OPTIONS, "+t.method, serve)
		}
	}
}

// upgrade hands a request to a WebSocket endpoint, which looks at the rest.
func (e *endpoint) upgrade(w http.ResponseWriter, r *http.Request, to http.Handler) {
	switch {
	case e.config.NoWebSocket:
		http.NotFound(w, r)
	case r.Method != http.MethodGet:
		methodNotAllowed(w, http.MethodGet)
	default:
		to.ServeHTTP(w, r)
	}
}

// guard lets requests through that pages make themselves.
func (e *endpoint) guard(w http.ResponseWriter, r *http.Request, methods string, serve http.HandlerFunc) {
	if r.Method == http.MethodOptions {
		cached(w)
	}
	if e.server.Guard(w, r, methods) {
		serve(w, r)
	}
}

// guardEmbedded lets requests through that pages make by embedding us.
func (e *endpoint) guardEmbedded(w http.ResponseWriter, r *http.Request, method string, serve http.HandlerFunc) {
	if e.server.GuardEmbedded(w, r, method) {
		serve(w, r)
	}
}
