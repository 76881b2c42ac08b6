package channel_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/headrace/headrace/channel"
	"github.com/headrace/headrace/message"
)

// TestCapacityOfManyKeys: the capacity is exact however the keys are spread, also
// after messages came and went.
func TestCapacityOfManyKeys(t *testing.T) {
	for _, capacity := range []int{1000, 1024, 8192, 20_000} {
		open := make(chan struct{})
		c := channel.NewExecutorChannel(channel.Config[int]{Capacity: capacity, Overflow: channel.Reject, Workers: 1, MaxWorkers: 1})
		channel.SubscribeFunc(c, func(context.Context, message.Message[int]) error {
			<-open
			return nil
		})
		for round := range 2 {
			accepted := 0
			for i := range capacity + 500 {
				switch err := c.Handle(t.Context(), to(fmt.Sprint("key ", i*7919%(capacity/3)), i)); {
				case err == nil:
					accepted++
				case !errors.Is(err, channel.ErrFull):
					t.Fatal(err)
				}
			}
			if s := c.Stats(); accepted != capacity || s.UnderWay != int64(capacity) {
				t.Errorf("capacity %d, round %d: %d accepted, %d under way", capacity, round, accepted, s.UnderWay)
			}
			if round == 0 {
				for range capacity {
					open <- struct{}{}
				}
				idle(t, c)
			}
		}
		close(open)
		if err := c.Shutdown(t.Context()); err != nil {
			t.Fatal(err)
		}
		if s := c.Stats(); s.UnderWay != 0 {
			t.Errorf("capacity %d: %d under way after the end", capacity, s.UnderWay)
		}
	}
}

// idle waits until nothing is under way.
func idle(t *testing.T, c *channel.ExecutorChannel[int]) {
	t.Helper()
	for c.Stats().UnderWay > 0 {
		if t.Context().Err() != nil {
			t.Fatal("not idle in time")
		}
	}
}

// TestCapacityBlocks: senders of many keys that wait for a place all get one.
func TestCapacityBlocks(t *testing.T) {
	for _, capacity := range []int{600, 1024, 2048} {
		for range 3 {
			c := channel.NewExecutorChannel(channel.Config[int]{Capacity: capacity, Mailbox: 16})
			var handled atomic.Int64
			channel.SubscribeFunc(c, func(context.Context, message.Message[int]) error { handled.Add(1); return nil })
			var senders sync.WaitGroup
			const n, each = 3000, 5
			for s := range n {
				senders.Go(func() {
					for i := range each {
						if err := c.Handle(context.Background(), to(fmt.Sprint(s%700), i)); err != nil {
							t.Error(err)
						}
					}
				})
			}
			senders.Wait()
			if err := c.Shutdown(t.Context()); err != nil || handled.Load() != n*each {
				t.Fatalf("capacity %d: handled %d of %d, %v", capacity, handled.Load(), n*each, err)
			}
		}
	}
}

// TestStatsWhileBusy: places that are taken and kept while somebody looks are no
// messages under way, and never fewer than none.
func TestStatsWhileBusy(t *testing.T) {
	const senders = 8
	c := channel.NewExecutorChannel(channel.Config[int]{Workers: senders, MaxWorkers: senders})
	defer c.Close()
	channel.SubscribeFunc(c, func(context.Context, message.Message[int]) error { return nil })
	stop := make(chan struct{})
	var running sync.WaitGroup
	for s := range senders {
		running.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				ended := make(chan error, 1)
				m := to(fmt.Sprint("key ", s, n%1000), n)
				m.Done = message.NewCompletion(message.Handled, func(err error) { ended <- err })
				m.Done.Release(c.Handle(t.Context(), m))
				if err := <-ended; err != nil {
					t.Error(err)
				}
			}
		})
	}
	least, most := int64(0), int64(0)
	for range 20_000 {
		n := c.Stats().UnderWay
		least, most = min(least, n), max(most, n)
	}
	close(stop)
	running.Wait()
	if least < 0 || most > 2*senders { // a sender may be told before the place is given back
		t.Errorf("from %d to %d under way", least, most)
	}
}
