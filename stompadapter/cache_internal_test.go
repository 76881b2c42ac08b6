package stompadapter

import (
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/stompadapter/frame"
)

func key() frameKey {
	return frameKey{
		version:      frame.V12,
		destination:  "/a",
		subscription: "s",
		header:       message.NewHeader(message.Field{Name: "message-id", Value: "m"}),
		payload:      []byte("hello"),
	}
}

// TestFrameKeyIsIdentity changes one part of a key at a time.
func TestFrameKeyIsIdentity(t *testing.T) {
	k := key()
	for name, change := range map[string]func(*frameKey){
		"nothing":             func(*frameKey) {},
		"framing":             func(k *frameKey) { k.framing++ },
		"version":             func(k *frameKey) { k.version = frame.V11 },
		"destination":         func(k *frameKey) { k.destination = "/b" },
		"subscription":        func(k *frameKey) { k.subscription = "t" },
		"an equal header":     func(k *frameKey) { k.header = k.header.With("message-id", "m") },
		"an equal payload":    func(k *frameKey) { k.payload = []byte("hello") },
		"part of the payload": func(k *frameKey) { k.payload = k.payload[:4] },
	} {
		o := k
		change(&o)
		if got, want := k.same(&o), name == "nothing"; got != want {
			t.Errorf("%s changed: same is %v", name, got)
		}
	}
}

func TestFrameCacheIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := new(frameCache)
		k := key()
		for i := range 200 {
			k.subscription = fmt.Sprint(i)
			k.payload = make([]byte, 64<<10)
			if _, err := c.get(&k); err != nil {
				t.Fatal(err)
			}
			if n := c.bytes.Load(); n > cacheBytes {
				t.Fatalf("the cache holds %d bytes", n)
			}
		}
		for i := range 10 * cacheSets * cacheWays {
			k.subscription = fmt.Sprint(i)
			k.payload = make([]byte, 1)
			c.get(&k)
		}
		entries, bytes := count(c)
		if entries > cacheSets*cacheWays || entries < cacheSets || bytes != c.bytes.Load() {
			t.Errorf("%d entries of %d bytes, %d counted", entries, bytes, c.bytes.Load())
		}
		time.Sleep(2 * cacheAge)
		synctest.Wait()
		if entries, _ := count(c); entries != 0 || c.bytes.Load() != 0 {
			t.Errorf("an idle cache holds %d entries, %d bytes", entries, c.bytes.Load())
		}
	})
}

func count(c *frameCache) (entries int, bytes int64) {
	for i := range c.slots {
		for j := range c.slots[i] {
			if e := c.slots[i][j].Load(); e != nil {
				entries++
				bytes += e.size
			}
		}
	}
	return entries, bytes
}

func TestFrameCacheFromManyGoroutines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := new(frameCache)
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				for range 200 {
					k := key()
					first, err := c.get(&k)
					if second, _ := c.get(&k); err != nil || second == nil || first == nil {
						t.Errorf("no frame, error %v", err)
					}
				}
			})
		}
		wg.Wait()
		if _, bytes := count(c); bytes != c.bytes.Load() {
			t.Errorf("%d bytes, %d counted", bytes, c.bytes.Load())
		}
	})
}
