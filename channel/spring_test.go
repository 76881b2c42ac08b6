package channel_test

import (
	"context"
	"errors"
	"log/slog"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/headrace/headrace/channel"
	"github.com/headrace/headrace/message"
)

// TestDefaultWorkers: as many as two for each processor stay, whatever was
// needed for a while.
func TestDefaultWorkers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := channel.NewExecutorChannel(channel.Config[int]{Unordered: true})
		defer c.Close()
		usual := 2 * runtime.GOMAXPROCS(0)
		channel.SubscribeFunc(c, func(context.Context, message.Message[int]) error {
			time.Sleep(time.Second)
			return nil
		})
		for i := range 10 * usual {
			c.Handle(t.Context(), to("any", i))
		}
		elapse(time.Second / 2)
		if w := c.Stats().Workers; w <= usual {
			t.Errorf("%d workers while all block, want more than %d", w, usual)
		}
		elapse(20 * time.Second)
		if w := c.Stats().Workers; w != usual {
			t.Errorf("%d workers are left, want %d", w, usual)
		}
	})
}

// ending returns an interceptor that notes how a message ended behind it, a panic
// too.
func ending(l *log, name string) message.Interceptor[int] {
	return func(next message.Handler[int]) message.Handler[int] {
		return message.HandlerFunc[int](func(ctx context.Context, m message.Message[int]) (err error) {
			defer func() {
				if v := recover(); v != nil {
					l.add(name + " panic")
					panic(v)
				}
				l.add(name + " " + endings[err])
			}()
			return next.Handle(ctx, m)
		})
	}
}

var endings = map[error]string{nil: "handled", message.ErrDropped: "dropped", errBroken: "failed", channel.ErrFull: "full"}

// TestDeferredSeesEveryEnd: what an interceptor defers runs once however the
// message ends behind it, and knows how; that of one behind a veto does not, for it
// never began. The same holds on the send side and around a subscriber.
func TestDeferredSeesEveryEnd(t *testing.T) {
	instead := func(h message.Handler[int]) message.Interceptor[int] {
		return func(message.Handler[int]) message.Handler[int] { return h }
	}
	boom := message.HandlerFunc[int](func(context.Context, message.Message[int]) error { panic("boom") })
	changed := func(next message.Handler[int]) message.Handler[int] {
		return message.HandlerFunc[int](func(ctx context.Context, m message.Message[int]) error {
			return next.Handle(ctx, to(m.Destination, m.Payload+1))
		})
	}
	for _, tt := range []struct {
		name    string
		middle  message.Interceptor[int]
		handler message.Handler[int] // nil means one that handles
		want    []string
	}{
		{"handled", changed, nil, []string{"inner handled", "outer handled"}},
		{"the handler refuses", changed, returning(channel.ErrFull), []string{"inner full", "outer full"}},
		{"the handler fails", changed, returning(errBroken), []string{"inner failed", "outer failed"}},
		{"the handler panics", changed, boom, []string{"inner panic", "outer panic"}},
		{"vetoed by nil", instead(returning(nil)), nil, []string{"outer handled"}},
		{"vetoed by a drop", instead(returning(message.ErrDropped)), nil, []string{"outer dropped"}},
		{"vetoed by an error", instead(returning(errBroken)), nil, []string{"outer failed"}},
		{"vetoed by a panic", instead(boom), nil, []string{"outer panic"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for side, mount := range map[string]func(l *log, c *channel.DirectChannel[int], h message.Handler[int]){
				"send side": func(l *log, c *channel.DirectChannel[int], h message.Handler[int]) {
					c.Intercept(ending(l, "outer"), tt.middle, ending(l, "inner"))
					c.Subscribe(h)
				},
				"subscriber": func(l *log, c *channel.DirectChannel[int], h message.Handler[int]) {
					c.Subscribe(h, ending(l, "outer"), tt.middle, ending(l, "inner"))
				},
			} {
				var l log
				var c channel.DirectChannel[int]
				h := tt.handler
				if h == nil {
					h = returning(nil)
				}
				mount(&l, &c, h)
				func() {
					defer func() { recover() }() // a direct channel's panic is its sender's
					c.Handle(t.Context(), to("k", 1))
				}()
				if got := l.take(); !slices.Equal(got, tt.want) {
					t.Errorf("%s: %v, want %v", side, got, tt.want)
				}
			}
		})
	}
}

// TestWorkersTellTheDeferred: so it is on the workers of an executor, where what
// comes behind the message is handled all the same.
func TestWorkersTellTheDeferred(t *testing.T) {
	for end, h := range map[string]message.HandlerFunc[int]{
		"handled": returning(nil), "dropped": returning(message.ErrDropped), "failed": returning(errBroken),
		"panic": func(context.Context, message.Message[int]) error { panic("boom") },
	} {
		c := channel.NewExecutorChannel(channel.Config[int]{Logger: slog.New(slog.DiscardHandler)})
		var l log
		c.Subscribe(h, ending(&l, "outer"))
		for i := range 3 {
			if err := c.Handle(t.Context(), to("k", i)); err != nil {
				t.Errorf("%s: the sender is told %v", end, err)
			}
		}
		c.Shutdown(t.Context())
		if want := slices.Repeat([]string{"outer " + end}, 3); !slices.Equal(l.take(), want) {
			t.Errorf("%s: want %v", end, want)
		}
	}
}

// TestRefusalOfTheQueueIsSeen: that a channel did not take a message is an error,
// and interceptors of the send side see which.
func TestRefusalOfTheQueueIsSeen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := channel.NewExecutorChannel(channel.Config[int]{Capacity: 1, Overflow: channel.Reject})
		defer c.Close()
		g := newGate()
		defer close(g.open)
		c.Subscribe(g)
		var l log
		c.Intercept(ending(&l, "outer"))
		if first, second := c.Handle(t.Context(), to("k", 1)), c.Handle(t.Context(), to("k", 2)); first != nil || !errors.Is(second, channel.ErrFull) {
			t.Errorf("err = %v, %v", first, second)
		}
		if got := l.take(); !slices.Equal(got, []string{"outer handled", "outer full"}) {
			t.Errorf("the interceptor saw %v", got)
		}
	})
}

// TestHandleDoesNotWaitForWorkers: an executor's sender goes on while the message
// waits, and no subscriber is called on his goroutine.
func TestHandleDoesNotWaitForWorkers(t *testing.T) {
	c := channel.NewExecutorChannel(channel.Config[int]{})
	g := newGate()
	c.Subscribe(g)
	for i := range 3 {
		if err := c.Handle(t.Context(), to("k", i)); err != nil { // would never return
			t.Fatal(err)
		}
	}
	close(g.open)
	c.Shutdown(t.Context())
	if got := g.handled(); !slices.Equal(got, []int{0, 1, 2}) {
		t.Errorf("handled %v", got)
	}
}

// TestUnsubscribedWhileHandedOver: who is taken away by one that comes before him
// still gets the message that is being handed over, and none after it.
func TestUnsubscribedWhileHandedOver(t *testing.T) {
	eachKind(t, func(t *testing.T, c channel.SubscribableChannel[int], settle func()) {
		var l log
		var unsubscribe func()
		channel.SubscribeFunc(c, func(context.Context, message.Message[int]) error {
			l.add("first")
			unsubscribe()
			return nil
		})
		unsubscribe = c.Subscribe(handling(&l, "second"))
		for i := range 2 {
			c.Handle(t.Context(), to("k", i))
			settle()
		}
		if got, want := l.take(), []string{"first", "second", "first"}; !slices.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
	})
}

// TestVetoOfOneSubscriber: an interceptor around one subscriber keeps the message
// from him alone.
func TestVetoOfOneSubscriber(t *testing.T) {
	eachKind(t, func(t *testing.T, c channel.SubscribableChannel[int], settle func()) {
		var l log
		veto := func(message.Handler[int]) message.Handler[int] { return returning(message.ErrDropped) }
		c.Subscribe(handling(&l, "one"))
		c.Subscribe(handling(&l, "two"), ending(&l, "outer"), veto)
		c.Subscribe(handling(&l, "three"))
		c.Handle(t.Context(), to("k", 1))
		settle()
		if got, want := l.take(), []string{"one", "outer dropped", "three"}; !slices.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
	})
}

// TestSubscribersTakeTurns: on a pool of workers each of three subscribers sees a
// thousand messages in order, and none of them the next before all three are done
// with the last, whoever comes or goes meanwhile.
func TestSubscribersTakeTurns(t *testing.T) {
	const n = 1000
	c := channel.NewExecutorChannel(channel.Config[int]{Workers: 8})
	var steps [3][]int
	var under atomic.Int32
	for i := range steps {
		channel.SubscribeFunc(c, func(_ context.Context, m message.Message[int]) error {
			if under.Add(1) != 1 {
				t.Error("two at once")
			}
			defer under.Add(-1)
			for _, other := range steps[i+1:] {
				if len(other) != len(steps[i]) {
					t.Errorf("message %d comes before all were done with the last", m.Payload)
				}
			}
			steps[i] = append(steps[i], m.Payload)
			yield(m.Payload % 3)
			return nil
		})
	}
	var changing sync.WaitGroup
	stop := make(chan struct{})
	changing.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				c.Subscribe(returning(nil))()
				runtime.Gosched() // or the others would hardly run on a single processor
			}
		}
	})
	for i := range n {
		c.Handle(t.Context(), to("k", i))
	}
	close(stop)
	changing.Wait()
	c.Shutdown(t.Context())
	for i, got := range steps {
		if len(got) != n || !slices.IsSorted(got) {
			t.Errorf("subscriber %d saw %d of %d messages, in order %v", i, len(got), n, slices.IsSorted(got))
		}
	}
}
