package channel

import (
	"context"
	"errors"
	"sync"

	"github.com/headrace/headrace/message"
)

const (
	shardCount = 64 // spreads the mailboxes over so many locks
	keepIdle   = 64 // so many mailboxes a shard stay for the return of their key
	maxBatch   = 64 // handled before other mailboxes get their turn
)

// lanes handles messages in order of their key: a mailbox for each key, which a
// worker takes a batch from when its turn comes.
type lanes[T any] struct {
	crew[*mailbox[T]]
	e       *Executor[T]
	shards  [shardCount]shard[T]
	buffers sync.Pool
	batch   int
	chunk   int64 // places that a shard takes from the room at once
}

func newLanes[T any](e *Executor[T]) *lanes[T] {
	l := &lanes[T]{e: e}
	l.size, l.limit, l.moment = e.config.Workers, e.config.MaxWorkers, &e.moment
	l.batch = min(maxBatch, max(1, e.config.Mailbox/4))
	l.chunk = max(1, min(64, int64(e.config.Capacity)/(8*shardCount)))
	l.buffers.New = func() any { return new(buffer[T]) }
	for i := range l.shards {
		l.shards[i].buffers = &l.buffers
	}
	l.hire = func() func(*mailbox[T], uint32) bool {
		batch := new(buffer[T])
		return func(b *mailbox[T], since uint32) (more bool) {
			batch, more = l.drain(b, batch, since)
			return more
		}
	}
	return l
}

func (l *lanes[T]) shard(lane uint64) *shard[T] { return &l.shards[lane%shardCount] }

func (l *lanes[T]) offer(ctx context.Context, lane uint64, m *message.Message[T], h message.Handler[T]) (wait chan struct{}, dropped *message.Completion, err error) {
	wait, dropped, err = l.try(ctx, lane, m, h, l.chunk == 1)
	if err == errKept {
		l.reclaim()
		wait, dropped, err = l.try(ctx, lane, m, h, true)
	}
	return wait, dropped, err
}

// errKept: the room is full, but shards may keep places.
var errKept = errors.New("places are kept")

// try is offer but for the places that shards keep: unless reclaimed, it returns
// errKept where these are worth a look.
func (l *lanes[T]) try(ctx context.Context, lane uint64, m *message.Message[T], h message.Handler[T], reclaimed bool) (wait chan struct{}, dropped *message.Completion, err error) {
	s := l.shard(lane)
	s.mu.Lock()
	b := s.boxes.find(lane)
	full := b.len() >= l.e.config.Mailbox
	switch {
	case l.e.room.closed():
		err = ErrClosed
	case full:
		err = ErrFull
	default:
		err = l.place(s)
	}
	if err != nil {
		if err == ErrFull && !full && !reclaimed {
			s.mu.Unlock()
			return nil, nil, errKept
		}
		wait, dropped, err = l.overflow(s, b, item[T]{ctx, *m, h}, full, err)
		s.mu.Unlock()
		if wait != nil && !full {
			l.reclaim() // who waits for a place must not wait for one that is kept
		}
		return wait, dropped, err
	}
	if b == nil {
		b = s.add(lane)
	}
	m.Done.Hold()
	it := s.push(b)
	it.ctx, it.m, it.h = ctx, *m, h
	wakes := !b.scheduled
	b.scheduled = true
	s.mu.Unlock()
	if wakes {
		l.push(b)
	}
	return nil, nil, nil
}

// place takes a place for one message. Shards take places from the room in
// chunks and keep what comes back for their next messages: all goroutines
// writing to one counter for every message would cost more than the mailboxes.
// The shard's lock is held.
func (l *lanes[T]) place(s *shard[T]) error {
	if s.free == 0 {
		n, err := l.e.room.enter(l.chunk)
		if err != nil {
			return err
		}
		s.free = n
	}
	s.free--
	return nil
}

// keep takes n places back and returns how many of the shard's are to be given
// to the room. The shard's lock is held.
func (l *lanes[T]) keep(s *shard[T], n int64) (give int64) {
	s.free += n
	switch {
	case l.chunk == 1 || l.e.room.contended():
		give = s.free
	case s.free > 2*l.chunk:
		give = s.free - l.chunk
	}
	s.free -= give
	return give
}

// reclaim gives all places that are kept back to the room.
func (l *lanes[T]) reclaim() {
	for i := range l.shards {
		s := &l.shards[i]
		s.mu.Lock()
		n := s.free
		s.free = 0
		l.e.giveBack(n)
		s.mu.Unlock()
	}
}

// underWay returns how many places are taken and not kept. It holds all shards for
// that moment: places that go to a shard or come back meanwhile would be counted as
// messages, or messages not at all.
func (l *lanes[T]) underWay() (n int64) {
	for i := range l.shards {
		l.shards[i].mu.Lock()
	}
	n = l.e.room.used()
	for i := range l.shards {
		n -= l.shards[i].free
		l.shards[i].mu.Unlock()
	}
	return n
}

// overflow applies the policy to a message for which there is no room in its
// mailbox (full) or altogether. The shard's lock is held.
func (l *lanes[T]) overflow(s *shard[T], b *mailbox[T], it item[T], full bool, err error) (wait chan struct{}, dropped *message.Completion, _ error) {
	switch policy := l.e.config.Overflow; {
	case err == ErrClosed:
		return nil, nil, err
	case policy == Block && full:
		return b.senders.add(), nil, nil
	case policy == Block:
		return l.e.room.wait(), nil, nil
	case policy == DropOldest && b.len() > 0:
		oldest := b.waiting.pop()
		it.m.Done.Hold()
		*s.push(b) = it
		l.e.counters.dropped.Add(1)
		return nil, oldest.m.Done, nil
	}
	return nil, nil, ErrFull
}

// forget takes a sender off the list of its mailbox and reports whether it was
// there. If it was woken before, nobody misses the wake-up: while its mailbox is
// busy every batch wakes others, and when it goes idle all of them.
func (l *lanes[T]) forget(lane uint64, wait chan struct{}) bool {
	s := l.shard(lane)
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.boxes.find(lane)
	return b != nil && b.senders.remove(wait)
}

// drain handles a batch of b, whose turn came at that moment, on the worker's
// goroutine. It returns the emptied batch and whether b must become ready again.
func (l *lanes[T]) drain(b *mailbox[T], batch *buffer[T], since uint32) (_ *buffer[T], more bool) {
	s := b.shard
	s.mu.Lock()
	batch = s.take(b, batch, l.batch)
	b.running = batch
	b.senders.wake(l.e.config.Mailbox - b.len())
	s.mu.Unlock()

	ended := false
	defer func() {
		if !ended { // the goroutine ends: others handle what is left
			l.putBack(b, batch)
		}
	}()
	t := l.e.handle(batch, since)
	ended = true
	l.e.counters.add(&t)

	s.mu.Lock()
	b.running = nil
	l.e.giveBack(l.keep(s, t.n))
	more = b.len() > 0
	if !more {
		b.scheduled = false
		b.senders.wake(len(b.senders.list)) // before it is forgotten
		s.retire(b)
	}
	s.mu.Unlock()
	batch.reset()
	return batch, more
}

// putBack puts what is left of a batch before what waits in its mailbox.
func (l *lanes[T]) putBack(b *mailbox[T], batch *buffer[T]) {
	s := b.shard
	s.mu.Lock()
	b.running = nil
	for b.len() > 0 {
		*batch.push() = b.waiting.pop()
	}
	b.waiting = batch
	batch.slow.Store(int32(batch.head))
	s.mu.Unlock()
	l.push(b) // an empty one is retired when its turn comes
}

// running calls visit with each message that is being handled, and with some that
// were handled, or will be, along with it.
func (l *lanes[T]) running(visit func(*message.Message[T])) {
	for _, b := range l.taken() {
		b.shard.mu.Lock()
		if batch := b.running; batch != nil {
			for i := int(batch.slow.Load()); i < len(batch.items); i++ {
				visit(&batch.items[i].m)
			}
		}
		b.shard.mu.Unlock()
	}
}
