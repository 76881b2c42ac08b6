package channel_test

import (
	"context"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/headrace/headrace/channel"
	"github.com/headrace/headrace/message"
)

// TestDefaultWorkers: as many as two for each processor stay, whatever was
// needed for a while.
func TestDefaultWorkers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := channel.NewExecutorChannel(channel.Config[int]{Unordered: true})
		defer c.Close()
		usual := 2 * runtime.GOMAXPROCS(0)
		channel.SubscribeFunc(c, func(context.Context, message.Message[int]) error {
			time.Sleep(time.Second)
			return nil
		})
		for i := range 10 * usual {
			c.Handle(t.Context(), to("any", i))
		}
		elapse(time.Second / 2)
		if w := c.Stats().Workers; w <= usual {
			t.Errorf("%d workers while all block, want more than %d", w, usual)
		}
		elapse(20 * time.Second)
		if w := c.Stats().Workers; w != usual {
			t.Errorf("%d workers are left, want %d", w, usual)
		}
	})
}
