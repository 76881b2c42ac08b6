package client_test

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/headrace/headrace/stompadapter/client"
	"github.com/headrace/headrace/stompadapter/frame"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const connected = "CONNECTED\nversion:1.2\n\n\x00"

// server is the far end of the connections that a client dials: it answers
// CONNECT with greeting, and everything else is up to the test.
type server struct {
	t        *testing.T
	greeting string
	peers    chan *peer
	log      syncBuffer

	mu   sync.Mutex
	down error // what dialing fails with
}

// peer is the server's end of one connection. What it hears is read by a
// goroutine, so the client's writes never wait.
type peer struct {
	t      *testing.T
	conn   net.Conn
	frames chan frame.Frame // closed when the connection ended
	pause  chan struct{}    // full while nothing is read

	mu    sync.Mutex
	heard []time.Time // when a write of the client came
	raw   bytes.Buffer
}

func newServer(t *testing.T, greeting string) *server {
	return &server{t: t, greeting: greeting, peers: make(chan *peer, 16)}
}

func (s *server) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.down = err
}

func (s *server) dial(context.Context) (net.Conn, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.down != nil {
		return nil, s.down
	}
	ours, theirs := net.Pipe()
	p := &peer{t: s.t, conn: theirs, frames: make(chan frame.Frame, 1000), pause: make(chan struct{}, 1)}
	s.peers <- p
	go p.read(s.greeting)
	return ours, nil
}

func (p *peer) read(greeting string) {
	defer close(p.frames)
	d := frame.NewDecoder(frame.Limits{LoginFrame: 1 << 20})
	buffer := make([]byte, 1<<16)
	for {
		n, err := p.conn.Read(buffer)
		if err != nil {
			return
		}
		p.pause <- struct{}{}
		<-p.pause
		p.mu.Lock()
		p.heard = append(p.heard, time.Now())
		p.raw.Write(buffer[:n])
		p.mu.Unlock()
		for rest := buffer[:n]; ; {
			var f frame.Frame
			var ok bool
			if f, rest, ok, err = d.Decode(rest); err != nil {
				p.t.Errorf("the client wrote no frame: %v", err)
				return
			}
			if !ok {
				break
			}
			p.frames <- f
			if f.Command == frame.Connect && greeting != "" {
				io.WriteString(p.conn, greeting)
			}
		}
	}
}

// want returns the next frame, which must be of this command.
func (p *peer) want(command frame.Command) frame.Frame {
	p.t.Helper()
	select {
	case f, ok := <-p.frames:
		if !ok || f.Command != command {
			p.t.Fatalf("the client sent %q %v, want %s", f.Command, f.Header, command)
		}
		return f
	case <-time.After(time.Minute):
		p.t.Fatalf("the client sent nothing, want %s", command)
	}
	panic("unreachable")
}

// quiet checks that nothing was sent.
func (p *peer) quiet() {
	p.t.Helper()
	select {
	case f, ok := <-p.frames:
		if ok {
			p.t.Fatalf("the client sent %s %v, want nothing", f.Command, f.Header)
		}
	default:
	}
}

func (p *peer) send(octets string) {
	p.t.Helper()
	if _, err := io.WriteString(p.conn, octets); err != nil {
		p.t.Fatal(err)
	}
}

// confirm answers f with a RECEIPT.
func (p *peer) confirm(f frame.Frame) {
	p.t.Helper()
	id := f.Header.Get("receipt")
	if id == "" {
		p.t.Fatalf("%s asks for no receipt: %v", f.Command, f.Header)
	}
	p.send("RECEIPT\nreceipt-id:" + id + "\n\n\x00")
}

// dial connects a client to s.
func dial(t *testing.T, s *server, c client.Config) (*client.Client, *peer) {
	t.Helper()
	c.URL, c.Dial = "tcp://mill", s.dial
	c.Logger = slog.New(slog.NewTextHandler(&s.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	if c.Heartbeat == (client.HeartbeatConfig{}) {
		c.Heartbeat = client.HeartbeatConfig{Send: -1, Receive: -1}
	}
	cl, err := client.Dial(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	p := <-s.peers
	p.want(frame.Connect)
	return cl, p
}

// hangUp closes the client's side as a test ends, without good order.
func hangUp(c *client.Client) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	c.Close(ctx)
}

// in runs f, which blocks, beside the test.
func in[T any](f func() T) <-chan T {
	result := make(chan T, 1)
	go func() { result <- f() }()
	return result
}

// gone returns a context that is over already.
func gone() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

type syncBuffer struct {
	mu sync.Mutex
	b  strings.Builder
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
