package broker_test

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/message"
)

// steps is how many messages of a topic that keeps them may wait for the goroutine that
// delivers.
const steps = 1024

// gated is a broker with a history whose deliveries wait, after the first one has
// begun, until open is closed.
func gated(t *testing.T, f func(t *testing.T, o ops, open func(), events *[]string)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		gate := make(chan struct{})
		out := message.HandlerFunc[[]byte](func(ctx context.Context, m message.Raw) error {
			if m.Kind == message.KindData {
				<-gate
			}
			return m.Session.Deliver(ctx, m)
		})
		var mu sync.Mutex
		var told []string
		b := broker.NewMemory(out, broker.Config{
			Rules: []broker.Rule{{History: broker.History{Messages: 10}}},
			Events: message.HandlerFunc[broker.Event](func(_ context.Context, m message.Message[broker.Event]) error {
				mu.Lock()
				defer mu.Unlock()
				told = append(told, fmt.Sprint(m.Payload.Kind, " ", m.Payload.Subscription))
				return nil
			}),
		})
		o := ops{t, b}
		listener := o.newClient()
		o.must(o.subscribe(listener, "1", "/topic/a"))
		go func() { _ = o.send("/topic/a", "first") }()
		synctest.Wait()
		f(t, o, func() { close(gate) }, &told)
		b.Close()
	})
}

// Who finds too much on its way waits, but not longer than his context and 10 s.
func TestHistoryBoundsWhatWaits(t *testing.T) {
	gated(t, func(t *testing.T, o ops, open func(), _ *[]string) {
		for i := range steps {
			o.must(o.send("/topic/a", fmt.Sprint(i)))
		}
		began := time.Now()
		wantCode(t, o.send("/topic/a", "too much"), message.CodeFull)
		if waited := time.Since(began); waited != 10*time.Second {
			t.Errorf("refused after %v", waited)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		wantCode(t, o.b.Handle(ctx, message.Raw{Destination: "/topic/a"}), message.CodeFull)
		if waited := time.Since(began); waited != 11*time.Second {
			t.Errorf("refused after %v, want the second of the context", waited-10*time.Second)
		}
		taken := make(chan error)
		go func() { taken <- o.send("/topic/a", "when there is room") }()
		synctest.Wait()
		open()
		o.must(<-taken)
	})
}

// Who catches up waits for what others are delivering, 10 s at most.
func TestHistoryCatchesUp(t *testing.T) {
	gated(t, func(t *testing.T, o ops, open func(), _ *[]string) {
		o.must(o.send("/topic/a", "second"))
		catchUp := func(dest string) error { return o.b.(*broker.Memory).CatchUp(t.Context(), dest) }
		began := time.Now()
		o.must(catchUp("/topic/b"))
		o.must(catchUp("/topics/*"))
		for _, dest := range []string{"/topic/a", "/topic/*"} {
			wantCode(t, catchUp(dest), message.CodeFull)
		}
		if waited := time.Since(began); waited != 20*time.Second {
			t.Errorf("two waited %v", waited)
		}
		caught := make(chan error)
		go func() { caught <- catchUp("/topic/a") }()
		synctest.Wait()
		open()
		o.must(<-caught)
		if s := o.b.(*broker.Memory).Stats(); s.Delivered != 2 {
			t.Errorf("%d messages were delivered", s.Delivered)
		}
		o.must(catchUp("/topic/a"))
	})
}

// That is 10 s for all topics of a pattern together.
func TestHistoryCatchesUpWithAPattern(t *testing.T) {
	gated(t, func(t *testing.T, o ops, open func(), _ *[]string) {
		for _, dest := range []string{"/topic/b", "/topic/c"} {
			o.must(o.subscribe(o.newClient(), "1", dest))
			go func() { _ = o.send(dest, "first") }()
		}
		o.must(o.send("/topic/d", "kept"))
		synctest.Wait()
		began := time.Now()
		wantCode(t, o.b.(*broker.Memory).CatchUp(t.Context(), "/topic/*"), message.CodeFull)
		if waited := time.Since(began); waited != 10*time.Second {
			t.Errorf("it waited %v", waited)
		}
		open()
	})
}

// A subscription that waited too long is none, and its id may be used again.
func TestHistoryRefusesSubscriptions(t *testing.T) {
	gated(t, func(t *testing.T, o ops, open func(), events *[]string) {
		for i := range steps {
			o.must(o.send("/topic/a", fmt.Sprint(i)))
		}
		c := o.newClient()
		for _, mode := range []string{"", "client"} {
			wantCode(t, o.subscribeAs(c, "again", "/topic/a", mode), message.CodeFull)
		}
		if s := o.b.(*broker.Memory).Stats(); s.Subscriptions != 1 || s.Queues != 0 {
			t.Errorf("stats %+v, want the first subscription alone", s)
		}
		open()
		synctest.Wait()
		o.must(o.subscribe(c, "again", "/topic/a"))
		o.sendAll("/topic/a", "live")
		wantGot(t, c, "live")
		if want := []string{"subscribe again", "subscribe again", "subscribe again", "subscribed again"}; !slices.Equal((*events)[7:], want) {
			t.Errorf("events %q, want %q at the end", *events, want)
		}
	})
}

// The events of a session are told in its order, though what it subscribed to has not
// begun.
func TestHistoryTellsInOrder(t *testing.T) {
	gated(t, func(t *testing.T, o ops, open func(), events *[]string) {
		c := o.newClient()
		o.must(o.subscribe(c, "2", "/topic/a"))
		o.must(o.unsubscribe(c, "2"))
		o.must(o.disconnect(c))
		open()
		synctest.Wait()
		if want := []string{"subscribe 2", "subscribed 2", "unsubscribed 2", "disconnected "}; !slices.Equal((*events)[7:], want) {
			t.Errorf("events %q, want %q at the end", *events, want)
		}
		wantGot(t, c)
	})
}

// An interceptor of the way out that publishes more than may wait does not hang for
// ever, and what it passes on goes on.
func TestHistoryDoesNotWaitForItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b *broker.Memory
		refused := 0
		out := message.HandlerFunc[[]byte](func(ctx context.Context, m message.Raw) error {
			for i := range steps + 1 {
				if string(m.Payload) == "first" && b.Handle(ctx, message.Raw{Destination: "/topic/a", Payload: []byte(fmt.Sprint(i))}) != nil {
					refused++
				}
			}
			return m.Session.Deliver(ctx, m)
		})
		b = broker.NewMemory(out, broker.Config{Rules: []broker.Rule{{History: broker.History{Messages: 5}}}})
		defer b.Close()
		o := ops{t, b}
		c := o.newClient()
		o.must(o.subscribe(c, "1", "/topic/a"))
		o.sendAll("/topic/a", "first")
		if n := len(c.take()); n != steps+1 || refused != 1 {
			t.Errorf("%d came and %d were refused, want the first with %d, and 1", n, refused, steps)
		}
	})
}

// What waits behind a message whose goroutine an interceptor ends comes before what is
// published later, and nobody waits for that goroutine any more.
func TestHistoryAfterAGoexit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b *broker.Memory
		gate := make(chan struct{})
		out := message.HandlerFunc[[]byte](func(ctx context.Context, m message.Raw) error {
			if string(m.Payload) == "poison" {
				for range steps {
					_ = b.Handle(ctx, message.Raw{Destination: "/topic/a", Payload: []byte("behind")})
				}
				<-gate
				runtime.Goexit()
			}
			return m.Session.Deliver(ctx, m)
		})
		b = broker.NewMemory(out, broker.Config{Rules: []broker.Rule{{History: broker.History{Messages: 5}}}})
		defer b.Close()
		o := ops{t, b}
		c := o.newClient()
		o.must(o.subscribe(c, "1", "/topic/a"))
		for _, payload := range []string{"poison", "next"} {
			go func() { _ = o.send("/topic/a", payload) }()
			synctest.Wait()
		}
		close(gate)
		synctest.Wait()
		if got := payloads(c); len(got) != steps+1 || got[0] != "behind" || got[steps] != "next" {
			t.Errorf("%d came, want %d behind the poison and one that waited for it", len(got), steps)
		}
	})
}

// payloads returns what came, in its order.
func payloads(c *client) (all []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, m := range c.all {
		if m.Kind == message.KindData {
			all = append(all, string(m.Payload))
		}
	}
	return all
}

// A topic that is never at rest takes no more memory for that.
func TestHistoryNeverAtRest(t *testing.T) {
	const n = 60_000
	var b *broker.Memory
	var before, grown int64
	left := n
	out := message.HandlerFunc[[]byte](func(ctx context.Context, m message.Raw) error {
		if m.Kind == message.KindConnected {
			return nil
		}
		switch left--; left {
		case n - 10_000:
			before = heap()
		case 0:
			grown = heap() - before
		}
		if string(m.Payload) == "first" {
			_ = b.Handle(ctx, message.Raw{Destination: m.Destination}) // so that one waits always
		}
		if left > 0 {
			return b.Handle(ctx, message.Raw{Destination: m.Destination})
		}
		return nil
	})
	b = broker.NewMemory(out, broker.Config{Rules: []broker.Rule{{History: broker.History{Messages: 5}}}})
	defer b.Close()
	o := ops{t, b}
	o.must(o.subscribe(o.newClient(), "1", "/topic/a"))
	o.sendAll("/topic/a", "first")
	if grown > 1<<20 || left > 0 {
		t.Errorf("%d bytes more, %d of %d messages to come", grown, left, n)
	}
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// Where somebody knows his place, a topic stays for him a minute though it keeps
// nothing; but 1,024 such topics at most.
func TestHistoryKeepsAPlaceForAWhile(t *testing.T) {
	for name, tc := range map[string]struct {
		others int
		sleep  time.Duration
		want   string
	}{
		"a minute":         {1022, time.Minute - time.Nanosecond, "true"},
		"not longer":       {0, time.Minute, "false"},
		"not for too many": {1024, 0, "false"},
	} {
		t.Run(name, func(t *testing.T) {
			kept(t, broker.Rule{History: broker.History{Messages: 10}}, func(t *testing.T, o ops, b *broker.Memory) {
				ask := func(dest string, at position) *client {
					c := o.newClient()
					o.must(o.resume(c, dest, at))
					return c
				}
				for i := range tc.others {
					o.must(o.disconnect(ask(fmt.Sprint("/topic/", i), position{"", "0"})))
				}
				c := ask("/topic/a", position{"", "0"})
				at := c.last(t)
				o.must(o.disconnect(c))
				time.Sleep(tc.sleep)
				synctest.Wait()
				again := ask("/topic/a", at)
				if got := again.recovered(t); got != tc.want {
					t.Errorf("recovered %q, want %q", got, tc.want)
				}
				time.Sleep(time.Minute)
				synctest.Wait()
				if n := b.Stats().Topics; n != 0 {
					t.Errorf("%d topics are left", n)
				}
			})
		})
	}
}
