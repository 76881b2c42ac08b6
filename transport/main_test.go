package transport_test

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"go.uber.org/goleak"

	"github.com/headrace/headrace/transport"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// peer is the protocol of the tests: it records what it is told and passes it
// on to functions that a test may set.
type peer struct {
	conn    *transport.Conn
	receive func(p *peer, b []byte) error
	closed  chan error

	mu   sync.Mutex
	got  []byte
	most int // largest piece
}

func (p *peer) Receive(b []byte) error {
	p.mu.Lock()
	p.got = append(p.got, b...)
	p.most = max(p.most, len(b))
	p.mu.Unlock()
	if p.receive != nil {
		return p.receive(p, b)
	}
	return nil
}

func (p *peer) Closed(reason error) {
	p.closed <- reason
	close(p.closed) // a second call panics
}

// framed is a peer that wants to know of the ends of messages.
type framed struct {
	*peer
	end func(p *peer) error
}

// EndMessage passes the end on.
func (f framed) EndMessage() error { return f.end(f.peer) }

func (p *peer) received() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return string(p.got)
}

// text returns a frame with s.
func text(s string) *transport.Frame {
	return transport.NewFrame(transport.FramingWebSocket, []byte(s))
}

// fixture is a server with one endpoint, reached over real sockets.
type fixture struct {
	*transport.Server
	http  *httptest.Server
	peers chan *peer // each new connection's
}

// setup says what a fixture is made of; all fields may be zero.
type setup struct {
	config  transport.Config
	ws      transport.WebSocketConfig
	receive func(p *peer, b []byte) error
	open    func(p *peer)
	end     func(p *peer) error // of a message; nil if the protocol does not ask
	wrap    func(http.Handler) http.Handler
	connect func(net.Conn) // sees each accepted connection
	tls     bool
}

func start(t testing.TB, su setup) *fixture {
	t.Helper()
	if su.config.Logger == nil {
		su.config.Logger = slog.New(slog.DiscardHandler)
	}
	f := &fixture{Server: transport.NewServer(su.config), peers: make(chan *peer, 10000)}
	var h http.Handler = f.WebSocket(su.ws, func(c *transport.Conn) transport.Protocol {
		p := &peer{conn: c, receive: su.receive, closed: make(chan error, 1)}
		if su.open != nil {
			su.open(p)
		}
		f.peers <- p
		if su.end != nil {
			return framed{p, su.end}
		}
		return p
	})
	if su.wrap != nil {
		h = su.wrap(h)
	}
	f.http = httptest.NewUnstartedServer(h)
	f.http.Config.ConnContext = func(ctx context.Context, c net.Conn) context.Context {
		if su.connect != nil {
			su.connect(c)
		}
		return ctx
	}
	f.http.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	if su.tls {
		f.http.StartTLS()
	} else {
		f.http.Start()
	}
	t.Cleanup(func() {
		f.Close()
		f.http.Close()
	})
	return f
}

func (f *fixture) url() string { return "ws" + strings.TrimPrefix(f.http.URL, "http") }

// dial connects a client; header may be nil.
func (f *fixture) dial(t testing.TB, header http.Header, subprotocols ...string) (*websocket.Conn, *peer) {
	t.Helper()
	d := websocket.Dialer{Subprotocols: subprotocols, HandshakeTimeout: 10 * time.Second}
	if c, ok := f.http.Client().Transport.(*http.Transport); ok {
		d.TLSClientConfig = c.TLSClientConfig.Clone()
		if d.TLSClientConfig != nil {
			d.TLSClientConfig.NextProtos = nil
		}
	}
	ws, _, err := d.Dial(f.url(), header)
	if err != nil {
		t.Fatal(err)
	}
	ws.SetReadDeadline(time.Now().Add(20 * time.Second))
	t.Cleanup(func() { ws.Close() })
	return ws, <-f.peers
}

// attempt makes a handshake and returns the response.
func (f *fixture) attempt(t testing.TB, header http.Header) *http.Response {
	t.Helper()
	d := websocket.Dialer{}
	ws, resp, err := d.Dial(f.url(), header)
	if err == nil {
		ws.Close()
		<-f.peers
	}
	if resp == nil {
		t.Fatal(err)
	}
	return resp
}

// smallSendBuffer lets writes block soon: loopback takes megabytes otherwise.
func smallSendBuffer(c net.Conn) { c.(*net.TCPConn).SetWriteBuffer(4096) }

// pipes is a listener of net.Pipe connections, which synctest can follow.
type pipes struct {
	conns chan net.Conn
	once  sync.Once
	done  chan struct{}
}

func newPipes() *pipes { return &pipes{conns: make(chan net.Conn), done: make(chan struct{})} }

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

// virtual is a server with one endpoint that lives in a synctest bubble.
type virtual struct {
	*transport.Server
	listener *pipes
	peers    chan *peer
	http     *http.Server
	served   sync.WaitGroup
}

func startVirtual(su setup) *virtual {
	if su.config.Logger == nil {
		su.config.Logger = slog.New(slog.DiscardHandler)
	}
	v := &virtual{Server: transport.NewServer(su.config), listener: newPipes(), peers: make(chan *peer, 100)}
	v.http = &http.Server{Handler: v.WebSocket(su.ws, func(c *transport.Conn) transport.Protocol {
		p := &peer{conn: c, receive: su.receive, closed: make(chan error, 1)}
		if su.open != nil {
			su.open(p)
		}
		v.peers <- p
		return p
	})}
	v.served.Go(func() { v.http.Serve(v.listener) })
	return v
}

func (v *virtual) stop() {
	v.Close()
	v.http.Close()
	v.served.Wait()
}

func (v *virtual) dial(t testing.TB) (*websocket.Conn, *peer) {
	t.Helper()
	d := websocket.Dialer{NetDialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		near, far := net.Pipe()
		v.listener.conns <- far
		return near, nil
	}}
	ws, _, err := d.Dial("ws://pipe/", nil)
	if err != nil {
		t.Fatal(err)
	}
	return ws, <-v.peers
}

// waitABit lets others run while a test polls for what real sockets do.
func waitABit() { runtime.Gosched() }
