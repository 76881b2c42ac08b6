package channel

import (
	"context"
	"errors"
	"hash/maphash"
	"sync"
	"sync/atomic"

	"github.com/headrace/headrace/message"
)

// Executor handles messages on its workers: those of one key one at a time and
// in the order of the Submit calls, those of different keys side by side. It is
// the engine of [ExecutorChannel]. Its methods may be called from any
// goroutine.
type Executor[T any] struct {
	config Config[T]
	life   context.Context
	end    context.CancelFunc
	// Accepted messages wait in one of these, by Config.Unordered: lanes in
	// order of their key, or pool in any order. Concrete types: behind an
	// interface every message would be allocated.
	lanes *lanes[T]
	pool  *pool[T]

	seed    maphash.Seed
	closing chan struct{} // closed when intake stops: blocked senders give up
	drained chan struct{} // closed when nothing is under way after that
	once    sync.Once
	abandon atomic.Bool
	// subscribers is what handles items without a handler.
	subscribers *atomic.Pointer[message.Handler[T]]
	// moment changes every millisecond while messages become ready, and once
	// within the first millisecond of every batch.
	moment atomic.Uint32

	// What every message writes to must not share a cache line with what every
	// message reads.
	_        [64]byte
	room     room
	_        [64]byte
	counters counters
	_        [64]byte
}

// item is one message with what it takes to handle it.
type item[T any] struct {
	ctx context.Context
	m   message.Message[T]
	h   message.Handler[T] // nil means the channel's subscribers of the moment
}

// errAbandoned marks messages that Close found waiting; they end with ErrClosed.
var errAbandoned = errors.New("abandoned")

// errGoexit ends a message whose handler ended the worker's goroutine.
var errGoexit = errors.New("the handler ended its goroutine")

// NewExecutor returns an executor. It starts goroutines when there is work;
// Shutdown or Close ends them.
func NewExecutor[T any](config Config[T]) *Executor[T] {
	e := &Executor[T]{
		config:  config.withDefaults(),
		seed:    maphash.MakeSeed(),
		closing: make(chan struct{}),
		drained: make(chan struct{}),
	}
	e.life, e.end = context.WithCancel(context.Background())
	e.room.limit = int64(e.config.Capacity)
	if e.config.Unordered {
		e.pool = newPool(e)
	} else {
		e.lanes = newLanes(e)
	}
	return e
}

// offer queues m if there is room. It returns what to wait for before the next
// try, or the completion of a message that was dropped to make room.
func (e *Executor[T]) offer(ctx context.Context, lane uint64, m *message.Message[T], h message.Handler[T]) (wait chan struct{}, dropped *message.Completion, err error) {
	if e.pool != nil {
		return e.pool.offer(ctx, m, h)
	}
	return e.lanes.offer(ctx, lane, m, h)
}

// forget takes a sender that waits no longer off all lists.
func (e *Executor[T]) forget(lane uint64, wait chan struct{}) {
	if e.room.forget(wait) {
		return
	}
	if e.lanes == nil || !e.lanes.forget(lane, wait) {
		e.room.wake(1) // it was woken already: another one may have its place
	}
}

func (e *Executor[T]) workers() int {
	if e.pool != nil {
		return e.pool.workers()
	}
	return e.lanes.workers()
}

// ready returns how many mailboxes, or messages, wait for a worker.
func (e *Executor[T]) ready() int {
	if e.pool != nil {
		return e.pool.waiting()
	}
	return e.lanes.waiting()
}

func (e *Executor[T]) stop() {
	if e.pool != nil {
		e.pool.stop()
	} else {
		e.lanes.stop()
	}
}

// Submit queues m for h behind the messages of the same key, takes m over (see
// [message.Completion]) and returns. When there is no room and Overflow is
// Block it waits: a handler that submits to its own executor under its own key
// may then wait for itself, so it needs a ctx with a deadline or another
// Overflow. Errors: [ErrFull], [ErrClosed], or ctx's when it ended while waiting.
//
// A message of a session is handled in ctx when ctx ends with the session's
// context, and then ends with it alone; every other message is handled with
// ctx's values, without its cancellation, and is cancelled by Close. An error
// of h completes the message with it; without a Done it is logged. So does a
// panic, as a [message.PanicError].
func (e *Executor[T]) Submit(ctx context.Context, key string, m message.Message[T], h message.Handler[T]) error {
	return e.submit(ctx, maphash.String(e.seed, key), &m, h)
}

// submit takes m by pointer, here and below, because every copy of a message on
// its way to the mailbox costs as much as the mailbox's lock. Nobody keeps it.
func (e *Executor[T]) submit(ctx context.Context, lane uint64, m *message.Message[T], h message.Handler[T]) error {
	inWorker := later(ctx, e.life, m)
	for {
		wait, dropped, err := e.offer(inWorker, lane, m, h)
		switch {
		case err != nil:
			e.counters.rejected.Add(1)
			return err
		case wait == nil:
			if dropped != nil {
				dropped.Release(message.ErrDropped)
			}
			m.Done.Reached(message.Accepted)
			return nil
		}
		select {
		case <-wait:
		case <-e.closing:
		case <-ctx.Done():
			e.forget(lane, wait)
			e.counters.rejected.Add(1)
			return ctx.Err()
		}
	}
}

// lane returns what stands for the key of m. Two keys of one hash would wait for
// each other, no more; and a session is known by its address, which spares
// reading its id.
func (e *Executor[T]) lane(m *message.Message[T]) uint64 {
	switch {
	case e.pool != nil:
		return 0
	case e.config.Key != nil:
		return maphash.String(e.seed, e.config.Key(*m))
	case m.Session != nil:
		return maphash.Comparable(e.seed, m.Session)
	}
	return maphash.String(e.seed, m.Destination)
}

// handle brings a batch, begun at that moment, to its end on the worker's
// goroutine and returns what it came to; the caller gives the places back. What
// it leaves in the batch when a handler ends the goroutine ([runtime.Goexit], as
// FailNow of a test does) has not been handled.
func (e *Executor[T]) handle(batch *buffer[T], since uint32) (t tally) {
	ended := false
	defer func() {
		if !ended {
			e.settle(batch.next(), errGoexit, &t)
			e.leave(&t)
		}
	}()
	for batch.len() > 0 {
		if p := e.run(batch, since, &t); p != nil {
			e.settle(batch.next(), p, &t)
		}
	}
	ended = true
	return t
}

// run handles the batch up to its end or to a panic: one recover a batch, not
// one for each message. Where messages take longer than a moment, what is done
// leaves at once and not with the batch.
func (e *Executor[T]) run(batch *buffer[T], since uint32, t *tally) (p *message.PanicError) {
	defer func() {
		if v := recover(); v != nil {
			p = message.NewPanicError(v)
		}
	}()
	slow := e.room.closed()
	for batch.len() > 0 {
		if slow {
			batch.slow.Store(int32(batch.head))
		}
		it := &batch.items[batch.head]
		err := e.call(it)
		batch.head++
		e.settle(it, err, t)
		if slow = slow || e.moment.Load() != since; slow {
			e.leave(t)
		}
	}
	return nil
}

// call hands an item to its handler.
func (e *Executor[T]) call(it *item[T]) error {
	h := it.h
	switch {
	case e.abandon.Load():
		return errAbandoned
	case h == nil:
		h = *e.subscribers.Load()
	}
	if f, ok := h.(message.HandlerFunc[T]); ok {
		return f(it.ctx, it.m) // spares the copy that its Handle makes
	}
	return h.Handle(it.ctx, it.m)
}

// settle counts how an item ended and tells who waits for it, or the log.
func (e *Executor[T]) settle(it *item[T], err error, t *tally) {
	t.count(err)
	if err != nil || it.m.Done != nil {
		e.tell(it, err)
	}
}

// tell calls code that is not ours, a completion or a log handler; its panic is
// lost, and must not take the worker along.
func (e *Executor[T]) tell(it *item[T], err error) {
	defer func() { _ = recover() }()
	switch {
	case err == errAbandoned:
		it.m.Done.Release(ErrClosed)
	case it.m.Done != nil:
		it.m.Done.Release(err)
	case !errors.Is(err, message.ErrDropped):
		e.logFailure(it, err)
	}
}

func (e *Executor[T]) logFailure(it *item[T], err error) {
	attrs := []any{"channel", e.config.Name, "kind", it.m.Kind.String(), "destination", it.m.Destination, "error", err}
	if p, ok := errors.AsType[*message.PanicError](err); ok {
		attrs = append(attrs, "stack", string(p.Stack))
	}
	e.config.logger().ErrorContext(it.ctx, "message failed", attrs...)
}

// leave counts what t came to, gives the places back and empties t.
func (e *Executor[T]) leave(t *tally) {
	e.counters.add(t)
	n := t.n
	*t = tally{}
	e.giveBack(n)
}

// giveBack gives n places back; after the last one everything is over.
func (e *Executor[T]) giveBack(n int64) {
	if e.room.leave(n) {
		close(e.drained)
	}
}

// underWay returns how many messages wait or are being handled.
func (e *Executor[T]) underWay() int64 {
	if e.lanes == nil {
		return e.room.used()
	}
	return e.lanes.underWay()
}

// stopIntake refuses new messages and sends senders that wait away.
func (e *Executor[T]) stopIntake() {
	e.once.Do(func() {
		if e.room.close() {
			close(e.drained)
		}
		if e.lanes != nil {
			e.lanes.reclaim()
		}
		close(e.closing)
	})
}

// Shutdown refuses new messages with [ErrClosed], waits until all accepted ones
// were handled and ends the workers. When ctx ends first it returns a *[DrainError]
// that says what is left; this goes on being handled until Close.
func (e *Executor[T]) Shutdown(ctx context.Context) error {
	e.stopIntake()
	select {
	case <-e.drained:
	case <-ctx.Done():
		if left := e.underWay(); left > 0 {
			return &DrainError{Channel: e.config.Name, Left: left, Running: e.running(), cause: ctx.Err()}
		}
	}
	e.end()
	e.stop()
	return nil
}

// Close refuses new messages, completes those that wait with [ErrClosed],
// cancels the contexts of those being handled, but for those that end with
// their sessions' (see Submit), and waits for their handlers. A handler must not
// call it on its own executor.
func (e *Executor[T]) Close() {
	e.abandon.Store(true)
	e.stopIntake()
	e.end()
	<-e.drained
	e.stop()
}
