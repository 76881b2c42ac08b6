package transport

import (
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/headrace/headrace/message"
)

// plain is a dialect that encodes a message as its payload.
type plain struct {
	Dialect
	version uint8
}

func (p plain) Version() uint8 { return p.version }

func (plain) Encode(m message.Raw) (string, []byte, error) { return "message", m.Payload, nil }

func delivery() message.Raw {
	return message.Raw{
		Destination:  "/a",
		Subscription: "s",
		Header:       message.NewHeader(message.Field{Name: message.HeaderMessageID, Value: "m"}),
		Payload:      []byte("hello"),
	}
}

// TestFrameCacheKeyIsIdentity gets a frame again with one thing changed.
func TestFrameCacheKeyIsIdentity(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // whose clock does not let the frame lapse
		for name, change := range map[string]func(f **Framing, d *plain, m *message.Raw){
			"nothing":             func(**Framing, *plain, *message.Raw) {},
			"session":             func(_ **Framing, _ *plain, m *message.Raw) { m.Session = new(message.Session) },
			"framing":             func(f **Framing, _ *plain, _ *message.Raw) { *f = FramingStream },
			"version":             func(_ **Framing, d *plain, _ *message.Raw) { d.version++ },
			"kind":                func(_ **Framing, _ *plain, m *message.Raw) { m.Kind = message.KindError },
			"destination":         func(_ **Framing, _ *plain, m *message.Raw) { m.Destination = "/b" },
			"subscription":        func(_ **Framing, _ *plain, m *message.Raw) { m.Subscription = "t" },
			"an equal header":     func(_ **Framing, _ *plain, m *message.Raw) { m.Header = m.Header.With(message.HeaderMessageID, "m") },
			"an equal payload":    func(_ **Framing, _ *plain, m *message.Raw) { m.Payload = []byte("hello") },
			"part of the payload": func(_ **Framing, _ *plain, m *message.Raw) { m.Payload = m.Payload[:4] },
		} {
			c := new(frameCache)
			framing, d, m := FramingWebSocket, plain{}, delivery()
			first, _ := c.get(framing, d, d.Version(), &m)
			change(&framing, &d, &m)
			second, _ := c.get(framing, d, d.Version(), &m)
			if got, want := first == second, name == "nothing" || name == "session"; got != want {
				t.Errorf("%s changed: the same frame is %v", name, got)
			}
		}
	})
}

// TestFrameCacheKeepsWhatIsShared: a message without an id may be another one, and
// one that is to be acknowledged is one subscription's alone.
func TestFrameCacheKeepsWhatIsShared(t *testing.T) {
	for name, h := range map[string]message.Header{
		"no id": {},
		"ack":   delivery().Header.With(message.HeaderAck, "1"),
	} {
		c, m := new(frameCache), delivery()
		m.Header = h
		first, _ := c.get(FramingWebSocket, plain{}, 0, &m)
		if second, _ := c.get(FramingWebSocket, plain{}, 0, &m); first == second || c.bytes.Load() > 0 {
			t.Errorf("%s: it is kept", name)
		}
	}
}

func TestFrameCacheIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, m := new(frameCache), delivery()
		for i := range 200 {
			m.Subscription = fmt.Sprint(i)
			m.Payload = make([]byte, 64<<10)
			if _, err := c.get(FramingWebSocket, plain{}, 0, &m); err != nil {
				t.Fatal(err)
			}
			if n := c.bytes.Load(); n > cacheBytes {
				t.Fatalf("the cache holds %d bytes", n)
			}
		}
		for i := range 10 * cacheSets * cacheWays {
			m.Subscription = fmt.Sprint(i)
			m.Payload = make([]byte, 1)
			c.get(FramingWebSocket, plain{}, 0, &m)
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
					m := delivery()
					first, err := c.get(FramingWebSocket, plain{}, 0, &m)
					if second, _ := c.get(FramingWebSocket, plain{}, 0, &m); err != nil || second == nil || first == nil {
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
