package jsonadapter

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/transport"
)

// TestFrameCacheLapses fills the cache more than once over: it pins nothing for
// long, and works on afterwards.
func TestFrameCacheLapses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := new(frameCache)
		for round := range 2 {
			for i := range 3 * cacheFrames {
				m := message.Raw{Subscription: fmt.Sprint(i), Payload: []byte("text")}
				first := c.get(transport.FramingWebSocket, m, object{})
				if c.get(transport.FramingWebSocket, m, object{}) != first {
					t.Fatalf("round %d: message %d was encoded twice", round, i)
				}
			}
			if n := c.frames(); n != cacheFrames {
				t.Errorf("round %d: %d frames, want %d", round, n, cacheFrames)
			}
			time.Sleep(cacheAge)
			synctest.Wait()
			if n := c.frames(); n != 0 {
				t.Errorf("round %d: an idle cache holds %d frames", round, n)
			}
		}
	})
}

func (c *frameCache) frames() (n int) {
	for i := range c.slots {
		if c.slots[i].Load() != nil {
			n++
		}
	}
	return n
}
