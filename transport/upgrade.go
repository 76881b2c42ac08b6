package transport

import (
	"bufio"
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"fmt"
	"iter"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/headrace/headrace/message"
)

// upgrade is what a WebSocket handshake asks for (RFC 6455, section 4.2.1).
type upgrade struct {
	key         string
	subprotocol string
	deflate     bool
}

// upgradeError is a handshake that cannot be one.
type upgradeError struct {
	status int
	text   string
}

func (e *upgradeError) Error() string { return e.text }

// parseUpgrade reads the handshake of a request.
func (e *endpoint) parseUpgrade(r *http.Request) (u upgrade, err *upgradeError) {
	h := r.Header
	keys := h.Values("Sec-WebSocket-Key")
	switch {
	case r.ProtoMajor != 1 || r.ProtoMinor < 1:
		return u, &upgradeError{http.StatusHTTPVersionNotSupported,
			"a WebSocket begins with HTTP/1.1, and this is " + r.Proto + ": the server must not offer HTTP/2 here"}
	case r.Method != http.MethodGet:
		return u, &upgradeError{http.StatusMethodNotAllowed, "a WebSocket begins with GET"}
	case !hasToken(h["Connection"], "upgrade") || !hasToken(h["Upgrade"], "websocket"):
		return u, &upgradeError{http.StatusBadRequest, `not a WebSocket handshake: needs "Connection: Upgrade" and "Upgrade: websocket"`}
	case !hasToken(h["Sec-Websocket-Version"], "13"):
		return u, &upgradeError{http.StatusUpgradeRequired, "Sec-WebSocket-Version must be 13"}
	case len(keys) != 1 || !validKey(keys[0]):
		return u, &upgradeError{http.StatusBadRequest, "Sec-WebSocket-Key must be 16 bytes in base64"}
	}
	u.key = keys[0]
	offered := slices.Collect(elements(h["Sec-Websocket-Protocol"]))
	for _, p := range e.config.Subprotocols {
		if slices.Contains(offered, p) {
			u.subprotocol = p
			break
		}
	}
	u.deflate = e.config.Compression && offersDeflate(h["Sec-Websocket-Extensions"])
	return u, nil
}

func validKey(key string) bool {
	b, err := base64.StdEncoding.DecodeString(key)
	return err == nil && len(b) == 16
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

// answer accepts the handshake (RFC 6455, section 4.2.2).
func (u *upgrade) answer() []byte {
	sum := sha1.Sum([]byte(u.key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	b := []byte("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ")
	b = base64.StdEncoding.AppendEncode(b, sum[:])
	if u.subprotocol != "" {
		b = append(b, "\r\nSec-WebSocket-Protocol: "+u.subprotocol...)
	}
	if u.deflate {
		b = append(b, "\r\nSec-WebSocket-Extensions: "+deflateAnswer...)
	}
	return append(b, "\r\n\r\n"...)
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

// takeOver takes a connection from the HTTP server and accepts the handshake.
func (e *endpoint) takeOver(w http.ResponseWriter, u *upgrade) (net.Conn, error) {
	nc, rw, err := http.NewResponseController(w).Hijack()
	if errors.Is(err, http.ErrNotSupported) {
		return nil, &upgradeError{http.StatusInternalServerError, fmt.Sprintf("a %T cannot be hijacked: "+
			"give it an Unwrap method, or mount the endpoint outside the middleware that made it", innermost(w))}
	}
	if err != nil {
		return nil, err
	}
	if err := accept(nc, rw.Reader, u, e.server.config.WriteTimeout); err != nil {
		nc.Close()
		return nil, err
	}
	return nc, nil
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

var errEarly = message.Errorf(message.CodeInvalid, "data before the handshake was answered")

// accept writes the answer. The HTTP server's deadlines end here.
func accept(nc net.Conn, r *bufio.Reader, u *upgrade, timeout time.Duration) error {
	if r.Buffered() > 0 {
		return errEarly
	}
	nc.SetDeadline(time.Time{})
	nc.SetWriteDeadline(time.Now().Add(timeout))
	if _, err := nc.Write(u.answer()); err != nil {
		return err
	}
	return nc.SetWriteDeadline(time.Time{})
}
