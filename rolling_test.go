package headrace_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/headrace/headrace"
	"github.com/headrace/headrace/handler"
	"github.com/headrace/headrace/stompadapter"
	stomp "github.com/headrace/headrace/stompadapter/client"
	"github.com/headrace/headrace/transport"
)

// balancer hands each connection to the first of its sites that is ready.
type balancer struct {
	net.Listener
	sites []*site
	all   sync.WaitGroup
}

func balance(t *testing.T, sites ...*site) *balancer {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b := &balancer{Listener: ln, sites: sites}
	b.all.Go(b.run)
	return b
}

func (b *balancer) run() {
	for {
		near, err := b.Accept()
		if err != nil {
			return
		}
		for _, s := range b.sites {
			if s.node.Health().Ready {
				b.all.Go(func() { forward(near, s.addr) })
				break
			}
		}
	}
}

// forward joins a connection and one to addr until both sides have ended.
func forward(near net.Conn, addr string) {
	defer near.Close()
	far, err := net.Dial("tcp", addr)
	if err != nil {
		return
	}
	defer far.Close()
	var both sync.WaitGroup
	for _, way := range [][2]net.Conn{{near, far}, {far, near}} {
		both.Go(func() {
			io.Copy(way[0], way[1])
			way[0].(*net.TCPConn).CloseWrite()
		})
	}
	both.Wait()
}

// moves notes when a client lost its connection, when it was asked to come back, and
// when it did.
type moves struct {
	slog.Handler
	mu         sync.Mutex
	lost, back time.Time
	asked      time.Duration // negative if it was not
	losses     int
}

func (d *moves) Enabled(context.Context, slog.Level) bool { return true }

func (d *moves) Handle(_ context.Context, r slog.Record) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch r.Message {
	case "stomp: connection lost":
		d.lost, d.asked = r.Time, -1
		d.losses++
		r.Attrs(func(a slog.Attr) bool {
			if _, hint, ok := strings.Cut(a.Value.String(), "; retry-after="); ok {
				d.asked, _ = time.ParseDuration(strings.TrimSuffix(hint, ")"))
			}
			return true
		})
	case "stomp: connected again":
		d.back = r.Time
	}
	return nil
}

func (d *moves) isBack() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return !d.back.IsZero()
}

// A node that is replaced asks its clients to the other one, some at a time. Each hears
// when to come back and does, and what was acknowledged to it was handled.
func TestRollingRestart(t *testing.T) {
	const n = 200
	var handled sync.Map
	wire := func(node *headrace.Node) {
		handler.Consume(node.Router, "/count", func(_ context.Context, id string) error {
			handled.Store(id, true)
			return nil
		})
	}
	drain := transport.DrainConfig{Batch: 20, Interval: 25 * time.Millisecond}
	config := setup{
		node:  headrace.Config{DrainDelay: 50 * time.Millisecond},
		stomp: stompadapter.Config{Transport: transport.Config{Drain: drain}},
		wire:  wire,
	}
	a, b := serve(t, config), serve(t, config)
	lb := balance(t, a, b)

	var clients, senders sync.WaitGroup
	var acknowledged sync.Map
	var sent, acks atomic.Int64
	start, stop := make(chan struct{}), make(chan struct{})
	moved := make([]*moves, n)
	for i := range n {
		d := &moves{Handler: slog.DiscardHandler, asked: -1}
		moved[i] = d
		c, err := stomp.Dial(t.Context(), stomp.Config{URL: "ws://" + lb.Addr().String() + "/ws", Logger: slog.New(d)})
		if err != nil {
			t.Fatal(err)
		}
		senders.Go(func() {
			<-start
			for k := 0; ; k++ {
				id := fmt.Sprintf("%d.%d", i, k)
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				if sent.Add(1); c.SendReceipt(ctx, "/app/count", id) == nil {
					acknowledged.Store(id, true)
					acks.Add(1)
				}
				cancel()
				select {
				case <-stop:
					return
				case <-time.After(20 * time.Millisecond):
				}
			}
		})
		clients.Go(func() {
			<-stop
			ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 10*time.Second)
			defer cancel()
			if err := c.Close(ctx); err != nil {
				t.Errorf("client %d: %v", i, err)
			}
		})
	}
	eventually(t, "all are on the first node", func() bool { return a.stomp.Stats().Sessions == n })
	close(start)
	eventually(t, "there is work", func() bool { return acks.Load() > n })
	began := time.Now()
	a.end()
	eventually(t, "all are on the second node", func() bool { return b.stomp.Stats().Sessions == n })
	took := time.Since(began)
	eventually(t, "all clients know that they are", func() bool { return !slices.ContainsFunc(moved, func(d *moves) bool { return !d.isBack() }) })
	before := acks.Load()
	eventually(t, "work goes on there", func() bool { return acks.Load() > before+n })
	close(stop)
	senders.Wait()
	clients.Wait()
	lb.Close()
	lb.all.Wait()

	if err := a.stop(); err != nil {
		t.Errorf("Serve: %v", err)
	}
	if st := a.stomp.Stats().Transport; st.Closed["drain"] != n {
		t.Errorf("the first node closed %v", st.Closed)
	}
	lost, early, unasked := 0, 0, 0
	acknowledged.Range(func(id, _ any) bool {
		if _, ok := handled.Load(id); !ok {
			lost++
		}
		return true
	})
	for _, d := range moved {
		if d.losses != 1 || d.asked < 0 {
			unasked++
		}
		if d.back.Sub(d.lost) < d.asked {
			early++
		}
	}
	t.Logf("%d clients moved in %v; %d sent, %d acknowledged", n, took, sent.Load(), acks.Load())
	if lost+early+unasked > 0 {
		t.Errorf("%d acknowledged are lost, %d clients came before they were asked to, %d were not asked or lost more than once", lost, early, unasked)
	}
}
