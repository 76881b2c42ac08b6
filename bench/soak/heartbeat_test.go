package soak

import (
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/headrace/headrace"
	"github.com/headrace/headrace/bench/internal/load"
	"github.com/headrace/headrace/stompadapter"
)

// pipes is a listener of connections that need no network, so that time may be
// virtual.
type pipes struct {
	conns chan net.Conn
	once  sync.Once
	done  chan struct{}
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

func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipe", Net: "pipe"} }

func (p *pipes) dial() (net.Conn, error) {
	near, far := net.Pipe()
	p.conns <- far
	return near, nil
}

// Heart-beats are never late, clients within the tolerance are never closed, and
// silent ones are closed at the bound.
func TestR23HeartbeatsAreExact(t *testing.T) {
	const period, tolerance = 10 * time.Second, 3
	intervals := size(10_000, 1_000_000)
	for _, scheme := range []string{"ws", "tcp"} {
		t.Run(scheme, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				quiet := slog.New(slog.DiscardHandler)
				node := headrace.New(headrace.Config{Logger: quiet})
				defer node.Close()
				stomp := stompadapter.New(node.Inbound, stompadapter.Config{Logger: quiet})
				defer stomp.Close()
				ln := newPipes()
				var serving sync.WaitGroup
				defer serving.Wait()
				defer ln.Close()
				serving.Go(func() {
					if scheme == "tcp" {
						stomp.ServeTCP(ln)
					} else {
						http.Serve(ln, stomp.WebSocket())
					}
				})
				c, err := load.Connect(scheme+"://pipe/", load.Options{Dial: ln.dial, Heartbeat: beats(period)})
				if err != nil {
					t.Fatal(err)
				}
				defer c.Close()

				var latest time.Duration // between two of the server's
				ended := make(chan time.Time)
				go func() {
					for last := time.Now(); ; last = time.Now() {
						if _, err := c.Next(); err != nil {
							ended <- time.Now()
							return
						}
						latest = max(latest, time.Since(last))
					}
				}()
				for range intervals {
					time.Sleep(time.Duration(rand.Int64N(int64(tolerance*period) - int64(time.Millisecond))))
					if err := c.Send("\n"); err != nil {
						t.Fatalf("a client within the tolerance was closed: %v", err)
					}
				}
				silent := time.Now()
				if d := (<-ended).Sub(silent); d < tolerance*period || d > tolerance*period+time.Second {
					t.Errorf("a silent client was closed after %v, want %v", d, tolerance*period)
				}
				if latest > period {
					t.Errorf("the server was silent for %v", latest)
				}
			})
		})
	}
}
