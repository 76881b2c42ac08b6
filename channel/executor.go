package channel

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/headrace/headrace/message"
)

// Executor handles messages on its workers: those of one key one at a time and
// in the order of the Submit calls, those of different keys side by side. It is
// the engine of [ExecutorChannel]. Its methods may be called from any
// goroutine.
type Executor[T any] struct {
	config   Config[T]
	life     context.Context
	end      context.CancelFunc
	room     room
	queue    queue[T]
	counters counters

	closing chan struct{} // closed when intake stops: blocked senders give up
	drained chan struct{} // closed when nothing is under way after that
	once    sync.Once
	abandon atomic.Bool
}

// item is one message with what it takes to handle it.
type item[T any] struct {
	ctx context.Context
	m   message.Message[T]
	h   message.Handler[T]
}

// queue holds accepted messages until a worker handles them: lanes in order of
// their key, or pool in any order.
type queue[T any] interface {
	// offer queues it if room lets it in. It returns what to wait for before the
	// next try, or the completion of a message that was dropped to make room.
	offer(key string, it item[T]) (wait chan struct{}, dropped *message.Completion, err error)
	// forget takes a sender that waits no longer off the queue's lists.
	forget(key string, wait chan struct{})
	stop()
	workers() int
}

// NewExecutor returns an executor. It starts goroutines when there is work;
// Shutdown or Close ends them.
func NewExecutor[T any](config Config[T]) *Executor[T] {
	e := &Executor[T]{
		config:  config.withDefaults(),
		closing: make(chan struct{}),
		drained: make(chan struct{}),
	}
	e.life, e.end = context.WithCancel(context.Background())
	e.room.limit = int64(e.config.Capacity)
	if e.config.Unordered {
		e.queue = newPool(e)
	} else {
		e.queue = newLanes(e)
	}
	return e
}

// Submit queues m for h behind the messages of the same key, takes m over (see
// [message.Completion]) and returns. When there is no room and Overflow is
// Block it waits: a handler that submits to its own executor under its own key
// may then wait for itself, so it needs a ctx with a deadline or another
// Overflow. Errors: [ErrFull], [ErrClosed], or ctx's when it ended while waiting.
//
// A message of a session is handled in ctx when ctx ends with the session's
// context; every other message is handled with ctx's values, without its
// cancellation, and is cancelled by Close. An error of h completes the message
// with it; without a Done it is logged. So does a panic, as a
// [message.PanicError].
func (e *Executor[T]) Submit(ctx context.Context, key string, m message.Message[T], h message.Handler[T]) error {
	it := item[T]{ctx: detach(ctx, e.life, &m), m: m, h: h}
	for {
		wait, dropped, err := e.queue.offer(key, it)
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
			e.queue.forget(key, wait)
			e.counters.rejected.Add(1)
			return ctx.Err()
		}
	}
}

// handle brings one message to its end and returns how it ended.
func (e *Executor[T]) handle(it *item[T]) error {
	if e.abandon.Load() {
		it.m.Done.Release(ErrClosed)
		return message.ErrDropped
	}
	err := protect(it)
	if err != nil && it.m.Done == nil && !errors.Is(err, message.ErrDropped) {
		e.logFailure(it, err)
	}
	it.m.Done.Release(err)
	return err
}

// protect turns a panic of the handler into an error of this message.
func protect[T any](it *item[T]) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = message.NewPanicError(v)
		}
	}()
	return it.h.Handle(it.ctx, it.m)
}

func (e *Executor[T]) logFailure(it *item[T], err error) {
	attrs := []any{"channel", e.config.Name, "kind", it.m.Kind.String(), "destination", it.m.Destination, "error", err}
	if p, ok := errors.AsType[*message.PanicError](err); ok {
		attrs = append(attrs, "stack", string(p.Stack))
	}
	e.config.logger().ErrorContext(it.ctx, "message failed", attrs...)
}

// leave ends n messages that came to t.
func (e *Executor[T]) leave(n int, t tally) {
	e.counters.add(t)
	if e.room.leave(n) {
		close(e.drained)
	}
}

// stopIntake refuses new messages and sends senders that wait away.
func (e *Executor[T]) stopIntake() {
	e.once.Do(func() {
		if e.room.close() {
			close(e.drained)
		}
		close(e.closing)
	})
}

// Shutdown refuses new messages with [ErrClosed], waits until all accepted ones
// were handled and ends the workers. When ctx ends first it returns an error
// that says how many are left; these go on being handled until Close.
func (e *Executor[T]) Shutdown(ctx context.Context) error {
	e.stopIntake()
	select {
	case <-e.drained:
	case <-ctx.Done():
		return fmt.Errorf("channel %s: %d messages not handled yet: %w", e.config.Name, e.room.used(), ctx.Err())
	}
	e.end()
	e.queue.stop()
	return nil
}

// Close refuses new messages, completes those that wait with [ErrClosed],
// cancels the context of those being handled and waits for their handlers. A
// handler must not call it on its own executor.
func (e *Executor[T]) Close() {
	e.abandon.Store(true)
	e.stopIntake()
	e.end()
	<-e.drained
	e.queue.stop()
}
