package jsonadapter_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"go.uber.org/goleak"

	"github.com/headrace/headrace/jsonadapter"
	"github.com/headrace/headrace/message"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// site is an adapter that is being served.
type site struct {
	*jsonadapter.Adapter
	web    *httptest.Server
	dialer websocket.Dialer
	log    *syncBuffer
}

func serve(inbound message.RawHandler, c jsonadapter.Config) *site {
	return serveOn(nil, inbound, c)
}

// serveOn serves over pipes, which work within a synctest bubble, or, with nil,
// over TCP.
func serveOn(p *pipes, inbound message.RawHandler, c jsonadapter.Config) *site {
	s := &site{log: new(syncBuffer)}
	c.Logger = cmp.Or(c.Logger, slog.New(slog.NewTextHandler(s.log, &slog.HandlerOptions{Level: slog.LevelDebug})))
	c.Transport.Logger = slog.New(slog.DiscardHandler) // which tells of every end
	s.Adapter = jsonadapter.New(inbound, c)
	s.web = httptest.NewUnstartedServer(s.WebSocket())
	if p != nil {
		s.web.Listener.Close()
		s.web.Listener = p
		s.dialer.NetDialContext = p.dial
	}
	s.web.Start()
	return s
}

func (s *site) Close() {
	s.Adapter.Close()
	s.web.Close()
}

func (s *site) dial(t *testing.T) *client {
	t.Helper()
	ws, _, err := s.dialer.Dial(strings.Replace(s.web.URL, "http", "ws", 1), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ws.Close() })
	return &client{t: t, ws: ws}
}

// pipes is a listener whose connections are pipes.
type pipes struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func newPipes() *pipes { return &pipes{conns: make(chan net.Conn), done: make(chan struct{})} }

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
	p.conns <- theirs
	return ours, nil
}

// client is a WebSocket client that speaks JSON.
type client struct {
	t    *testing.T
	ws   *websocket.Conn
	code int // of the close frame
}

func (c *client) write(text string) {
	c.t.Helper()
	if err := c.ws.WriteMessage(websocket.TextMessage, []byte(text)); err != nil {
		c.t.Fatal(err)
	}
}

// read returns the next object as it came, or "" when the connection ended.
func (c *client) read() string {
	c.t.Helper()
	c.ws.SetReadDeadline(time.Now().Add(10 * time.Second))
	_, p, err := c.ws.ReadMessage()
	if e, ok := errors.AsType[*websocket.CloseError](err); ok {
		c.code = e.Code
	}
	return string(p)
}

// want compares the next objects with theirs; "" stands for the end.
func (c *client) want(objects ...string) {
	c.t.Helper()
	for _, want := range objects {
		if got := c.read(); got != want {
			c.t.Fatalf("got %s, want %s", got, want)
		}
	}
}

// connect logs in.
func (s *site) connect(t *testing.T) *client {
	t.Helper()
	c := s.dial(t)
	c.write(`{"type":"connect"}`)
	var connected struct{ Type, Session string }
	if err := json.Unmarshal([]byte(c.read()), &connected); err != nil || connected.Type != "connected" || connected.Session == "" {
		t.Fatalf("%v, %v", connected, err)
	}
	return c
}

// inbound notes what it gets and accepts it, or does what the test says.
type inbound struct {
	on func(ctx context.Context, m message.Raw) error

	mu   sync.Mutex
	seen []message.Raw
}

func (in *inbound) Handle(ctx context.Context, m message.Raw) error {
	in.mu.Lock()
	in.seen = append(in.seen, m)
	in.mu.Unlock()
	if m.Kind == message.KindConnect {
		return m.Session.Deliver(ctx, message.Raw{Kind: message.KindConnected})
	}
	if in.on != nil {
		return in.on(ctx, m)
	}
	return nil
}

func (in *inbound) messages() []message.Raw {
	in.mu.Lock()
	defer in.mu.Unlock()
	return append([]message.Raw(nil), in.seen...)
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
