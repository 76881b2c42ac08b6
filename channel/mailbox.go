package channel

import (
	"slices"
	"sync"
	"sync/atomic"
)

const keepBuffer = 256 // larger buffers are given back

// buffer holds items in order. Mailboxes and workers swap theirs, so that a
// batch changes hands without a copy.
type buffer[T any] struct {
	items []item[T]
	head  int
	slow  atomic.Int32 // where head was last, once handling has taken long
}

func (b *buffer[T]) len() int { return len(b.items) - b.head }

// push returns the place for one more item.
func (b *buffer[T]) push() *item[T] {
	n := len(b.items)
	if n == cap(b.items) {
		if b.head > 0 {
			n = copy(b.items, b.items[b.head:])
			clear(b.items[n:])
			b.head = 0
		}
		b.items = slices.Grow(b.items[:n], 1)
	}
	b.items = b.items[:n+1]
	return &b.items[n]
}

// next passes the first item, which stays where it is until reset.
func (b *buffer[T]) next() *item[T] {
	b.head++
	return &b.items[b.head-1]
}

func (b *buffer[T]) pop() item[T] {
	it := b.items[b.head]
	b.items[b.head] = item[T]{}
	b.head++
	if b.head == len(b.items) {
		b.items, b.head = b.items[:0], 0
	}
	return it
}

// reset empties the buffer; what a burst left behind is given back.
func (b *buffer[T]) reset() {
	clear(b.items)
	b.items, b.head = b.items[:0], 0
	if b.slow.Load() > 0 {
		b.slow.Store(0)
	}
	if cap(b.items) > keepBuffer {
		b.items = nil
	}
}

// mailbox holds the messages of one key that wait. Its shard's lock guards it.
type mailbox[T any] struct {
	shard     *shard[T]
	hash      uint64
	next      *mailbox[T] // in its bucket
	waiting   *buffer[T]  // nil while empty
	running   *buffer[T]  // with a worker, which does not change its items
	scheduled bool        // it is on the ready queue or with a worker
	senders   waitlist    // blocked until there is room
}

func (b *mailbox[T]) len() int {
	if b == nil || b.waiting == nil {
		return 0
	}
	return b.waiting.len()
}

// shard is a part of the mailboxes, by hash of their key.
type shard[T any] struct {
	mu      sync.Mutex
	boxes   table[T]
	free    int64 // places of the room that are kept for the next messages
	buffers *sync.Pool
	_       [64]byte // shards of one array must not share a cache line
}

func (s *shard[T]) add(hash uint64) *mailbox[T] {
	b := &mailbox[T]{shard: s, hash: hash}
	s.boxes.add(b)
	return b
}

// push returns the place for one more item of b.
func (s *shard[T]) push(b *mailbox[T]) *item[T] {
	if b.waiting == nil {
		b.waiting = s.buffers.Get().(*buffer[T])
	}
	return b.waiting.push()
}

// take moves up to n waiting items into batch, which is empty.
func (s *shard[T]) take(b *mailbox[T], batch *buffer[T], n int) *buffer[T] {
	switch waiting := b.len(); {
	case waiting == 0:
		return batch
	case waiting <= n:
		batch, b.waiting = b.waiting, batch
	default:
		for range n {
			*batch.push() = b.waiting.pop()
		}
	}
	s.rest(b)
	return batch
}

// rest gives back what an empty mailbox holds.
func (s *shard[T]) rest(b *mailbox[T]) {
	if b.waiting != nil && b.waiting.len() == 0 {
		b.waiting.reset()
		s.buffers.Put(b.waiting)
		b.waiting = nil
	}
}

// retire forgets a mailbox that became idle when enough idle ones are kept.
func (s *shard[T]) retire(b *mailbox[T]) {
	if s.boxes.n > keepIdle {
		s.boxes.remove(b)
	}
}
