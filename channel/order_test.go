package channel_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/headrace/headrace/channel"
	"github.com/headrace/headrace/message"
	"pgregory.net/rapid"
)

// TestOrderPerKey: whatever the bounds, the workers and the pauses, the messages
// of one key are handled one at a time, in order and without loss. The plain
// variables that handlers of one key share show it to the race detector too.
func TestOrderPerKey(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		keys := rapid.IntRange(1, 12).Draw(t, "keys")
		perKey := rapid.IntRange(1, 80).Draw(t, "messages")
		producers := rapid.IntRange(1, 4).Draw(t, "producers")
		sendYields := rapid.SliceOfN(rapid.IntRange(0, 2), 1, 8).Draw(t, "pauses of senders")
		handleYields := rapid.SliceOfN(rapid.IntRange(0, 3), 1, 8).Draw(t, "pauses of handlers")
		c := channel.NewExecutorChannel(channel.Config[int]{
			Workers:  rapid.IntRange(1, 4).Draw(t, "workers"),
			Mailbox:  rapid.SampledFrom([]int{1, 2, 5, 16, 256}).Draw(t, "mailbox"),
			Capacity: rapid.SampledFrom([]int{1, 3, 20, 65_536}).Draw(t, "capacity"),
			Overflow: rapid.SampledFrom([]channel.Overflow{channel.Block, channel.Reject}).Draw(t, "overflow"),
		})
		defer c.Close()

		sessions := sessions(context.Background(), keys/2) // half of the keys are sessions, half destinations
		next := make([]int, keys)
		running := make([]atomic.Int32, keys)
		var wrong atomic.Pointer[string]
		channel.SubscribeFunc(c, func(_ context.Context, m message.Message[int]) error {
			k, i := m.Payload/1000, m.Payload%1000
			n := running[k].Add(1)
			if n != 1 || next[k] != i {
				s := fmt.Sprintf("key %d: message %d came as number %d, %d at once", k, i, next[k], n)
				wrong.CompareAndSwap(nil, &s)
			}
			next[k]++
			yield(handleYields[i%len(handleYields)])
			running[k].Add(-1)
			return nil
		})
		var wg sync.WaitGroup
		for p := range producers {
			wg.Go(func() {
				for i := range perKey {
					for k := p; k < keys; k += producers {
						m := message.Message[int]{Destination: fmt.Sprint("/", k), Payload: k*1000 + i}
						if k < len(sessions) {
							m.Session, m.Destination = sessions[k], fmt.Sprint("/", i) // any destination: the session is the key
						}
						yield(sendYields[(i+k)%len(sendYields)])
						for {
							err := c.Handle(context.Background(), m)
							if err == nil {
								break
							}
							if !errors.Is(err, channel.ErrFull) {
								s := err.Error()
								wrong.CompareAndSwap(nil, &s)
								return
							}
							runtime.Gosched()
						}
					}
				}
			})
		}
		wg.Wait()
		if err := c.Shutdown(context.Background()); err != nil {
			t.Fatal(err)
		}
		if s := wrong.Load(); s != nil {
			t.Fatal(*s)
		}
		for k, n := range next {
			if n != perKey {
				t.Fatalf("key %d: %d of %d messages", k, n, perKey)
			}
		}
	})
}

func yield(n int) {
	for range n {
		runtime.Gosched()
	}
}

// TestOrderDropOldest: what DropOldest leaves is in order, and what it drops is
// told so; nothing is told twice.
func TestOrderDropOldest(t *testing.T) {
	for _, unordered := range []bool{false, true} {
		c := channel.NewExecutorChannel(channel.Config[int]{Workers: 1, MaxWorkers: 1, Mailbox: 3, Capacity: 4, Overflow: channel.DropOldest, Unordered: unordered})
		last, handled := -1, 0
		channel.SubscribeFunc(c, func(_ context.Context, m message.Message[int]) error {
			if m.Payload <= last {
				t.Errorf("message %d after %d", m.Payload, last)
			}
			last = m.Payload
			handled++
			runtime.Gosched()
			return nil
		})
		var o outcomes
		const n = 2000
		for i := range n {
			if err := o.send(t.Context(), c, to("k", i)); err != nil {
				t.Fatal(err)
			}
		}
		if err := c.Shutdown(t.Context()); err != nil {
			t.Fatal(err)
		}
		dropped := 0
		for i := range n {
			switch got := o.of(i); {
			case len(got) != 1:
				t.Fatalf("message %d was completed with %v", i, got)
			case got[0] == message.ErrDropped:
				dropped++
			case got[0] != nil:
				t.Fatalf("message %d: %v", i, got[0])
			}
		}
		if s := c.Stats(); handled+dropped != n || s.Handled != uint64(handled) || s.Dropped != uint64(dropped) || last != n-1 {
			t.Errorf("%d handled, %d dropped of %d, the last is %d; stats %+v", handled, dropped, n, last, s)
		}
	}
}

// TestKeysRunInParallel: handlers of as many keys as there are workers are in
// at once; so are handlers of one key when the order was given up.
func TestKeysRunInParallel(t *testing.T) {
	const n = 8
	destination := func(m message.Message[int]) string { return m.Destination }
	for _, tt := range []struct {
		name   string
		config channel.Config[int]
		key    func(i int) string
		want   int // handlers that are in at once
	}{
		{"keys", channel.Config[int]{Workers: n}, func(i int) string { return fmt.Sprint(i) }, n},
		{"one key", channel.Config[int]{Workers: n}, func(int) string { return "k" }, 1},
		{"workers of the stall", channel.Config[int]{Workers: 1}, func(i int) string { return fmt.Sprint(i) }, n},
		{"no more than MaxWorkers", channel.Config[int]{Workers: 1, MaxWorkers: 3}, func(i int) string { return fmt.Sprint(i) }, 3},
		{"MaxWorkers below Workers", channel.Config[int]{Workers: 4, MaxWorkers: 2}, func(i int) string { return fmt.Sprint(i) }, 4},
		{"Unordered", channel.Config[int]{Workers: n, Unordered: true}, func(int) string { return "k" }, n},
		{"Unordered, no more than MaxWorkers", channel.Config[int]{Workers: 1, MaxWorkers: 3, Unordered: true}, func(int) string { return "k" }, 3},
		{"Key", channel.Config[int]{Workers: n, Key: destination}, func(i int) string { return fmt.Sprint(i % 2) }, 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := channel.NewExecutorChannel(tt.config)
				g := newGate()
				c.Subscribe(g)
				session := sessions(t.Context(), 1)[0]
				for i := range n {
					m := to(tt.key(i), i)
					if tt.config.Key != nil {
						m.Session = session // the default key would see one key alone
					}
					if err := c.Handle(t.Context(), m); err != nil {
						t.Fatal(err)
					}
				}
				elapse(100 * tick)
				if got := len(g.handled()); got != tt.want {
					t.Errorf("%d handlers at once, want %d", got, tt.want)
				}
				close(g.open)
				if err := c.Shutdown(t.Context()); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// TestSessionKey: a session is a key wherever its messages go; without one the
// destination is.
func TestSessionKey(t *testing.T) {
	s := sessions(t.Context(), 2)
	message := func(session *message.Session, destination string) message.Message[int] {
		return message.Message[int]{Session: session, Destination: destination}
	}
	keys := []string{
		channel.SessionKey(message(s[0], "/a")), channel.SessionKey(message(s[1], "/a")),
		channel.SessionKey(message(nil, "/a")), channel.SessionKey(message(nil, "/b")),
	}
	if channel.SessionKey(message(s[0], "/b")) != keys[0] || len(slices.Compact(slices.Sorted(slices.Values(keys)))) != 4 {
		t.Errorf("keys %v", keys)
	}
}
