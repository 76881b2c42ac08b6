package interceptor_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/headrace/headrace/channel"
	"github.com/headrace/headrace/interceptor"
	"github.com/headrace/headrace/message"
)

func TestOrderedIsOneAtATimeAndInOrderPerKey(t *testing.T) {
	const keys, each = 8, 200
	executor := channel.NewExecutor(channel.Config[order]{Workers: 8})
	var mu sync.Mutex
	seen := make(map[string][]string)
	var running [keys]atomic.Int32
	h := interceptor.Ordered(executor, func(m orderMessage) string { return m.Payload.symbol })(
		orderFunc(func(_ context.Context, m orderMessage) error {
			var k int
			fmt.Sscan(m.Payload.symbol, &k)
			if n := running[k].Add(1); n != 1 {
				t.Errorf("%d messages of key %d at once", n, k)
			}
			mu.Lock()
			seen[m.Payload.symbol] = append(seen[m.Payload.symbol], m.Destination)
			mu.Unlock()
			running[k].Add(-1)
			return nil
		}))

	want := make(map[string][]string)
	for i := range each {
		for k := range keys {
			m := orderMessage{Destination: fmt.Sprintf("/%d", i), Payload: order{fmt.Sprint(k)}}
			want[m.Payload.symbol] = append(want[m.Payload.symbol], m.Destination)
			if err := h.Handle(t.Context(), m); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := executor.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	for k := range want {
		if !slices.Equal(seen[k], want[k]) {
			t.Errorf("key %s: handled as %v", k, seen[k])
		}
	}
}

// blockedBy reports whether second has to wait for first under the default key.
func blockedBy(t *testing.T, first, second orderMessage) (blocked bool) {
	synctest.Test(t, func(t *testing.T) {
		executor := channel.NewExecutor(channel.Config[order]{Workers: 4})
		defer executor.Close()
		var started atomic.Int32
		release := make(chan struct{})
		h := interceptor.Ordered[order](executor, nil)(orderFunc(func(context.Context, orderMessage) error {
			started.Add(1)
			<-release
			return nil
		}))
		for _, m := range []orderMessage{first, second} {
			if err := h.Handle(t.Context(), m); err != nil {
				t.Error(err)
			}
		}
		time.Sleep(time.Minute) // every worker that could start has
		synctest.Wait()
		blocked = started.Load() == 1
		close(release)
	})
	return blocked
}

func TestOrderedKeyDefaultsToSessionThenDestination(t *testing.T) {
	ann, bob := newSession(), newSession()
	tests := map[string]struct {
		first, second orderMessage
		blocked       bool
	}{
		"one session":       {orderMessage{Session: ann, Destination: "/a"}, orderMessage{Session: ann, Destination: "/b"}, true},
		"two sessions":      {orderMessage{Session: ann, Destination: "/a"}, orderMessage{Session: bob, Destination: "/a"}, false},
		"one destination":   {orderMessage{Destination: "/a"}, orderMessage{Destination: "/a"}, true},
		"two destinations":  {orderMessage{Destination: "/a"}, orderMessage{Destination: "/b"}, false},
		"session and none":  {orderMessage{Session: ann, Destination: "/a"}, orderMessage{Destination: "/a"}, false},
		"session and empty": {orderMessage{Session: ann}, orderMessage{Session: ann}, true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := blockedBy(t, tt.first, tt.second); got != tt.blocked {
				t.Errorf("second waits for first: %v", got)
			}
		})
	}
}

func TestOrderedOutcomeGoesToTheCompletion(t *testing.T) {
	cause := errors.New("broken")
	executor := channel.NewExecutor(channel.Config[order]{})
	outcome := make(chan error, 1)
	m := orderMessage{Done: message.NewCompletion(message.Handled, func(err error) { outcome <- err })}
	if err := interceptor.Ordered[order](executor, nil)(returning(cause)).Handle(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	m.Done.Release(nil)
	if err := <-outcome; err != cause {
		t.Errorf("completed with %v", err)
	}
	executor.Close()
	if err := interceptor.Ordered[order](executor, nil)(returning(nil)).Handle(t.Context(), orderMessage{}); !errors.Is(err, channel.ErrClosed) {
		t.Errorf("a closed executor answers %v", err)
	}
}

func TestOrderedNeedsAnExecutor(t *testing.T) {
	mustPanic(t, func() { interceptor.Ordered[order](nil, nil) })
}
