package redis_test

import (
	"context"
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
