package jsonadapter

import (
	"sync/atomic"
	"time"

	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/transport"
)

const (
	cacheFrames = 64
	cacheAge    = time.Second
)

// frameCache remembers the latest frames, so that the deliveries of a broadcast
// share one for each subscription id. It holds none for longer than cacheAge: a
// broadcast takes milliseconds. The zero value is ready.
type frameCache struct {
	encodings atomic.Uint64
	slots     [cacheFrames]atomic.Pointer[cachedFrame]
	hand      atomic.Uint32 // the slot of the latest frame, counted on and on
	lapsing   atomic.Bool   // a timer is set that clears the cache
}

// cachedFrame keeps its message alive. Payload and header are never changed in
// place, so the same memory means the same content.
type cachedFrame struct {
	of    message.Raw
	frame *transport.Frame
}

// get returns the frame of m, whose object is o but for the content. It may be
// called from any goroutine; two that miss at once encode twice.
func (c *frameCache) get(f *transport.Framing, m message.Raw, o object) *transport.Frame {
	hand := c.hand.Load()
	for i := range uint32(cacheFrames) {
		if e := c.slots[(hand-i)%cacheFrames].Load(); e != nil && same(&e.of, &m) {
			return e.frame
		}
	}
	c.encodings.Add(1)
	o.setContent(m.Header, m.Payload)
	m.Session, m.Done = nil, nil
	e := &cachedFrame{m, transport.NewFrame(f, encode(o))}
	c.slots[c.hand.Add(1)%cacheFrames].Store(e)
	if c.lapsing.CompareAndSwap(false, true) {
		time.AfterFunc(cacheAge, c.clear)
	}
	return e.frame
}

func (c *frameCache) clear() {
	c.lapsing.Store(false) // first, so that what is stored meanwhile lapses too
	for i := range c.slots {
		c.slots[i].Store(nil)
	}
}

func same(a, b *message.Raw) bool {
	return len(a.Payload) == len(b.Payload) && (len(a.Payload) == 0 || &a.Payload[0] == &b.Payload[0]) &&
		a.Header.Same(b.Header) && a.Subscription == b.Subscription && a.Destination == b.Destination && a.Kind == b.Kind
}
