package channel_test

import (
	"context"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/headrace/headrace/channel"
	"github.com/headrace/headrace/message"
)

// eachKind runs f with each kind of channel that has subscribers. settle
// returns when what was sent has been handled.
func eachKind(t *testing.T, f func(t *testing.T, c channel.SubscribableChannel[int], settle func())) {
	t.Run("direct", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) { f(t, new(channel.DirectChannel[int]), func() {}) })
	})
	t.Run("executor", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c := channel.NewExecutorChannel(channel.Config[int]{})
			defer c.Close()
			f(t, c, synctest.Wait)
		})
	})
}

func TestWiringOrder(t *testing.T) {
	eachKind(t, func(t *testing.T, c channel.SubscribableChannel[int], settle func()) {
		var l log
		c.Subscribe(handling(&l, "one"), noting(&l, "c"), noting(&l, "d"))
		c.Intercept(noting(&l, "a"))
		c.Subscribe(handling(&l, "two"), noting(&l, "e"))
		c.Intercept(noting(&l, "b1"), noting(&l, "b2"))
		if err := c.Handle(t.Context(), to("k", 1)); err != nil {
			t.Fatal(err)
		}
		settle()
		got := l.take()
		inner := []string{"+c", "+d", "one", "-d", "-c", "+e", "two", "-e"}
		before, after := []string{"+a", "+b1", "+b2"}, []string{"-b2", "-b1", "-a"}
		want := slices.Concat(before, inner, after)
		if _, executor := c.(*channel.ExecutorChannel[int]); executor { // the sender's part ends when the message is queued
			side := func(in []string) []string {
				return slices.DeleteFunc(slices.Clone(got), func(s string) bool { return !slices.Contains(in, s) })
			}
			got, want = slices.Concat(side(slices.Concat(before, after)), side(inner)), slices.Concat(before, after, inner)
		}
		if !slices.Equal(got, want) {
			t.Errorf("got  %v\nwant %v", got, want)
		}
	})
}

// TestWiringRemove: what is taken away is gone, once, and nothing else.
func TestWiringRemove(t *testing.T) {
	eachKind(t, func(t *testing.T, c channel.SubscribableChannel[int], settle func()) {
		var l log
		h, ic := handling(&l, "h"), noting(&l, "i")
		first, second := c.Subscribe(h), c.Subscribe(h)
		c.Subscribe(handling(&l, "last"))
		removeA, removeB := c.Intercept(ic, noting(&l, "j")), c.Intercept(ic)
		check := func(step string, handlers, interceptors []string) {
			t.Helper()
			if err := c.Handle(t.Context(), to("k", 1)); err != nil {
				t.Fatal(step, err)
			}
			settle()
			var called, passed []string
			for _, s := range l.take() {
				switch name, mark := strings.CutPrefix(s, "+"); {
				case mark:
					passed = append(passed, name)
				case s[0] != '-':
					called = append(called, s)
				}
			}
			if !slices.Equal(called, handlers) || !slices.Equal(passed, interceptors) {
				t.Errorf("%s: %v behind %v, want %v behind %v", step, called, passed, handlers, interceptors)
			}
		}
		all := []string{"i", "j", "i"}
		check("all", []string{"h", "h", "last"}, all)
		second()
		check("one of two subscriptions of a handler", []string{"h", "last"}, all)
		second()
		check("again", []string{"h", "last"}, all)
		removeA()
		removeA()
		check("one of two mounts of an interceptor", []string{"h", "last"}, []string{"i"})
		removeB()
		first()
		check("all that can go", []string{"last"}, nil)
	})
}

// TestWiringVeto: an interceptor that does not call next decides; on the send
// side the sender learns it.
func TestWiringVeto(t *testing.T) {
	eachKind(t, func(t *testing.T, c channel.SubscribableChannel[int], settle func()) {
		var l log
		c.Subscribe(handling(&l, "h"))
		for _, want := range []error{nil, message.ErrDropped, errBroken} {
			remove := c.Intercept(func(message.Handler[int]) message.Handler[int] { return returning(want) })
			if err := c.Handle(t.Context(), to("k", 1)); err != want {
				t.Errorf("err = %v, want %v", err, want)
			}
			settle()
			if got := l.take(); len(got) != 0 {
				t.Errorf("%v: the subscriber was called", want)
			}
			remove()
		}
	})
}

// TestWiringChange: a send-side interceptor runs on the sender's goroutine and
// may change what goes on.
func TestWiringChange(t *testing.T) {
	eachKind(t, func(t *testing.T, c channel.SubscribableChannel[int], settle func()) {
		double := func(next message.Handler[int]) message.Handler[int] {
			return message.HandlerFunc[int](func(ctx context.Context, m message.Message[int]) error {
				m.Payload *= 2
				return next.Handle(ctx, m)
			})
		}
		var mu sync.Mutex
		got := []int{}
		see := func(_ context.Context, m message.Message[int]) error {
			mu.Lock()
			defer mu.Unlock()
			got = append(got, m.Payload)
			return nil
		}
		channel.SubscribeFunc(c, see)
		channel.SubscribeFunc(c, see, double) // sees its own change alone
		channel.SubscribeFunc(c, see)
		c.Intercept(double)
		c.Handle(t.Context(), to("k", 3))
		settle()
		mu.Lock()
		defer mu.Unlock()
		if !slices.Equal(got, []int{6, 12, 6}) {
			t.Errorf("payloads %v, want [6 12 6]", got)
		}
	})
}

var generic atomic.Int64

// counted is an interceptor for any type.
func counted[T any](next message.Handler[T]) message.Handler[T] {
	return message.HandlerFunc[T](func(ctx context.Context, m message.Message[T]) error {
		generic.Add(1)
		return next.Handle(ctx, m)
	})
}

// TestWiringGeneric: a generic function needs no type argument at the mount.
func TestWiringGeneric(t *testing.T) {
	var ints channel.DirectChannel[int]
	var texts channel.DirectChannel[string]
	ints.Intercept(counted)
	ints.Subscribe(returning(nil), counted)
	channel.SubscribeFunc(&texts, func(context.Context, message.Message[string]) error { return nil }, counted)
	generic.Store(0)
	ints.Handle(t.Context(), message.Message[int]{})
	texts.Handle(t.Context(), message.Message[string]{})
	if generic.Load() != 3 {
		t.Errorf("%d calls, want 3", generic.Load())
	}
}

// TestWiringFromInside: subscribers may change the wiring during a send, which
// reaches those that it found.
func TestWiringFromInside(t *testing.T) {
	var c channel.DirectChannel[int]
	var l log
	var unsubscribe func()
	unsubscribe = channel.SubscribeFunc(&c, func(context.Context, message.Message[int]) error {
		l.add("once")
		unsubscribe()
		c.Subscribe(handling(&l, "new"))
		return nil
	})
	c.Subscribe(handling(&l, "old"))
	c.Handle(t.Context(), to("k", 1))
	c.Handle(t.Context(), to("k", 2))
	if got, want := l.take(), []string{"once", "old", "old", "new"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// TestWiringDuringSends: each send sees a wiring as somebody left it: the
// subscriber that stays gets every message, and pairs come and go together.
func TestWiringDuringSends(t *testing.T) {
	for name, c := range map[string]channel.SubscribableChannel[int]{
		"direct":   new(channel.DirectChannel[int]),
		"executor": channel.NewExecutorChannel(channel.Config[int]{}),
	} {
		t.Run(name, func(t *testing.T) {
			var stays, half atomic.Int64
			channel.SubscribeFunc(c, func(context.Context, message.Message[int]) error { stays.Add(1); return nil })
			add := func(n int64) message.Interceptor[int] {
				return func(next message.Handler[int]) message.Handler[int] {
					return message.HandlerFunc[int](func(ctx context.Context, m message.Message[int]) error {
						half.Add(n)
						return next.Handle(ctx, m)
					})
				}
			}
			const senders, each = 4, 500
			var sending, changing sync.WaitGroup
			stop := make(chan struct{})
			for range 2 {
				changing.Go(func() {
					for {
						remove := c.Intercept(add(1), add(-1))
						unsubscribe := c.Subscribe(returning(nil))
						unsubscribe()
						remove()
						select {
						case <-stop:
							return
						default:
						}
					}
				})
			}
			for s := range senders {
				sending.Go(func() {
					for i := range each {
						if err := c.Handle(t.Context(), to(string(rune('a'+s)), i)); err != nil {
							t.Error(err)
						}
					}
				})
			}
			sending.Wait()
			close(stop)
			changing.Wait()
			if e, ok := c.(*channel.ExecutorChannel[int]); ok {
				if err := e.Shutdown(t.Context()); err != nil {
					t.Error(err)
				}
			}
			if stays.Load() != senders*each || half.Load() != 0 {
				t.Errorf("%d of %d messages arrived; pairs are off by %d", stays.Load(), senders*each, half.Load())
			}
		})
	}
}
