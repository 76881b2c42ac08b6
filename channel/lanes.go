package channel

import (
	"context"
	"hash/maphash"
	"sync"

	"github.com/headrace/headrace/message"
)

const (
	shardCount = 64 // spreads the keys over so many locks
	keepIdle   = 64 // so many mailboxes a shard stay for the return of their key
	maxBatch   = 64 // handled before other mailboxes get their turn
)

// lanes handles messages in order of their key: a mailbox for each key, which a
// worker takes a batch from when its turn comes.
type lanes[T any] struct {
	crew[*mailbox[T]]
	e       *Executor[T]
	seed    maphash.Seed
	shards  [shardCount]shard[T]
	buffers sync.Pool
	batch   int
}

func newLanes[T any](e *Executor[T]) *lanes[T] {
	l := &lanes[T]{e: e, seed: maphash.MakeSeed()}
	l.size, l.limit = e.config.Workers, e.config.MaxWorkers
	l.batch = min(maxBatch, max(1, e.config.Mailbox/4))
	l.buffers.New = func() any { return new(buffer[T]) }
	for i := range l.shards {
		l.shards[i].buffers = &l.buffers
	}
	l.hire = func() func(*mailbox[T]) bool {
		batch := new(buffer[T])
		return func(b *mailbox[T]) (more bool) {
			batch, more = l.drain(b, batch)
			return more
		}
	}
	return l
}

// find returns the hash of a key, by which its mailbox is known, and its shard.
// Two keys of one hash would share a mailbox: they would wait for each other, no
// more.
func (l *lanes[T]) find(key string) (uint64, *shard[T]) {
	hash := maphash.String(l.seed, key)
	return hash, &l.shards[hash%shardCount]
}

func (l *lanes[T]) offer(key string, ctx context.Context, m *message.Message[T], h message.Handler[T]) (wait chan struct{}, dropped *message.Completion, err error) {
	hash, s := l.find(key)
	s.mu.Lock()
	b := s.boxes.find(hash)
	full := b.len() >= l.e.config.Mailbox
	if full {
		err = ErrFull
	} else {
		err = l.e.room.enter()
	}
	if err != nil {
		defer s.mu.Unlock()
		return l.overflow(s, b, item[T]{ctx, *m, h}, full, err)
	}
	if b == nil {
		b = s.add(hash)
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

// overflow applies the policy to a message for which there is no room in its
// mailbox (full) or altogether. The shard's lock is held.
func (l *lanes[T]) overflow(s *shard[T], b *mailbox[T], it item[T], full bool, err error) (wait chan struct{}, dropped *message.Completion, _ error) {
	switch policy := l.e.config.Overflow; {
	case l.e.room.closed():
		return nil, nil, ErrClosed
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

func (l *lanes[T]) forget(key string, wait chan struct{}) {
	hash, s := l.find(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	if b := s.boxes.find(hash); b != nil {
		b.senders.remove(wait)
	}
}

// drain handles a batch of b on the worker's goroutine. It returns the emptied
// batch and whether b must become ready again.
func (l *lanes[T]) drain(b *mailbox[T], batch *buffer[T]) (_ *buffer[T], more bool) {
	s := b.shard
	s.mu.Lock()
	batch = s.take(b, batch, l.batch)
	s.mu.Unlock()

	items := batch.items[batch.head:]
	n := len(items)
	var t tally
	for len(items) > 0 {
		items = l.e.handle(items, &t)
	}
	batch.reset()
	l.e.leave(n, t)

	s.mu.Lock()
	defer s.mu.Unlock()
	if b.len() > 0 {
		return batch, true
	}
	b.scheduled = false
	s.retire(b)
	return batch, false
}
