package nats_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/engines/nats"
)

// What a member has no room for yet, or does not take yet, comes to nobody twice, however
// long that takes.
func TestGroupWithoutRoom(t *testing.T) {
	for name, holds := range map[string]bool{"it is held": true, "it is not taken": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := config(t, serve(t))
			c.AckWait, c.InFlight = 4*time.Second, 6 // the last of six waits longer
			a, b := connect(t, nats.JetStream, c), connect(t, nats.JetStream, c)
			const tasks = 16
			for i := range tasks {
				publish(t, a, fmt.Sprint(i))
			}
			var mu sync.Mutex
			came := make(map[string]int)
			for _, node := range []*nats.Backplane{a, b} {
				work := make(chan broker.Envelope, tasks)
				if !holds {
					work = make(chan broker.Envelope)
				}
				stop, err := node.Subscribe(t.Context(), topic, "workers", func(_ context.Context, e broker.Envelope) error {
					mu.Lock()
					came[e.ID]++
					mu.Unlock()
					e.Done.Hold()
					work <- e
					return nil
				})
				if err != nil {
					t.Fatal(err)
				}
				var working sync.WaitGroup
				working.Go(func() {
					tick := time.NewTicker(900 * time.Millisecond)
					defer tick.Stop()
					for e := range work {
						<-tick.C
						e.Done.Release(nil)
					}
				})
				t.Cleanup(func() { stop(); close(work); working.Wait() })
			}
			eventually(t, "all came", func() bool { mu.Lock(); defer mu.Unlock(); return len(came) == tasks })
			mu.Lock()
			defer mu.Unlock()
			for id, n := range came {
				if n != 1 {
					t.Errorf("%s came %d times", id, n)
				}
			}
		})
	}
}
