package handler

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/headrace/headrace/internal/detach"
	"github.com/headrace/headrace/message"
)

// DelayConfig describes a [Delayer].
type DelayConfig struct {
	// Wait is how long a message waits before it goes on. Zero means a second.
	Wait time.Duration
	// Capacity is how many messages may wait. Zero means 1,024.
	Capacity int
	// Logger is told of errors that nobody waits for. Zero (nil) means
	// slog.Default() at the time of the error.
	Logger *slog.Logger
}

// Delayer passes messages on some time after it took them, one at a time and in
// order: a message that takes long holds up those behind it. Its methods may be
// called from any goroutine.
type Delayer[T any] struct {
	config DelayConfig
	next   message.Handler[T]
	life   context.Context
	end    context.CancelFunc

	mu      sync.Mutex
	waiting []delayed[T]  // the oldest first
	active  bool          // the timer is set or its goroutine is at work
	timer   *time.Timer   // one for all: only the oldest message needs it
	closed  bool          // intake stopped; what waits no longer does
	drained chan struct{} // closed when closed and nothing is left
}

type delayed[T any] struct {
	ctx context.Context
	m   message.Message[T]
	due time.Time
}

// Delay returns a stage that passes messages on to next after a wait. Shutdown
// or Close ends it.
func Delay[T any](c DelayConfig, next message.Handler[T]) *Delayer[T] {
	mustWire(next != nil, "Delay needs a next handler")
	mustWire(c.Wait >= 0 && c.Capacity >= 0, "DelayConfig has a negative field")
	if c.Wait == 0 {
		c.Wait = time.Second
	}
	if c.Capacity == 0 {
		c.Capacity = 1024
	}
	d := &Delayer[T]{config: c, next: next, drained: make(chan struct{})}
	d.life, d.end = context.WithCancel(context.Background())
	return d
}

// Handle takes m over and returns; m's Done learns how it ended. It never
// blocks. Errors: CodeFull when Capacity messages wait, CodeUnavailable after
// Shutdown or Close. The message is handled with ctx's values, without its
// cancellation, and is cancelled by Close.
func (d *Delayer[T]) Handle(ctx context.Context, m message.Message[T]) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return errStageClosed
	}
	if len(d.waiting) == d.config.Capacity {
		return errStageFull
	}
	m.Done.Hold()
	d.waiting = append(d.waiting, delayed[T]{detach.Context(ctx, d.life), m, time.Now().Add(d.config.Wait)})
	if !d.active {
		d.active = true
		d.arm(d.config.Wait)
	}
	return nil
}

// arm sets the timer. The lock is held.
func (d *Delayer[T]) arm(wait time.Duration) {
	if d.timer == nil {
		d.timer = time.AfterFunc(wait, func() { persist(d.run) })
	} else {
		d.timer.Reset(wait)
	}
}

// run passes on what is due, on the timer's goroutine. There is never a second
// one: the timer is set again only when this one has nothing left to do.
func (d *Delayer[T]) run() {
	for {
		it, ok := d.take()
		if !ok {
			return
		}
		if d.life.Err() != nil {
			it.m.Done.Release(errStageClosed)
			continue
		}
		settle(it.ctx, d.config.Logger, "delay", d.next, it.m)
	}
}

// take returns the oldest message if it is due. Otherwise it sees to it that
// run is called again when there is something to do.
func (d *Delayer[T]) take() (it delayed[T], ok bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.waiting) == 0 {
		d.active = false
		if d.closed {
			close(d.drained)
		}
		return it, false
	}
	it = d.waiting[0]
	if wait := time.Until(it.due); wait > 0 && !d.closed {
		d.arm(wait)
		return it, false
	}
	d.waiting[0] = delayed[T]{}
	d.waiting = d.waiting[1:]
	return it, true
}

// stop refuses new messages and makes all that wait due.
func (d *Delayer[T]) stop() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return
	}
	d.closed = true
	if !d.active {
		close(d.drained)
	} else if d.timer.Stop() { // else run is at work and will see closed
		d.timer.Reset(0)
	}
}

// Shutdown refuses new messages and passes those that wait on at once, in
// order, rather than let the process wait for them. It returns when they were
// handled; when ctx ends first, with an error that says how many still wait.
func (d *Delayer[T]) Shutdown(ctx context.Context) error {
	d.stop()
	if drainedBefore(ctx, d.drained) {
		return nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return fmt.Errorf("delay: %d messages still wait: %w", len(d.waiting), ctx.Err())
}

// Close refuses new messages, completes those that wait with CodeUnavailable,
// cancels the context of the one being handled and waits for its handler, which
// must not call Close itself.
func (d *Delayer[T]) Close() {
	d.end()
	d.stop()
	<-d.drained
}
