package channel_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/headrace/headrace/channel"
	"github.com/headrace/headrace/message"
)

// tick is how long the ready queue stands still before workers are added.
const tick = time.Millisecond

// elapse lets time pass in a bubble and everything that happens in it settle.
func elapse(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// TestWorkersGrowWhenBlocked: messages of other keys wait for blocked ones some
// milliseconds at first and not at all later, and the extra workers go home.
func TestWorkersGrowWhenBlocked(t *testing.T) {
	for _, unordered := range []bool{false, true} {
		for blocked, atMost := range map[int]time.Duration{1: 0, 8: 4 * tick, 256: 10 * tick} {
			t.Run(fmt.Sprintf("%d blocked, unordered %v", blocked, unordered), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					c := channel.NewExecutorChannel(channel.Config[int]{Workers: 2, Unordered: unordered})
					defer c.Close()
					g := newGate()
					free := make(chan int)
					channel.SubscribeFunc(c, func(ctx context.Context, m message.Message[int]) error {
						if m.Destination != "free" {
							return g.Handle(ctx, m)
						}
						free <- m.Payload
						return nil
					})
					for i := range blocked {
						c.Handle(t.Context(), to(fmt.Sprint("blocked", i), i))
					}
					for i, limit := range []time.Duration{atMost, 0} {
						start := time.Now()
						c.Handle(t.Context(), to("free", i))
						if <-free != i || time.Since(start) > limit {
							t.Errorf("the free message %d waited %v, want at most %v", i, time.Since(start), limit)
						}
					}
					synctest.Wait()
					if s := c.Stats(); s.UnderWay != int64(blocked) || s.Workers < blocked+1 || s.Workers > 2*(blocked+1) {
						t.Errorf("%d workers for %d messages under way", s.Workers, s.UnderWay)
					}

					grown := c.Stats().Workers
					close(g.open)
					elapse(9 * time.Second)
					if w := c.Stats().Workers; w != grown {
						t.Errorf("%d of %d workers are left after 9 s, want all", w, grown)
					}
					elapse(4 * time.Second)
					if w := c.Stats().Workers; w != 2 {
						t.Errorf("%d workers are left after 13 s, want 2", w)
					}
					c.Handle(t.Context(), to("free", 7)) // the two still work
					if <-free != 7 {
						t.Error("wrong message")
					}
				})
			})
		}
	}
}

// TestWorkersStayWhileBusy: a steady trickle that a few workers manage keeps
// these and lets the others go.
func TestWorkersStayWhileBusy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := channel.NewExecutorChannel(channel.Config[int]{Workers: 1})
		defer c.Close()
		channel.SubscribeFunc(c, func(context.Context, message.Message[int]) error {
			time.Sleep(100 * tick)
			return nil
		})
		for i := range 50 {
			c.Handle(t.Context(), to(fmt.Sprint(i), i))
		}
		elapse(50 * tick)
		if w := c.Stats().Workers; w < 50 {
			t.Fatalf("%d workers for 50 blocked handlers", w)
		}
		for i := range 300 { // 30 s, four at a time
			for k := range 4 {
				c.Handle(t.Context(), to(fmt.Sprint(k), i))
			}
			elapse(100 * tick)
		}
		if w := c.Stats().Workers; w < 4 || w > 8 {
			t.Errorf("%d workers for 4 blocked handlers, want 4 or a few more", w)
		}
		elapse(15 * time.Second)
		if w := c.Stats().Workers; w != 1 {
			t.Errorf("%d workers are left, want 1", w)
		}
	})
}

// TestWorkersDoNotGrowWithoutCause: a queue that is long and moves is served by
// the usual number, started only when needed, also when there once was a cause
// for more.
func TestWorkersDoNotGrowWithoutCause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := channel.NewExecutorChannel(channel.Config[int]{Workers: 3})
		defer c.Close()
		channel.SubscribeFunc(c, func(_ context.Context, m message.Message[int]) error {
			time.Sleep(time.Duration(m.Payload))
			return nil
		})
		if w := c.Stats().Workers; w != 0 {
			t.Errorf("%d workers before the first message", w)
		}
		send := func(n int, takes time.Duration) {
			for i := range n {
				c.Handle(t.Context(), to(fmt.Sprint(i), int(takes)))
			}
			elapse(20 * tick)
		}
		for round := range uint64(2) {
			send(1000, tick/4)
			if s := c.Stats(); s.Workers != 3 || s.UnderWay == 0 {
				t.Errorf("%d workers with %d under way, want 3", s.Workers, s.UnderWay)
			}
			elapse(200 * tick)
			if s := c.Stats(); s.Workers != 3 || s.Handled != 1000+round*1096 {
				t.Errorf("%d workers handled %d, want 3 and all", s.Workers, s.Handled)
			}
			send(96, 100*tick) // the last tick doubles them
			if w := c.Stats().Workers; w < 96 {
				t.Errorf("%d workers for 96 blocked handlers", w)
			}
			elapse(15 * time.Second) // they go home
		}
	})
}
