package transport

import (
	"hash/maphash"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/headrace/headrace/message"
)

const (
	cacheSets  = 256
	cacheWays  = 4
	cacheBytes = 4 << 20
	cacheAge   = time.Second
)

// frameCache lets all deliveries of a broadcast share one frame. It holds at
// most cacheSets*cacheWays frames and cacheBytes bytes, and each for little
// longer than cacheAge: a broadcast takes milliseconds. The zero value is
// ready.
//
// Its key is the message's identity. Payload and header are never changed in
// place, so the same memory means the same content, and comparing them costs
// nothing; an interceptor that changes either for one receiver makes a key of
// its own. Messages without an id are not kept: each gets one that is its own. Nor
// are those that are to be acknowledged: each delivery has its own id for that.
type frameCache struct {
	encodings atomic.Uint64
	slots     [cacheSets][cacheWays]atomic.Pointer[cachedFrame]
	bytes     atomic.Int64
	hand      atomic.Uint32 // where the next victim is looked for
	lapsing   atomic.Bool   // a timer is set that clears the cache
}

// cachedFrame keeps its message's memory alive, so that no other payload can
// get the same address.
type cachedFrame struct {
	framing *Framing
	version uint8
	of      message.Raw // without session and completion
	frame   *Frame
	size    int64 // what it pins: the frame and the payload it was made of
}

var cacheSeed = maphash.MakeSeed()

// get returns the frame of m, encoded now or before. Version is that of d: a hit
// leaves d alone, which is memory that a broadcast would wait for. It may be
// called from any goroutine; two that miss at once encode twice.
func (c *frameCache) get(f *Framing, d Dialect, version uint8, m *message.Raw) (*Frame, error) {
	// Header and destination are left out: they seldom differ where payload
	// and subscription do not, and then the set has more ways.
	address := uint64(uintptr(unsafe.Pointer(unsafe.SliceData(m.Payload))))
	set := &c.slots[(maphash.String(cacheSeed, m.Subscription)^address*0x9e3779b97f4a7c15>>32)%cacheSets]
	for i := range set {
		if e := set[i].Load(); e != nil && e.version == version && e.framing == f && same(&e.of, m) {
			return e.frame, nil
		}
	}
	c.encodings.Add(1)
	name, octets, err := d.Encode(*m)
	if err != nil {
		return nil, err
	}
	e := &cachedFrame{framing: f, version: version, of: *m, frame: NewNamedFrame(f, name, octets), size: int64(len(octets) + len(m.Payload))}
	e.of.Session, e.of.Done = nil, nil
	settled := m.Header.Get(message.HeaderAck) != "" // it is one subscription's alone
	e.frame.passing = m.Kind == message.KindData && !settled
	if m.Header.Get(message.HeaderMessageID) != "" && !settled {
		c.put(set, e)
	}
	return e.frame, nil
}

// same reports whether a and b are one message to one subscription.
func same(a, b *message.Raw) bool {
	return len(a.Payload) == len(b.Payload) && unsafe.SliceData(a.Payload) == unsafe.SliceData(b.Payload) &&
		a.Header.Same(b.Header) && a.Subscription == b.Subscription && a.Destination == b.Destination && a.Kind == b.Kind
}

func (c *frameCache) put(set *[cacheWays]atomic.Pointer[cachedFrame], e *cachedFrame) {
	c.bytes.Add(e.size)
	way := c.hand.Add(1) % cacheWays
	for i := range set {
		if set[i].Load() == nil {
			way = uint32(i)
			break
		}
	}
	c.drop(set[way].Swap(e))
	for c.bytes.Load() > cacheBytes {
		hand := c.hand.Add(1)
		c.drop(c.slots[hand/cacheWays%cacheSets][hand%cacheWays].Swap(nil))
	}
	if c.lapsing.CompareAndSwap(false, true) {
		time.AfterFunc(cacheAge, c.clear)
	}
}

func (c *frameCache) clear() {
	c.lapsing.Store(false) // first, so that what is put meanwhile lapses too
	for i := range c.slots {
		for j := range c.slots[i] {
			c.drop(c.slots[i][j].Swap(nil))
		}
	}
}

func (c *frameCache) drop(e *cachedFrame) {
	if e != nil {
		c.bytes.Add(-e.size)
	}
}
