package channel_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/headrace/headrace/channel"
	"github.com/headrace/headrace/message"
)

// bounds are the ways to reach a bound: each lets one message be handled and
// four wait.
var bounds = []struct {
	name   string
	config channel.Config[int]
	key    func(i int) string
	drops  bool // DropOldest finds something in the same queue
}{
	{"mailbox", channel.Config[int]{Mailbox: 4}, func(int) string { return "k" }, true},
	{"capacity, one key", channel.Config[int]{Capacity: 5}, func(int) string { return "k" }, true},
	{"capacity, many keys", channel.Config[int]{Capacity: 5}, func(i int) string { return fmt.Sprint(i) }, false},
	{"unordered", channel.Config[int]{Capacity: 5, Unordered: true}, func(int) string { return "k" }, true},
}

// full returns a channel at its bound: message 0 is in the gate, 1 to 4 wait.
func full(t *testing.T, config channel.Config[int], key func(int) string, o *outcomes) (*channel.ExecutorChannel[int], *gate) {
	t.Helper()
	config.Workers, config.MaxWorkers = 1, 1
	c := channel.NewExecutorChannel(config)
	g := newGate()
	c.Subscribe(g)
	for i := range 5 {
		if err := o.send(t.Context(), c, to(key(i), i)); err != nil {
			t.Fatalf("message %d below the bound: %v", i, err)
		}
		synctest.Wait()
	}
	if s := c.Stats(); s.UnderWay != 5 {
		t.Fatalf("%d under way, want 5", s.UnderWay)
	}
	return c, g
}

func TestBoundReject(t *testing.T) {
	for _, b := range bounds {
		t.Run(b.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var o outcomes
				b.config.Overflow = channel.Reject
				c, g := full(t, b.config, b.key, &o)
				if err := o.send(t.Context(), c, to(b.key(5), 5)); err != channel.ErrFull || !slices.Equal(o.of(5), []error{channel.ErrFull}) {
					t.Errorf("err %v, completed %v, want ErrFull once", err, o.of(5))
				}
				close(g.open)
				synctest.Wait()
				if err := o.send(t.Context(), c, to(b.key(6), 6)); err != nil {
					t.Errorf("with room again: %v", err)
				}
				c.Shutdown(t.Context())
				if got := g.handled(); !slices.Equal(got, []int{0, 1, 2, 3, 4, 6}) {
					t.Errorf("handled %v", got)
				}
				if s := c.Stats(); s.Rejected != 1 || s.Handled != 6 {
					t.Errorf("stats %+v", s)
				}
			})
		})
	}
}

func TestBoundDropOldest(t *testing.T) {
	for _, b := range bounds {
		t.Run(b.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var o outcomes
				b.config.Overflow = channel.DropOldest
				c, g := full(t, b.config, b.key, &o)
				err := o.send(t.Context(), c, to(b.key(5), 5))
				want := []int{0, 2, 3, 4, 5}
				if b.drops {
					if err != nil || !slices.Equal(o.of(1), []error{message.ErrDropped}) {
						t.Errorf("err %v, the oldest was completed %v, want ErrDropped once", err, o.of(1))
					}
				} else {
					want = []int{0, 1, 2, 3, 4}
					if err != channel.ErrFull {
						t.Errorf("err %v, want ErrFull: nothing of this key waits", err)
					}
				}
				if s := c.Stats(); s.UnderWay != 5 || s.Dropped+s.Rejected != 1 {
					t.Errorf("stats %+v", s)
				}
				close(g.open)
				c.Shutdown(t.Context())
				if got := g.handled(); !slices.Equal(got, want) {
					t.Errorf("handled %v, want %v", got, want)
				}
				for _, i := range want {
					if !slices.Equal(o.of(i), []error{nil}) {
						t.Errorf("message %d was completed %v", i, o.of(i))
					}
				}
			})
		})
	}
}

// TestUnorderedDropNothing: when all of what is under way is being handled
// there is nothing to drop.
func TestUnorderedDropNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := channel.NewExecutorChannel(channel.Config[int]{Workers: 2, Capacity: 2, Overflow: channel.DropOldest, Unordered: true})
		g := newGate()
		c.Subscribe(g)
		for i := range 2 {
			c.Handle(t.Context(), to("k", i))
		}
		synctest.Wait()
		if err := c.Handle(t.Context(), to("k", 2)); err != channel.ErrFull {
			t.Errorf("err = %v, want ErrFull", err)
		}
		close(g.open)
		c.Close()
	})
}

// TestBoundBlock: a sender waits exactly while there is no room, and gives up
// when its ctx ends or the channel takes nothing more.
func TestBoundBlock(t *testing.T) {
	for _, b := range bounds {
		for _, tt := range []struct {
			name string
			free func(c *channel.ExecutorChannel[int], g *gate, cancel func())
			want error
		}{
			{"room", func(_ *channel.ExecutorChannel[int], g *gate, _ func()) { close(g.open) }, nil},
			{"ctx cancelled", func(_ *channel.ExecutorChannel[int], _ *gate, cancel func()) { cancel() }, context.Canceled},
			{"ctx deadline", func(*channel.ExecutorChannel[int], *gate, func()) { elapse(time.Minute) }, context.DeadlineExceeded},
			{"Shutdown", func(c *channel.ExecutorChannel[int], _ *gate, _ func()) { go c.Shutdown(context.Background()) }, channel.ErrClosed},
			{"Close", func(c *channel.ExecutorChannel[int], _ *gate, _ func()) { go c.Close() }, channel.ErrClosed},
		} {
			t.Run(b.name+"/"+tt.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					var o outcomes
					c, g := full(t, b.config, b.key, &o)
					ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
					defer cancel()
					const senders = 3
					errs := make(chan error, senders)
					for i := 5; i < 5+senders; i++ {
						go func() { errs <- o.send(ctx, c, to(b.key(i), i)) }()
					}
					synctest.Wait()
					if len(errs) > 0 || c.Stats().UnderWay != 5 {
						t.Fatalf("%d senders did not wait; stats %+v", len(errs), c.Stats())
					}
					tt.free(c, g, cancel)
					synctest.Wait()
					if len(errs) != senders {
						t.Fatalf("%d of %d senders still wait", senders-len(errs), senders)
					}
					for i := 5; i < 5+senders; i++ {
						if err := <-errs; err != tt.want || len(o.of(i)) != 1 || o.of(i)[0] != tt.want {
							t.Errorf("err %v, completed %v, want %v once", err, o.of(i), tt.want)
						}
					}
					if tt.want != nil {
						if s := c.Stats(); s.Rejected != senders {
							t.Errorf("stats %+v", s)
						}
						close(g.open)
					}
					c.Close()
				})
			})
		}
	}
}

// TestBoundClosed: a channel that takes nothing more says so, full or not and
// whatever its policy.
func TestBoundClosed(t *testing.T) {
	for _, b := range bounds {
		for _, policy := range []channel.Overflow{channel.Block, channel.Reject, channel.DropOldest} {
			synctest.Test(t, func(t *testing.T) {
				var o outcomes
				b.config.Overflow = policy
				c, g := full(t, b.config, b.key, &o)
				go c.Shutdown(context.Background())
				synctest.Wait()
				if err := c.Handle(t.Context(), to(b.key(5), 5)); err != channel.ErrClosed {
					t.Errorf("%s, policy %d: %v, want ErrClosed", b.name, policy, err)
				}
				close(g.open)
				c.Close()
			})
		}
	}
}

// TestBoundDefault: the defaults are what Config says.
func TestBoundDefault(t *testing.T) {
	for _, tt := range []struct {
		name   string
		config channel.Config[int]
		key    func(i int) string
		want   int
	}{
		{"Mailbox", channel.Config[int]{}, func(int) string { return "k" }, 1 + 256},
		{"Capacity", channel.Config[int]{}, func(i int) string { return fmt.Sprint(i % 1000) }, 65_536},
		{"Capacity, unordered", channel.Config[int]{Unordered: true}, func(int) string { return "k" }, 65_536},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				tt.config.Workers, tt.config.MaxWorkers, tt.config.Overflow = 1, 1, channel.Reject
				c := channel.NewExecutorChannel(tt.config)
				defer c.Close()
				open := make(chan struct{})
				channel.SubscribeFunc(c, func(context.Context, message.Message[int]) error { <-open; return nil })
				defer close(open)
				n := 0
				for ; n <= tt.want; n++ {
					if err := c.Handle(t.Context(), to(tt.key(n), n)); err != nil {
						if !errors.Is(err, channel.ErrFull) {
							t.Fatal(err)
						}
						break
					}
					if n == 0 {
						synctest.Wait()
					}
				}
				if n != tt.want {
					t.Errorf("%d messages fit, want %d", n, tt.want)
				}
			})
		})
	}
}

// TestBoundBatch: what a worker takes in one go makes room in the mailbox before
// it is handled, and never more than Config.Mailbox says.
func TestBoundBatch(t *testing.T) {
	for mailbox, batch := range map[int]int{1: 1, 4: 1, 40: 10, 256: 64, 1000: 64} {
		synctest.Test(t, func(t *testing.T) {
			c := channel.NewExecutorChannel(channel.Config[int]{Mailbox: mailbox, Overflow: channel.Reject})
			defer c.Close()
			step := make(chan struct{})
			defer close(step)
			channel.SubscribeFunc(c, func(context.Context, message.Message[int]) error { <-step; return nil })
			most := int64(0)
			for i := range 200 {
				for c.Handle(t.Context(), to("k", i)) == nil { // all that fits
					synctest.Wait() // the worker takes its batch
				}
				most = max(most, c.Stats().UnderWay)
				step <- struct{}{}
				synctest.Wait()
			}
			if most != int64(mailbox+batch) {
				t.Errorf("mailbox %d: up to %d under way, want %d", mailbox, most, mailbox+batch)
			}
		})
	}
}
