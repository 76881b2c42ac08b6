package headrace_test

import (
	"context"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/headrace/headrace"
	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/channel"
	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/stompadapter"
	stomp "github.com/headrace/headrace/stompadapter/client"
)

// half is a connection of which one direction may vanish: nobody is told.
type half struct {
	net.Conn
	in, out *atomic.Bool
}

func (h half) Write(p []byte) (int, error) {
	if h.out.Load() {
		return len(p), nil
	}
	return h.Conn.Write(p)
}

func (h half) Read(p []byte) (int, error) {
	for {
		n, err := h.Conn.Read(p)
		if err != nil || !h.in.Load() {
			return n, err
		}
	}
}

// inPipes is a listener of connections without a network.
type inPipes struct {
	conns chan net.Conn
	once  sync.Once
	done  chan struct{}
}

func (l *inPipes) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *inPipes) Close() error   { l.once.Do(func() { close(l.done) }); return nil }
func (l *inPipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipe", Net: "pipe"} }

// halfOpen is a node with subscribers, of half of which what they send vanishes when
// deaf is set, and of the others what they are sent.
type halfOpen struct {
	node    *headrace.Node
	stomp   *stompadapter.Adapter
	deaf    atomic.Bool
	ended   atomic.Int64 // disconnect events
	clients []*stomp.Client
}

func (h *halfOpen) start(t *testing.T, n int, beat time.Duration, dial func(context.Context) (net.Conn, error), listen func(a *stompadapter.Adapter)) {
	quiet := slog.New(slog.DiscardHandler)
	h.node = headrace.New(headrace.Config{Logger: quiet})
	channel.SubscribeFunc(h.node.Events, func(_ context.Context, m message.Message[broker.Event]) error {
		if m.Payload.Kind == broker.Disconnected {
			h.ended.Add(1)
		}
		return nil
	})
	h.stomp = stompadapter.New(h.node.Inbound, stompadapter.Config{Logger: quiet, Heartbeat: stompadapter.HeartbeatConfig{Send: beat, Receive: beat}})
	listen(h.stomp)
	never := new(atomic.Bool)
	for i := range n {
		in, out := &h.deaf, never
		if i%2 == 0 {
			in, out = never, &h.deaf
		}
		c, err := stomp.Dial(t.Context(), stomp.Config{
			URL:       "tcp://pipe",
			Logger:    quiet,
			Heartbeat: stomp.HeartbeatConfig{Send: beat, Receive: beat},
			Reconnect: stomp.ReconnectConfig{Off: true},
			Dial: func(ctx context.Context) (net.Conn, error) {
				nc, err := dial(ctx)
				return half{nc, in, out}, err
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		h.clients = append(h.clients, c)
		if _, err := c.Subscribe(t.Context(), "/topic/a", stomp.SubscribeConfig{}, func(context.Context, message.Raw) error { return nil }); err != nil {
			t.Fatal(err)
		}
	}
}

// clean reports whether nobody is left anywhere, and everybody's end was told.
func (h *halfOpen) clean() bool {
	s, a := h.node.Stats(), h.stomp.Stats()
	return s.Broker.Sessions+s.Broker.Subscriptions+s.Users.Sessions+a.Sessions+a.Transport.Open == 0 && h.ended.Load() == int64(len(h.clients))
}

func (h *halfOpen) stop(t *testing.T) {
	for i, c := range h.clients {
		select {
		case <-c.Done():
		default:
			t.Errorf("client %d does not know", i)
		}
		_ = c.Close(t.Context()) // it is over
	}
	h.stomp.Close()
	h.node.Close()
}

// Of 200 connections with heart-beats of 10 s one direction vanishes: all are found within
// 30 s, on both sides, and nothing is left of them; none before.
func TestHalfOpenConnectionsAreFound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var h halfOpen
		ln := &inPipes{conns: make(chan net.Conn), done: make(chan struct{})}
		var serving sync.WaitGroup
		h.start(t, 200, 10*time.Second, func(context.Context) (net.Conn, error) {
			near, far := net.Pipe()
			ln.conns <- far
			return near, nil
		}, func(a *stompadapter.Adapter) { serving.Go(func() { a.ServeTCP(ln) }) })
		time.Sleep(5 * time.Minute)
		if h.ended.Load() != 0 || h.stomp.Stats().Sessions != 200 {
			t.Fatalf("%d ended while all was well", h.ended.Load())
		}
		h.deaf.Store(true)
		time.Sleep(30 * time.Second)
		synctest.Wait()
		if !h.clean() {
			t.Errorf("30 s later: %d ends told, %+v, %+v", h.ended.Load(), h.node.Stats().Broker, h.stomp.Stats())
		}
		if closed := h.stomp.Stats().Transport.Closed; closed["heartbeat"] != 100 {
			t.Errorf("ended as %v, want 100 by the server", closed)
		}
		h.stop(t)
		serving.Wait()
	})
}

// The same over sockets, with wide bounds.
func TestHalfOpenSocketsAreFound(t *testing.T) {
	const beat = 500 * time.Millisecond
	var h halfOpen
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	h.start(t, 40, beat, func(ctx context.Context) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "tcp", ln.Addr().String())
	}, func(a *stompadapter.Adapter) { serving.Go(func() { a.ServeTCP(ln) }) })
	h.deaf.Store(true)
	began := time.Now()
	eventually(t, "all are found", h.clean)
	if took := time.Since(began); took > 30*beat+5*time.Second {
		t.Errorf("found after %v", took)
	}
	for _, c := range h.clients {
		receive(t, "the client knows", c.Done())
	}
	h.stop(t)
	serving.Wait()
}
