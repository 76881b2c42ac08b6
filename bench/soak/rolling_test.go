package soak

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/url"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/headrace/headrace/bench/internal/load"
	"github.com/headrace/headrace/bench/internal/site"
	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/stompadapter/client"
)

// balancer forwards connections to where it points.
type balancer struct {
	net.Listener
	to  atomic.Pointer[string]
	all sync.WaitGroup
}

func balance(t *testing.T, to string) *balancer {
	b := &balancer{Listener: must(net.Listen("tcp", "127.0.0.1:0"))(t)}
	b.to.Store(&to)
	b.all.Go(func() {
		for {
			near, err := b.Accept()
			if err != nil {
				return
			}
			b.all.Go(func() { forward(near, *b.to.Load()) })
		}
	})
	return b
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

// host returns the address in a URL.
func host(t *testing.T, of string) string { return must(url.Parse(of))(t).Host }

// traveller is a client that sends to itself, and what came of it.
type traveller struct {
	slog.Handler
	*client.Client
	mu           sync.Mutex
	acknowledged map[string]bool
	came         map[string]bool
	back         []time.Time // when it was connected again
}

func (tr *traveller) Enabled(context.Context, slog.Level) bool { return true }

func (tr *traveller) Handle(_ context.Context, r slog.Record) error {
	if r.Message == "stomp: connected again" {
		tr.mu.Lock()
		defer tr.mu.Unlock()
		tr.back = append(tr.back, r.Time)
	}
	return nil
}

// travel connects a client that sends something to itself now and then.
func travel(ctx context.Context, url string, i int, stop chan struct{}, sending *sync.WaitGroup) (*traveller, error) {
	tr := &traveller{Handler: slog.DiscardHandler, acknowledged: map[string]bool{}, came: map[string]bool{}}
	var err error
	if tr.Client, err = client.Dial(ctx, client.Config{URL: url, Logger: slog.New(tr)}); err != nil {
		return nil, err
	}
	own := fmt.Sprint("/topic/own.", i)
	if _, err := tr.Subscribe(ctx, own, client.SubscribeConfig{}, func(_ context.Context, m message.Raw) error {
		tr.mu.Lock()
		defer tr.mu.Unlock()
		tr.came[string(m.Payload)] = true
		return nil
	}); err != nil {
		return nil, err
	}
	sending.Go(func() {
		for k := 0; ; k++ {
			ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
			if id := fmt.Sprint(k); tr.SendReceipt(ctx, own, id) == nil {
				tr.mu.Lock()
				tr.acknowledged[id] = true
				tr.mu.Unlock()
			}
			cancel()
			select {
			case <-stop:
				return
			case <-time.After(time.Second):
			}
		}
	})
	return tr, nil
}

// A server is replaced: its clients go to the other one as they are asked to, and lose
// nothing that was acknowledged.
func TestR14RollingRestart(t *testing.T) {
	n := size(200, 2000)
	a, b := serve(t, site.Config{}), serve(t, site.Config{})
	lb := balance(t, host(t, a.URL("ws")))
	stop, sending := make(chan struct{}), sync.WaitGroup{}
	all, err := load.Each(n, 50, func(i int) (*traveller, error) {
		return travel(t.Context(), "ws://"+lb.Addr().String()+"/ws", i, stop, &sending)
	})
	if err != nil {
		t.Fatal(err)
	}
	to := host(t, b.URL("ws"))
	lb.to.Store(&to)
	began := time.Now()
	if err := site.Drain(a); err != nil {
		t.Errorf("the drain: %v", err)
	}
	gone := time.Since(began)
	eventually(t, "all are on the other server", 20*time.Second, func() bool { return must(site.Ask(b))(t).Sessions == n })
	took := time.Since(began)
	<-time.After(2 * time.Second) // work goes on there
	close(stop)
	sending.Wait()

	var back []time.Time
	acknowledged, lost, again := 0, 0, 0
	_, err = load.Each(n, 50, func(i int) (struct{}, error) { return struct{}{}, all[i].Close(context.Background()) })
	if err != nil {
		t.Error(err)
	}
	for _, tr := range all {
		for id := range tr.acknowledged {
			if acknowledged++; !tr.came[id] {
				lost++
			}
		}
		if back = append(back, tr.back...); len(tr.back) != 1 {
			again++
		}
	}
	lb.Close()
	lb.all.Wait()
	most := busiest(back)
	closed := must(site.Ask(a))(t).Closed
	t.Logf("%d clients: let go within %v, back within %v, at most %d a second; %d acknowledged, %d of them lost", n, gone, took, most, acknowledged, lost)
	if lost > 0 || again > 0 || closed["drain"] != uint64(n) {
		t.Errorf("%d lost, %d came back not once, closed as %v", lost, again, closed)
	}
	if took > 10*time.Second || most > 500 {
		t.Errorf("back within %v, %d in a second, want 10 s and 500", took, most)
	}
}

// busiest returns how many times lie within a second, at most.
func busiest(times []time.Time) (most int) {
	slices.SortFunc(times, time.Time.Compare)
	first := 0
	for i, at := range times {
		for at.Sub(times[first]) >= time.Second {
			first++
		}
		most = max(most, i-first+1)
	}
	return most
}
