package channel

import (
	"context"
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
}

func newLanes[T any](e *Executor[T]) *lanes[T] {
	l := &lanes[T]{e: e}
	l.size, l.limit, l.moment = e.config.Workers, e.config.MaxWorkers, &e.moment
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

func (l *lanes[T]) shard(lane uint64) *shard[T] { return &l.shards[lane%shardCount] }

func (l *lanes[T]) offer(ctx context.Context, lane uint64, m *message.Message[T], h message.Handler[T]) (wait chan struct{}, dropped *message.Completion, err error) {
	s := l.shard(lane)
	s.mu.Lock()
	b := s.boxes.find(lane)
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

// forget takes a sender off the list of its mailbox and reports whether it was
// there. If not, another one may have its turn.
func (l *lanes[T]) forget(lane uint64, wait chan struct{}) bool {
	s := l.shard(lane)
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.boxes.find(lane)
	if b == nil {
		return false
	}
	found := b.senders.remove(wait)
	if !found {
		b.senders.wake(1)
	}
	return found
}

// drain handles a batch of b on the worker's goroutine. It returns the emptied
// batch and whether b must become ready again.
func (l *lanes[T]) drain(b *mailbox[T], batch *buffer[T]) (_ *buffer[T], more bool) {
	s := b.shard
	s.mu.Lock()
	batch = s.take(b, batch, l.batch)
	b.senders.wake(l.e.config.Mailbox - b.len())
	s.mu.Unlock()

	ended := false
	defer func() {
		if !ended { // the goroutine ends: others handle what is left
			l.putBack(b, batch)
		}
	}()
	l.e.handle(batch)
	ended = true
	batch.reset()

	s.mu.Lock()
	defer s.mu.Unlock()
	if b.len() > 0 {
		return batch, true
	}
	b.scheduled = false
	b.senders.wake(len(b.senders.list)) // before it is forgotten
	s.retire(b)
	return batch, false
}

// putBack puts what is left of a batch before what waits in its mailbox.
func (l *lanes[T]) putBack(b *mailbox[T], batch *buffer[T]) {
	s := b.shard
	s.mu.Lock()
	for b.len() > 0 {
		*batch.push() = b.waiting.pop()
	}
	b.waiting = batch
	s.mu.Unlock()
	l.push(b) // an empty one is retired when its turn comes
}
