//go:build !race

package channel_test

import (
	"context"
	"fmt"
	"runtime"
	"strconv"
	"sync"
	"testing"

	"github.com/headrace/headrace/channel"
	"github.com/headrace/headrace/message"
)

// TestDirectAllocations: a direct send costs no memory, whatever is wired.
func TestDirectAllocations(t *testing.T) {
	for _, interceptors := range []int{0, 1, 3, 5} {
		for _, subscribers := range []int{1, 10} {
			c, _ := directPair(interceptors, subscribers)
			ctx, m := t.Context(), to("/d", 1)
			if n := testing.AllocsPerRun(200, func() { c.Handle(ctx, m) }); n > 0 {
				t.Errorf("%d interceptors, %d subscribers: %v allocations", interceptors, subscribers, n)
			}
		}
	}
}

// TestExecutorAllocations: a message of a session costs no memory once queues
// and mailboxes have grown to their size; one without a session costs its
// context.
func TestExecutorAllocations(t *testing.T) {
	const batch = 1000
	for _, tt := range []struct {
		name    string
		config  channel.Config[int]
		session bool
		most    float64 // in a batch; a few come from growth and the runtime
	}{
		{"ordered", channel.Config[int]{}, true, 20},
		{"unordered", channel.Config[int]{Unordered: true}, true, 20},
		{"without a session", channel.Config[int]{}, false, batch + 20},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ctx := t.Context()
			sess := sessions(ctx, 50)
			c := channel.NewExecutorChannel(tt.config)
			defer c.Close()
			var done sync.WaitGroup
			c.Intercept(counted)
			channel.SubscribeFunc(c, func(context.Context, message.Message[int]) error { done.Done(); return nil }, counted)
			run := func() {
				for range batch / 50 {
					done.Add(50)
					for i := range 50 {
						m := message.Message[int]{Destination: "/d", Payload: i}
						if tt.session {
							m.Session = sess[i]
						}
						c.Handle(ctx, m)
					}
					done.Wait()
				}
			}
			run()
			if n := testing.AllocsPerRun(20, run); n > tt.most {
				t.Errorf("%v allocations for %d messages, want at most %v", n, batch, tt.most)
			}
		})
	}
}

// TestQueueAllocations: a queue that has grown to its size costs no memory.
func TestQueueAllocations(t *testing.T) {
	c := channel.NewQueueChannel[int](channel.QueueConfig{})
	ctx := t.Context()
	if n := testing.AllocsPerRun(200, func() { c.Handle(ctx, to("/d", 1)); c.Receive(ctx) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

// heap returns the memory in use once c has handled everything.
func heap[T any](c *channel.ExecutorChannel[T]) int64 {
	for c.Stats().UnderWay > 0 {
		runtime.Gosched()
	}
	var s runtime.MemStats
	runtime.GC()
	runtime.GC() // what a pool kept over the first one goes
	runtime.ReadMemStats(&s)
	return int64(s.HeapAlloc)
}

// TestMemoryOfGoneKeys: keys that come once do not pile up.
func TestMemoryOfGoneKeys(t *testing.T) {
	c := channel.NewExecutorChannel(channel.Config[int]{})
	defer c.Close()
	c.Subscribe(returning(nil))
	ctx := t.Context()
	pass := func(from, n int) {
		for i := range n {
			if err := c.Handle(ctx, to("/queue/"+strconv.Itoa(from+i), i)); err != nil {
				t.Fatal(err)
			}
		}
	}
	pass(0, 100_000)
	before := heap(c)
	pass(100_000, 1_000_000)
	if more := heap(c) - before; more > 1<<20 {
		t.Errorf("%d KiB more after 1,000,000 more keys", more>>10)
	}
}

// TestMemoryOfHandled: an idle worker does not hold what it handled last.
func TestMemoryOfHandled(t *testing.T) {
	for _, unordered := range []bool{false, true} {
		c := channel.NewExecutorChannel(channel.Config[[]byte]{Unordered: unordered})
		channel.SubscribeFunc(c, func(context.Context, message.Raw) error { return nil })
		before := heap(c)
		c.Handle(t.Context(), message.Raw{Payload: make([]byte, 32<<20)})
		if left := heap(c) - before; left > 1<<20 {
			t.Errorf("unordered %v: %d KiB of a handled payload are left", unordered, left>>10)
		}
		c.Close()
	}
}

// TestMemoryOfBurst: what a burst needed is given back.
func TestMemoryOfBurst(t *testing.T) {
	for _, unordered := range []bool{false, true} {
		t.Run(fmt.Sprint("unordered ", unordered), func(t *testing.T) {
			c := channel.NewExecutorChannel(channel.Config[int]{Workers: 1, MaxWorkers: 1, Mailbox: 65_536, Unordered: unordered})
			defer c.Close()
			open := make(chan struct{})
			channel.SubscribeFunc(c, func(context.Context, message.Message[int]) error { <-open; return nil })
			before := heap(c)
			for i := range 50_000 {
				c.Handle(context.Background(), to("k", i))
			}
			var full runtime.MemStats
			runtime.ReadMemStats(&full)
			burst := int64(full.HeapAlloc) - before
			close(open)
			if left := heap(c) - before; left > burst/10 {
				t.Errorf("%d KiB of %d are left", left>>10, burst>>10)
			}
		})
	}
}
