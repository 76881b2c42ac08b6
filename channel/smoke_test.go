package channel_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/headrace/headrace/channel"
	"github.com/headrace/headrace/message"
)

// TestWorkersGrowWhenBlocked: messages of other keys do not wait for blocked
// ones, and the extra workers go.
func TestWorkersGrowWhenBlocked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := channel.NewExecutorChannel(channel.Config[int]{Workers: 2, Mailbox: 8})
		defer c.Close()
		release := make(chan struct{})
		var handled []int
		channel.SubscribeFunc(c, func(_ context.Context, m message.Message[int]) error {
			if m.Payload < 100 {
				<-release
			} else {
				handled = append(handled, m.Payload)
			}
			return nil
		})
		for i := range 50 {
			if err := c.Handle(t.Context(), message.Message[int]{Destination: string(rune('a' + i)), Payload: i}); err != nil {
				t.Fatal(err)
			}
		}
		start := time.Now()
		c.Handle(t.Context(), message.Message[int]{Destination: "free", Payload: 100})
		for len(handled) == 0 {
			time.Sleep(time.Millisecond)
			synctest.Wait()
		}
		if d := time.Since(start); d > 10*time.Millisecond {
			t.Errorf("the free message waited %v", d)
		}
		if w := c.Stats().Workers; w < 51 {
			t.Errorf("%d workers for 50 blocked handlers", w)
		}
		close(release)
		time.Sleep(15 * time.Second)
		synctest.Wait()
		if w := c.Stats().Workers; w != 2 {
			t.Errorf("%d workers are left, want 2", w)
		}
	})
}
