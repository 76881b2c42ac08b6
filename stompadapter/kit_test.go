package stompadapter_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/stompadapter"
	"github.com/headrace/headrace/stompadapter/frame"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// inbound is the smallest application: it answers KindConnect, notes all that
// it gets and does with it what the test says.
type inbound struct {
	on func(ctx context.Context, m message.Raw) error // nil accepts everything

	mu   sync.Mutex
	seen []message.Raw
}

func (in *inbound) Handle(ctx context.Context, m message.Raw) error {
	in.mu.Lock()
	in.seen = append(in.seen, m)
	in.mu.Unlock()
	if in.on != nil {
		return in.on(ctx, m)
	}
	return accept(ctx, m)
}

// accept is what a broker does with KindConnect.
func accept(ctx context.Context, m message.Raw) error {
	if m.Kind == message.KindConnect {
		return m.Session.Deliver(ctx, message.Raw{Kind: message.KindConnected, Session: m.Session})
	}
	return nil
}

func (in *inbound) messages() []message.Raw {
	in.mu.Lock()
	defer in.mu.Unlock()
	return append([]message.Raw(nil), in.seen...)
}

// kinds returns what was seen, such as "connect data disconnect".
func (in *inbound) kinds() string {
	var kinds []string
	for _, m := range in.messages() {
		kinds = append(kinds, m.Kind.String())
	}
	return strings.Join(kinds, " ")
}

// only returns the one message of a kind.
func (in *inbound) only(t *testing.T, k message.Kind) message.Raw {
	t.Helper()
	var found []message.Raw
	for _, m := range in.messages() {
		if m.Kind == k {
			found = append(found, m)
		}
	}
	if len(found) != 1 {
		t.Fatalf("%d messages of kind %s, want 1: %s", len(found), k, in.kinds())
	}
	return found[0]
}

// pipes is a listener whose connections are pipes, so that it can be used
// within a synctest bubble.
type pipes struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	p.once.Do(func() { close(p.done) })
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipe"} }

func (p *pipes) dial(context.Context, string, string) (net.Conn, error) {
	ours, theirs := net.Pipe()
	select {
	case p.conns <- theirs:
		return ours, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

// site is an adapter that is being served.
type site struct {
	t       *testing.T
	adapter *stompadapter.Adapter
	in      *inbound
	log     *syncBuffer
	dialer  websocket.Dialer
	url     string
}

type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// serve starts a site over pipes, or over TCP.
func serve(t *testing.T, in *inbound, c stompadapter.Config, tcp ...bool) *site {
	t.Helper()
	s := &site{t: t, in: in, log: new(syncBuffer), url: "ws://pipe/"}
	c.Logger = slog.New(slog.NewTextHandler(s.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	c.Transport.Logger = slog.New(slog.DiscardHandler) // which tells of every end
	s.adapter = stompadapter.New(in, c)
	var l net.Listener
	if len(tcp) > 0 {
		var err error
		if l, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			t.Fatal(err)
		}
		s.url = "ws://" + l.Addr().String()
	} else {
		p := &pipes{conns: make(chan net.Conn), done: make(chan struct{})}
		s.dialer.NetDialContext = p.dial
		l = p
	}
	server := &http.Server{Handler: s.adapter.WebSocket()}
	served := make(chan struct{})
	go func() { defer close(served); server.Serve(l) }()
	t.Cleanup(func() {
		s.adapter.Close()
		server.Close()
		<-served
	})
	return s
}

// client is a raw WebSocket client.
type client struct {
	t       *testing.T
	ws      *websocket.Conn
	decoder *frame.Decoder
	rest    []byte
	code    int // of the close frame
}

func (s *site) dial(subprotocols ...string) *client {
	s.t.Helper()
	d := s.dialer
	d.Subprotocols = subprotocols
	ws, _, err := d.Dial(s.url, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	c := &client{t: s.t, ws: ws, decoder: frame.NewDecoder(frame.Limits{Frame: 1 << 20, Headers: 200})}
	c.decoder.SetVersion(frame.V12)
	s.t.Cleanup(func() { ws.Close() })
	return c
}

// connect dials and logs in.
func (s *site) connect() *client {
	s.t.Helper()
	c := s.dial()
	c.send("CONNECT\naccept-version:1.2\nhost:h\n\n\x00")
	c.want(frame.Connected)
	return c
}

func (c *client) send(frames ...string) {
	c.t.Helper()
	if err := c.ws.WriteMessage(websocket.TextMessage, []byte(strings.Join(frames, ""))); err != nil {
		c.t.Fatal(err)
	}
}

// next returns the next frame, or false when the connection was closed.
func (c *client) next() (frame.Frame, bool) {
	c.t.Helper()
	for {
		f, rest, ok, err := c.decoder.Decode(c.rest)
		if err != nil {
			c.t.Fatal(err)
		}
		if c.rest = rest; ok {
			if v, ok := frame.ParseVersion(f.Header.Get("version")); ok && f.Command == frame.Connected {
				c.decoder.SetVersion(v)
			}
			return f, true
		}
		if _, c.rest, err = c.ws.ReadMessage(); err != nil {
			if e, ok := errors.AsType[*websocket.CloseError](err); ok {
				c.code = e.Code
			}
			return frame.Frame{}, false
		}
	}
}

// want returns the next frame, which must be of this command.
func (c *client) want(command frame.Command) frame.Frame {
	c.t.Helper()
	f, ok := c.next()
	if !ok || f.Command != command {
		c.t.Fatalf("got %s %q, want %s", f.Command, f.Body, command)
	}
	return f
}

// receipts reads as many receipts and returns their ids.
func (c *client) receipts(n int) (ids []string) {
	c.t.Helper()
	for range n {
		ids = append(ids, c.want(frame.Receipt).Header.Get("receipt-id"))
	}
	return ids
}

// wantError reads ERROR, whose message contains text, and the close.
func (c *client) wantError(text string) frame.Frame {
	c.t.Helper()
	f := c.want(frame.Error)
	if got := f.Header.Get("message"); !strings.Contains(got, text) {
		c.t.Fatalf("ERROR says %q, want %q", got, text)
	}
	if len(f.Body) == 0 || f.Header.Get("code") == "" || f.Header.Get("content-type") == "" {
		c.t.Errorf("ERROR without body, code or content-type: %v", f)
	}
	c.wantClosed()
	return f
}

// wantClosed reads the close frame.
func (c *client) wantClosed(code ...int) {
	c.t.Helper()
	if f, ok := c.next(); ok {
		c.t.Fatalf("got %s %v, want the connection closed", f.Command, f.Header)
	}
	if len(code) > 0 && c.code != code[0] {
		c.t.Errorf("close code %d, want %d", c.code, code[0])
	}
}

func send(destination, receipt string) string {
	return fmt.Sprintf("SEND\ndestination:%s\nreceipt:%s\n\nbody\x00", destination, receipt)
}

// eventually waits for what another goroutine does without telling anybody.
func eventually(t rapid.TB, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for tick := time.NewTicker(time.Millisecond); !ok(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("never happened: %s", what)
		}
	}
}
