package sockjs_test

import (
	"bufio"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"go.uber.org/goleak"

	"github.com/headrace/headrace/stompadapter/sockjs"
	"github.com/headrace/headrace/transport"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// echo sends back what comes.
func echo(s *sockjs.Session) {
	for {
		m, err := s.Receive(s.Context())
		if err != nil {
			return
		}
		s.Send(m)
	}
}

// goAway is the service that closes at once.
func goAway(s *sockjs.Session) { s.Close(3000, "Go away!") }

// everyone lets pages of all origins in and serves what is off by default.
func everyone() sockjs.Config {
	return sockjs.Config{
		MountConfig: sockjs.MountConfig{HTMLFile: true, JSONP: true, StreamBytes: 4096, Prefix: "/base"},
		Transport: transport.Config{
			Handshake: transport.Handshake{NoOriginCheck: true},
			Drain:     transport.DrainConfig{Return: 1e6}, // all at once
		},
	}
}

// fixture is a handler behind a real HTTP server.
type fixture struct {
	*sockjs.Handler
	t    testing.TB
	base string // URL
}

func start(t testing.TB, c sockjs.Config, serve func(*sockjs.Session)) *fixture {
	t.Helper()
	if c.Transport.Logger == nil {
		c.Transport.Logger = slog.New(slog.DiscardHandler)
	}
	f := &fixture{Handler: sockjs.New(c, serve), t: t}
	f.base = serveHTTP(t, f.Handler) + "/base"
	t.Cleanup(f.Close)
	return f
}

// serveHTTP returns the URL of a server for h.
func serveHTTP(t testing.TB, h http.Handler) string {
	s := httptest.NewUnstartedServer(h)
	s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	s.Start()
	t.Cleanup(s.Close)
	return s.URL
}

// answer is a response that has been read.
type answer struct {
	status int
	header http.Header
	body   string
}

// do makes a request; header holds names and values in turn.
func (f *fixture) do(method, path, body string, header ...string) answer {
	f.t.Helper()
	resp := f.open(context.Background(), method, path, body, header...)
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		f.t.Fatal(method, path, err)
	}
	return answer{resp.StatusCode, resp.Header, string(b)}
}

func (f *fixture) get(path string, header ...string) answer {
	f.t.Helper()
	return f.do("GET", path, "", header...)
}

func (f *fixture) post(path, body string, header ...string) answer {
	f.t.Helper()
	return f.do("POST", path, body, header...)
}

// open makes a request whose response is not read yet.
func (f *fixture) open(ctx context.Context, method, path, body string, header ...string) *http.Response {
	f.t.Helper()
	resp, err := http.DefaultTransport.RoundTrip(newRequest(f.t, ctx, method, f.base+path, body, header...))
	if err != nil {
		f.t.Fatal(method, path, err)
	}
	f.t.Cleanup(func() { resp.Body.Close() })
	return resp
}

func newRequest(t testing.TB, ctx context.Context, method, url, body string, header ...string) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	return r
}

// want checks the body of an answer.
func (a answer) want(t testing.TB, status int, body string) {
	t.Helper()
	if a.status != status || a.body != body {
		t.Errorf("%d %.200q, want %d %.200q", a.status, a.body, status, body)
	}
}

// stream is a response that goes on.
type stream struct {
	t    testing.TB
	resp *http.Response
	r    *bufio.Reader
}

// stream opens a receiving request.
func (f *fixture) stream(method, path string, header ...string) *stream {
	f.t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	f.t.Cleanup(stop)
	return newStream(f.t, f.open(ctx, method, path, "", header...))
}

func newStream(t testing.TB, resp *http.Response) *stream {
	return &stream{t, resp, bufio.NewReader(resp.Body)}
}

// want reads exactly this.
func (s *stream) want(text string) {
	s.t.Helper()
	b := make([]byte, len(text))
	n, err := io.ReadFull(s.r, b)
	if err != nil || string(b) != text {
		s.t.Fatalf("read %.300q (%v), want %.300q", b[:n], err, text)
	}
}

// end checks that nothing follows.
func (s *stream) end() {
	s.t.Helper()
	if rest, err := io.ReadAll(s.r); len(rest) > 0 || err != nil {
		s.t.Fatalf("%.200q, %v follows", rest, err)
	}
}

// xhrPrelude is what begins an XHR stream.
var xhrPrelude = strings.Repeat("h", 2048) + "\n"

var sessions atomic.Int64

// path returns the path of a session that does not exist yet.
func path() string {
	return "/000/session" + string(rune('a'+sessions.Add(1)%26)) + time.Now().Format("150405.000000000")[7:]
}

// dial opens a WebSocket.
func (f *fixture) dial(path string) *websocket.Conn {
	f.t.Helper()
	ws, _, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(f.base, "http")+path, nil)
	if err != nil {
		f.t.Fatal(err)
	}
	ws.SetReadDeadline(time.Now().Add(20 * time.Second))
	f.t.Cleanup(func() { ws.Close() })
	return ws
}

// read reads messages and compares them.
func read(t testing.TB, ws *websocket.Conn, want ...string) {
	t.Helper()
	for _, w := range want {
		kind, m, err := ws.ReadMessage()
		if err != nil || string(m) != w || kind != websocket.TextMessage {
			t.Fatalf("read %.200q (%v, kind %d), want %.200q", m, err, kind, w)
		}
	}
}

func write(t testing.TB, ws *websocket.Conn, m string) {
	t.Helper()
	if err := ws.WriteMessage(websocket.TextMessage, []byte(m)); err != nil {
		t.Fatal(err)
	}
}

// readClose reads the close frame.
func readClose(t testing.TB, ws *websocket.Conn, code int, text string) {
	t.Helper()
	_, m, err := ws.ReadMessage()
	if bye, ok := err.(*websocket.CloseError); !ok || bye.Code != code || bye.Text != text {
		t.Fatalf("read %q, %v, want close %d %q", m, err, code, text)
	}
}

// pipes is a listener of net.Pipe connections, which synctest can follow.
type pipes struct {
	conns chan net.Conn
	once  sync.Once
	done  chan struct{}
}

func (l *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *pipes) Close() error {
	l.once.Do(func() { close(l.done) })
	return nil
}

func (l *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipe", Net: "pipe"} }

func (l *pipes) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	near, far := net.Pipe()
	select {
	case l.conns <- far:
		return near, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

// virtual is a handler behind an HTTP server in a synctest bubble.
type virtual struct {
	*pipes
	*sockjs.Handler
	t      testing.TB
	server *http.Server
	client *http.Transport
	served sync.WaitGroup
}

func startVirtual(t testing.TB, c sockjs.Config, serve func(*sockjs.Session)) *virtual {
	c.Transport.Logger = slog.New(slog.DiscardHandler)
	v := &virtual{
		pipes:   &pipes{conns: make(chan net.Conn), done: make(chan struct{})},
		Handler: sockjs.New(c, serve),
		t:       t,
	}
	v.server = &http.Server{Handler: v.Handler}
	v.client = &http.Transport{DialContext: v.pipes.dial}
	v.served.Go(func() { v.server.Serve(v.pipes) })
	return v
}

func (v *virtual) stop() {
	v.Handler.Close()
	v.client.CloseIdleConnections()
	v.server.Close()
	v.served.Wait()
}

func (v *virtual) open(ctx context.Context, method, path, body string) *http.Response {
	v.t.Helper()
	resp, err := v.client.RoundTrip(newRequest(v.t, ctx, method, "http://pipe/base"+path, body))
	if err != nil {
		v.t.Fatal(err)
	}
	return resp
}

func (v *virtual) post(path, body string) answer {
	v.t.Helper()
	resp := v.open(context.Background(), "POST", path, body)
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		v.t.Fatal(err)
	}
	return answer{resp.StatusCode, resp.Header, string(b)}
}

func (v *virtual) dial(path string) *websocket.Conn {
	v.t.Helper()
	d := websocket.Dialer{NetDialContext: v.pipes.dial}
	ws, _, err := d.Dial("ws://pipe/base"+path, nil)
	if err != nil {
		v.t.Fatal(err)
	}
	return ws
}
