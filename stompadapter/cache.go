package stompadapter

import (
	"hash/maphash"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/stompadapter/frame"
	"github.com/headrace/headrace/transport"
)

const (
	cacheSets  = 256
	cacheWays  = 4
	cacheBytes = 4 << 20
	cacheAge   = time.Second
)

// frameKey is the identity of an encoded message. Payload and header are never
// changed in place, so the same memory means the same content, and comparing
// them costs nothing; an interceptor that changes either for one receiver makes
// a key of its own.
type frameKey struct {
	framing      transport.Framing
	version      frame.Version
	destination  string
	subscription string
	header       message.Header
	payload      []byte
}

func (k *frameKey) same(o *frameKey) bool {
	return len(k.payload) == len(o.payload) && unsafe.SliceData(k.payload) == unsafe.SliceData(o.payload) &&
		k.header.Same(o.header) && k.subscription == o.subscription && k.destination == o.destination &&
		k.version == o.version && k.framing == o.framing
}

// cachedFrame keeps its key's memory alive, so that no other payload can get
// the same address.
type cachedFrame struct {
	key   frameKey
	frame *transport.Frame
	size  int64 // what it pins: the frame and the payload it was made of
}

// frameCache lets all deliveries of a broadcast share one frame. It holds at
// most cacheSets*cacheWays frames and cacheBytes bytes, and each for little
// longer than cacheAge: a broadcast takes milliseconds. The zero value is
// ready.
type frameCache struct {
	encodings atomic.Uint64
	slots     [cacheSets][cacheWays]atomic.Pointer[cachedFrame]
	bytes     atomic.Int64
	hand      atomic.Uint32 // where the next victim is looked for
	lapsing   atomic.Bool   // a timer is set that clears the cache
}

var cacheSeed = maphash.MakeSeed()

// get returns the frame of k, encoded now or before. It may be called from any
// goroutine; two that miss at once encode twice.
func (c *frameCache) get(k *frameKey) (*transport.Frame, error) {
	// Header and destination are left out: they seldom differ where payload
	// and subscription do not, and then the set has more ways.
	address := uint64(uintptr(unsafe.Pointer(unsafe.SliceData(k.payload))))
	set := &c.slots[(maphash.String(cacheSeed, k.subscription)^address*0x9e3779b97f4a7c15>>32)%cacheSets]
	for i := range set {
		if e := set[i].Load(); e != nil && e.key.same(k) {
			return e.frame, nil
		}
	}
	c.encodings.Add(1)
	octets, err := encodeMessage(k)
	if err != nil {
		return nil, err
	}
	f := transport.NewFrame(k.framing, octets)
	if k.header.Get(message.HeaderMessageID) != "" { // an id that was made up is of this message alone
		c.put(set, &cachedFrame{key: *k, frame: f, size: int64(len(octets) + len(k.payload))})
	}
	return f, nil
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
	c.lapsing.Store(false)
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
