package channel_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/headrace/headrace/channel"
	"github.com/headrace/headrace/message"
)

// modes are the two ways an executor keeps its messages.
var modes = []struct {
	name   string
	config channel.Config[int]
}{{"ordered", channel.Config[int]{}}, {"unordered", channel.Config[int]{Unordered: true}}}

// TestShutdownFinishes: what was accepted is handled.
func TestShutdownFinishes(t *testing.T) {
	for _, mode := range modes {
		t.Run(mode.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const n = 1000
				c := channel.NewExecutorChannel(mode.config)
				g := newGate()
				c.Subscribe(g)
				var o outcomes
				for i := range n {
					if err := o.send(t.Context(), c, to(fmt.Sprint(i%10), i)); err != nil {
						t.Fatal(err)
					}
				}
				ended := make(chan error, 1)
				go func() { ended <- c.Shutdown(t.Context()) }()
				synctest.Wait()
				if len(ended) != 0 {
					t.Fatal("Shutdown returned with messages under way")
				}
				closed(t, c)
				close(g.open)
				if err := <-ended; err != nil {
					t.Fatal(err)
				}
				if s := c.Stats(); s.Handled != n || s.UnderWay != 0 || s.Workers != 0 || s.Rejected != 1 {
					t.Errorf("stats %+v", s)
				}
				for i := range n {
					if !slices.Equal(o.of(i), []error{nil}) {
						t.Errorf("message %d was completed %v", i, o.of(i))
					}
				}
				closed(t, c)
				c.Close()
				if err := c.Shutdown(t.Context()); err != nil {
					t.Errorf("Shutdown again: %v", err)
				}
			})
		})
	}
}

// TestShutdownInVain: Shutdown gives up with its ctx, says how many are left,
// and these go on; Close or another Shutdown ends them.
func TestShutdownInVain(t *testing.T) {
	for _, mode := range modes {
		for _, again := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, shut down again %v", mode.name, again), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					c := channel.NewExecutorChannel(mode.config)
					g := newGate()
					c.Subscribe(g)
					var o outcomes
					for i := range 7 {
						o.send(t.Context(), c, to("k", i))
					}
					ctx, cancel := context.WithTimeout(t.Context(), time.Second)
					defer cancel()
					if err := c.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "7 messages") {
						t.Errorf("err = %v, want the deadline and the number 7", err)
					}
					closed(t, c)
					inHandler := len(g.handled())
					if again {
						close(g.open)
						if err := c.Shutdown(t.Context()); err != nil {
							t.Error(err)
						}
						if s := c.Stats(); s.Handled != 7 {
							t.Errorf("stats %+v", s)
						}
						return
					}
					go c.Close()
					synctest.Wait()
					close(g.open)
					c.Close()
					if s := c.Stats(); s.Handled != uint64(inHandler) || s.Dropped != uint64(7-inHandler) || s.UnderWay != 0 || s.Workers != 0 {
						t.Errorf("%d were being handled, stats %+v", inHandler, s)
					}
				})
			})
		}
	}
}

// TestClose: what waits is completed with ErrClosed, what is being handled is
// cancelled and waited for.
func TestClose(t *testing.T) {
	for _, mode := range modes {
		t.Run(mode.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				mode.config.Workers, mode.config.MaxWorkers = 2, 2
				c := channel.NewExecutorChannel(mode.config)
				var handled atomic.Int32
				channel.SubscribeFunc(c, func(ctx context.Context, _ message.Message[int]) error {
					handled.Add(1)
					<-ctx.Done()
					return ctx.Err()
				})
				var o outcomes
				const n = 100
				for i := range n {
					o.send(t.Context(), c, to(fmt.Sprint(i%5), i))
				}
				synctest.Wait()
				c.Close()
				abandoned, cancelled := 0, 0
				for i := range n {
					switch got := o.of(i); {
					case slices.Equal(got, []error{channel.ErrClosed}):
						abandoned++
					case slices.Equal(got, []error{context.Canceled}):
						cancelled++
					default:
						t.Errorf("message %d was completed %v", i, got)
					}
				}
				if cancelled != 2 || handled.Load() != 2 || abandoned != n-2 {
					t.Errorf("%d handled, %d cancelled, %d abandoned; want 2, 2, %d", handled.Load(), cancelled, abandoned, n-2)
				}
				if s := c.Stats(); s.Failed != 2 || s.Dropped != n-2 || s.UnderWay != 0 || s.Workers != 0 {
					t.Errorf("stats %+v", s)
				}
				closed(t, c)
				c.Close()
			})
		})
	}
}

func TestCloseUnused(t *testing.T) {
	for _, mode := range modes {
		c := channel.NewExecutorChannel(mode.config)
		c.Close()
		closed(t, c)
		c = channel.NewExecutorChannel(mode.config)
		if err := c.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		closed(t, c)
	}
}

// TestCloseDuringSends: whoever is sending while the channel ends, each message
// is completed exactly once, and a refused one is never handled.
func TestCloseDuringSends(t *testing.T) {
	for _, mode := range modes {
		for _, end := range []struct {
			name string
			f    func(*channel.ExecutorChannel[int])
		}{
			{"Close", func(c *channel.ExecutorChannel[int]) { c.Close() }},
			{"Shutdown", func(c *channel.ExecutorChannel[int]) { c.Shutdown(context.Background()) }},
			{"both", func(c *channel.ExecutorChannel[int]) { go c.Shutdown(context.Background()); c.Close() }},
		} {
			t.Run(mode.name+"/"+end.name, func(t *testing.T) {
				for range 10 {
					mode.config.Mailbox, mode.config.Capacity = 8, 16 // some senders wait
					c := channel.NewExecutorChannel(mode.config)
					const senders, each = 4, 200
					var handled [senders * each]atomic.Bool
					var total atomic.Int32
					under := make(chan struct{})
					channel.SubscribeFunc(c, func(_ context.Context, m message.Message[int]) error {
						handled[m.Payload].Store(true)
						if total.Add(1) == 100 {
							close(under)
						}
						return nil
					})
					var o outcomes
					var wg sync.WaitGroup
					for s := range senders {
						wg.Go(func() {
							for i := range each {
								n := s*each + i
								err := o.send(context.Background(), c, to(fmt.Sprint(s), n))
								if err != nil && err != channel.ErrClosed {
									t.Errorf("message %d: %v", n, err)
								}
							}
						})
					}
					<-under
					end.f(c)
					wg.Wait()
					c.Close()
					for n := range handled {
						got := o.of(n)
						if len(got) != 1 || handled[n].Load() != (got[0] == nil) {
							t.Fatalf("message %d: handled %v, completed %v", n, handled[n].Load(), got)
						}
					}
				}
			})
		}
	}
}
