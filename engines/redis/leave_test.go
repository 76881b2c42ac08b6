package redis_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/engines/redis"
	"github.com/headrace/headrace/internal/chaos"
	"github.com/headrace/headrace/internal/proc"
)

// What a member has not settled comes to another one as soon as it leaves, and in order,
// also when the server is far: not after AckWait.
func TestLeaveFarFromTheServer(t *testing.T) {
	const n = 250
	addr := proc.StartRedis(t).Addr
	far := chaos.New(t, addr)
	leaves, stays := connect(t, config(t, far.Addr())), connect(t, config(t, addr))
	var held atomic.Int64
	leave := member(t, leaves, func(e broker.Envelope) {
		e.Done.Hold()
		held.Add(1)
	})
	var want []string
	for i := range n {
		want = append(want, fmt.Sprint(i))
		publish(t, stays, want[i])
	}
	eventually(t, "one has all", func() bool { return held.Load() == n })
	var mu sync.Mutex
	var got []string
	member(t, stays, func(e broker.Envelope) {
		mu.Lock()
		defer mu.Unlock()
		got = append(got, e.ID)
	})
	far.Delay(20 * time.Millisecond)
	leave()
	eventually(t, "the other one has all", func() bool {
		mu.Lock()
		defer mu.Unlock()
		return len(got) == n
	})
	if !slices.Equal(got, want) {
		t.Errorf("it got %v", got)
	}
}

// What is refused comes again however many others were taken before it and are still worked on.
func TestRefusedBehindOthers(t *testing.T) {
	const n = 20
	c := config(t, proc.StartRedis(t).Addr)
	c.InFlight = n
	b := connect(t, c)
	last := fmt.Sprint(n - 1)
	var times atomic.Int64
	stop, err := b.Subscribe(t.Context(), queue, "workers", func(_ context.Context, e broker.Envelope) error {
		if e.ID != last {
			e.Done.Hold()
		} else if times.Add(1) == 1 {
			return errors.New("not yet")
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	for i := range n {
		publish(t, b, fmt.Sprint(i))
	}
	eventually(t, "it came again", func() bool { return times.Load() == 2 })
}

func member(t *testing.T, b *redis.Backplane, receive func(broker.Envelope)) (leave func()) {
	t.Helper()
	leave, err := b.Subscribe(t.Context(), queue, "workers", func(_ context.Context, e broker.Envelope) error {
		receive(e)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	leave = sync.OnceFunc(leave)
	t.Cleanup(leave)
	return leave
}
