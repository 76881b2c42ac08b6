package transport

import (
	"bufio"
	"errors"
	"fmt"
	"iter"
	"maps"
	"net"
	"net/http"
	"strings"

	"github.com/gorilla/websocket"
)

// upgrade is what was agreed on in a WebSocket handshake.
type upgrade struct {
	nc          net.Conn
	subprotocol string // as the server writes it
	deflate     bool
}

// upgradeError is a handshake that cannot be one.
type upgradeError struct {
	status int
	text   string
}

func (e *upgradeError) Error() string { return e.text }

// upgrade accepts a handshake. Gorilla's upgrader does it, after a screen of
// what it does not look at; its connection is let go, for frames are read and
// written here.
func (e *endpoint) upgrade(w http.ResponseWriter, r *http.Request) (u upgrade, err error) {
	if err := screenUpgrade(r); err != nil {
		return u, err
	}
	header := upgradeHeader(w.Header())
	theirs, ours := e.choose(r.Header["Sec-Websocket-Protocol"])
	if ours != "" {
		header.Set("Sec-WebSocket-Protocol", theirs)
	}
	deflate := e.config.Compression && offersDeflate(r.Header["Sec-Websocket-Extensions"])
	var refusal error
	h := &hijacker{ResponseWriter: w}
	upgrader := websocket.Upgrader{
		HandshakeTimeout:  e.server.config.WriteTimeout,
		EnableCompression: deflate,
		CheckOrigin:       func(*http.Request) bool { return true }, // by now it is
		Error: func(_ http.ResponseWriter, _ *http.Request, status int, reason error) {
			refusal = &upgradeError{status, reason.Error()}
		},
	}
	ws, err := upgrader.Upgrade(h, plainUpgrade(r), header)
	switch {
	case h.err != nil:
		return u, h.err
	case refusal != nil:
		return u, refusal
	case err != nil:
		return u, err
	}
	return upgrade{ws.NetConn(), ours, deflate}, nil
}

// plainUpgrade returns a request that has passed the screen in the form that the
// upgrader reads: no lists in several lines, no versions of protocols, no offers
// beside the one that can be accepted.
func plainUpgrade(r *http.Request) *http.Request {
	return &http.Request{Method: http.MethodGet, Header: http.Header{
		"Connection":               {"Upgrade"},
		"Upgrade":                  {"websocket"},
		"Sec-Websocket-Version":    {"13"},
		"Sec-Websocket-Key":        r.Header["Sec-Websocket-Key"],
		"Sec-Websocket-Extensions": {"permessage-deflate"},
	}}
}

// screenUpgrade finds what is wrong with a handshake (RFC 6455, section 4.2.1)
// and the upgrader lets pass or has another status for.
func screenUpgrade(r *http.Request) error {
	h := r.Header
	switch {
	case r.ProtoMajor != 1 || r.ProtoMinor < 1:
		return &upgradeError{http.StatusHTTPVersionNotSupported,
			"a WebSocket begins with HTTP/1.1, and this is " + r.Proto + ": the server must not offer HTTP/2 here"}
	case r.Method != http.MethodGet:
		return &upgradeError{http.StatusMethodNotAllowed, "a WebSocket begins with GET"}
	case !hasToken(h["Connection"], "upgrade") || !hasToken(h["Upgrade"], "websocket"):
		return &upgradeError{http.StatusBadRequest, `not a WebSocket handshake: needs "Connection: Upgrade" and "Upgrade: websocket"`}
	case !hasToken(h["Sec-Websocket-Version"], "13"):
		return &upgradeError{http.StatusUpgradeRequired, "Sec-WebSocket-Version must be 13"}
	case len(h["Sec-Websocket-Key"]) > 1:
		return &upgradeError{http.StatusBadRequest, "more than one Sec-WebSocket-Key"}
	}
	return nil
}

// choose returns the server's favourite among the subprotocols that are
// offered, in the client's spelling, which is the only one that a browser takes
// for an answer, and in ours. Spring's endpoints compare without regard to case,
// and clients were written for them.
func (e *endpoint) choose(offers []string) (theirs, ours string) {
	for _, ours := range e.config.Subprotocols {
		for theirs := range elements(offers) {
			if strings.EqualFold(theirs, ours) {
				return theirs, ours
			}
		}
	}
	return "", ""
}

// elements goes through a list, which may come in several lines.
func elements(lines []string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, line := range lines {
			for element := range strings.SplitSeq(line, ",") {
				if !yield(strings.TrimSpace(element)) {
					return
				}
			}
		}
	}
}

// hasToken reports whether a list has an element, in whatever case.
func hasToken(lines []string, token string) bool {
	for element := range elements(lines) {
		if strings.EqualFold(element, token) {
			return true
		}
	}
	return false
}

// upgradeHeader returns what middleware has put into the answer, without that
// which the handshake settles and that which an answer without a body has not.
func upgradeHeader(h http.Header) http.Header {
	h = maps.Clone(h)
	for _, name := range []string{"Connection", "Upgrade", "Sec-Websocket-Accept", "Sec-Websocket-Extensions", "Sec-Websocket-Protocol", "Content-Length", "Transfer-Encoding"} {
		delete(h, name)
	}
	return h
}

// hijacker finds the connection behind middleware.
type hijacker struct {
	http.ResponseWriter
	err error // why there is none
}

// Hijack implements [http.Hijacker].
func (h *hijacker) Hijack() (nc net.Conn, rw *bufio.ReadWriter, err error) {
	nc, rw, err = http.NewResponseController(h.ResponseWriter).Hijack()
	if errors.Is(err, http.ErrNotSupported) {
		err = &upgradeError{http.StatusInternalServerError, fmt.Sprintf("a %T cannot be hijacked: "+
			"give it an Unwrap method, or mount the endpoint outside the middleware that made it", innermost(h.ResponseWriter))}
	}
	h.err = err
	return nc, rw, err
}

// innermost returns the response that nobody can look behind.
func innermost(w http.ResponseWriter) http.ResponseWriter {
	for {
		u, ok := w.(interface{ Unwrap() http.ResponseWriter })
		if !ok {
			return w
		}
		w = u.Unwrap()
	}
}

// refuse answers a request that cannot be upgraded.
func (e *endpoint) refuse(w http.ResponseWriter, r *http.Request, err *upgradeError) {
	h := w.Header()
	h.Set("Sec-WebSocket-Version", "13")
	switch err.status {
	case http.StatusMethodNotAllowed:
		h.Set("Allow", http.MethodGet)
	case http.StatusUpgradeRequired:
		h.Set("Upgrade", "websocket")
		h.Set("Connection", "Upgrade")
	}
	e.server.refuse(w, r, err.status, err.text)
}

// failed is told of a handshake that became nothing.
func (e *endpoint) failed(w http.ResponseWriter, r *http.Request, err error) {
	refusal, ok := errors.AsType[*upgradeError](err)
	if ok {
		if refusal.status == http.StatusInternalServerError {
			e.server.config.Logger.ErrorContext(r.Context(), "transport: upgrade failed", "error", err)
		}
		e.refuse(w, r, refusal)
		return
	}
	e.server.refused.Add(1)
	e.server.config.Logger.DebugContext(r.Context(), "transport: upgrade failed", "error", err)
}
