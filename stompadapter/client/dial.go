package client

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/gorilla/websocket"

	"github.com/headrace/headrace/stompadapter/frame"
	"github.com/headrace/headrace/stompadapter/internal/line"
)

// dialer opens wires. It is made once, so that a wrong Config shows before
// anything is sent.
type dialer struct {
	url         *url.URL
	dial        func(ctx context.Context) (net.Conn, error) // nil for the default
	tls         *tls.Config
	protocols   []string // the subprotocols of WebSocket, the best first
	fixed       greeting // with what Config holds
	credentials func(ctx context.Context) (Credentials, error)
	limit       int // Config.MessageBytes
}

func newDialer(c Config) (*dialer, error) {
	u, err := url.Parse(c.URL)
	if err != nil {
		if e, ok := errors.AsType[*url.Error](err); ok {
			err = e.Err // the URL may hold a password
		}
		return nil, fmt.Errorf("client: the URL is malformed: %w", err)
	}
	switch u.Scheme {
	case "ws", "wss", "tcp", "tls":
	default:
		return nil, fmt.Errorf("client: the URL's scheme is %q, want ws, wss, tcp or tls", u.Scheme)
	}
	if u.User != nil {
		return nil, errors.New("client: credentials belong in Login and Passcode, not in the URL")
	}
	if u.Host == "" {
		return nil, errors.New("client: the URL has no host")
	}
	fixed, err := newGreeting(c.HTTPHeader, line.Hello{
		Version:   c.Version,
		Host:      cmp.Or(c.Host, u.Hostname()),
		Heartbeat: frame.HeartBeat(c.Heartbeat),
		Login:     c.Login,
		Passcode:  c.Passcode,
		Header:    c.Header,
	})
	if err != nil {
		return nil, fmt.Errorf("client: %w", err)
	}
	return &dialer{
		url: u, dial: c.Dial, tls: c.TLS, protocols: subprotocols(c.Version),
		fixed: fixed, credentials: c.Credentials, limit: c.MessageBytes,
	}, nil
}

// subprotocols returns the names under which WebSocket knows the versions up to
// highest.
func subprotocols(highest frame.Version) []string {
	names := []string{"v12.stomp", "v11.stomp", "v10.stomp"}
	return names[frame.V12-highest:]
}

// open opens a wire. Of the header HTTP alone has a use.
func (d *dialer) open(ctx context.Context, header http.Header) (line.Wire, error) {
	switch d.url.Scheme {
	case "ws", "wss":
		return d.webSocket(ctx, header)
	case "tls":
		return d.secure(ctx)
	}
	return d.plain(ctx, "61613")
}

// plain opens a network connection to the host of the URL.
func (d *dialer) plain(ctx context.Context, defaultPort string) (net.Conn, error) {
	if d.dial != nil {
		return d.dial(ctx)
	}
	port := d.url.Port()
	if port == "" {
		port = defaultPort
	}
	return new(net.Dialer).DialContext(ctx, "tcp", net.JoinHostPort(d.url.Hostname(), port))
}

func (d *dialer) secure(ctx context.Context) (line.Wire, error) {
	conn, err := d.plain(ctx, "61614")
	if err != nil {
		return nil, err
	}
	config := new(tls.Config)
	if d.tls != nil {
		config = d.tls.Clone()
	}
	if config.ServerName == "" {
		config.ServerName = d.url.Hostname()
	}
	secure := tls.Client(conn, config)
	if err := secure.HandshakeContext(ctx); err != nil {
		conn.Close()
		return nil, err
	}
	return secure, nil
}

func (d *dialer) webSocket(ctx context.Context, header http.Header) (line.Wire, error) {
	w := websocket.Dialer{
		TLSClientConfig: d.tls,
		Subprotocols:    d.protocols,
	}
	if d.dial == nil {
		w.Proxy = http.ProxyFromEnvironment
	} else {
		w.NetDialContext = func(ctx context.Context, _, _ string) (net.Conn, error) { return d.dial(ctx) }
	}
	conn, response, err := w.DialContext(ctx, d.url.String(), header)
	if err != nil {
		if response != nil {
			err = fmt.Errorf("%w: the server answered %s", err, response.Status)
		}
		return nil, err
	}
	if p := conn.Subprotocol(); p != "" && !slices.Contains(d.protocols, p) { // RFC 6455, 4.1
		conn.Close()
		return nil, fmt.Errorf("the server chose the subprotocol %.16q, which was not offered", p)
	}
	return &socket{Conn: conn, limit: d.limit}, nil
}

// socket reads the messages of a WebSocket as one stream, since frames and
// messages need not line up, and begins a message with each frame, since not
// every server knows that.
type socket struct {
	*websocket.Conn
	limit   int       // octets of a message that is sent; none if not positive
	message io.Reader // the one that is being read, or nil
}

// Read fills p from the current message, and waits for one when there is none.
func (s *socket) Read(p []byte) (int, error) {
	for {
		if s.message == nil {
			_, r, err := s.NextReader()
			if err != nil {
				return 0, err
			}
			s.message = r
		}
		n, err := s.message.Read(p)
		if err == io.EOF {
			s.message, err = nil, nil
		}
		if n > 0 || err != nil {
			return n, err
		}
	}
}

// Write sends p as text, cut between characters where that takes several
// messages, or as binary messages where it is not UTF-8.
func (s *socket) Write(p []byte) (int, error) {
	kind := websocket.TextMessage
	if !utf8.Valid(p) {
		kind = websocket.BinaryMessage
	}
	for rest := p; len(rest) > 0; {
		n := len(rest)
		if s.limit > 0 && n > s.limit {
			for n = s.limit; kind == websocket.TextMessage && !utf8.RuneStart(rest[n]); {
				n--
			}
		}
		if err := s.WriteMessage(kind, rest[:n]); err != nil {
			return len(p) - len(rest), err
		}
		rest = rest[n:]
	}
	return len(p), nil
}

// closeFrameTimeout is how long Close tries to say goodbye over a connection
// that may be stuck.
const closeFrameTimeout = 250 * time.Millisecond

// Close sends a close frame and closes the connection.
func (s *socket) Close() error {
	goodbye := websocket.FormatCloseMessage(websocket.CloseNormalClosure, "")
	_ = s.WriteControl(websocket.CloseMessage, goodbye, time.Now().Add(closeFrameTimeout)) // a courtesy
	return s.Conn.Close()
}
