package channel

import (
	"context"
	"fmt"
	"sync"

	"github.com/headrace/headrace/message"
)

// QueueConfig describes a [QueueChannel].
type QueueConfig struct {
	// Capacity is how many messages may wait. Zero means 1,024.
	Capacity int
	// Overflow says what happens when Capacity is reached. Zero means Block.
	Overflow Overflow
}

// QueueChannel keeps messages in order until somebody asks for them with
// Receive. Contexts end here: a receiver has its own. Its methods may be called from any goroutine.
type QueueChannel[T any] struct {
	wiring   wiring[T]
	capacity int
	overflow Overflow

	mu        sync.Mutex
	queue     fifo[message.Message[T]]
	closed    bool
	empty     chan struct{} // closed when the queue is closed and empty
	senders   waitlist
	receivers waitlist
}

var _ PollableChannel[int] = (*QueueChannel[int])(nil)

// NewQueueChannel returns an empty queue. It has no goroutines.
func NewQueueChannel[T any](config QueueConfig) *QueueChannel[T] {
	if config.Capacity < 0 {
		panic("channel: a queue of negative capacity")
	}
	c := &QueueChannel[T]{capacity: config.Capacity, overflow: config.Overflow, empty: make(chan struct{})}
	if c.capacity == 0 {
		c.capacity = 1024
	}
	c.wiring.inlet = message.HandlerFunc[T](c.enqueue)
	c.wiring.compile()
	return c
}

// Handle queues m and takes it over. It blocks while the queue is full if its
// Overflow is Block. Errors: [ErrFull], [ErrClosed], or ctx's when it ended
// while waiting.
func (c *QueueChannel[T]) Handle(ctx context.Context, m message.Message[T]) error {
	if h := c.wiring.entry.Load(); h != nil {
		return (*h).Handle(ctx, m)
	}
	return c.enqueue(ctx, m)
}

// Intercept puts interceptors on the send side, as in [SubscribableChannel].
func (c *QueueChannel[T]) Intercept(interceptors ...message.Interceptor[T]) (remove func()) {
	return c.wiring.intercept(interceptors)
}

func (c *QueueChannel[T]) enqueue(ctx context.Context, m message.Message[T]) error {
	for {
		wait, dropped, err := c.offer(m)
		dropped.Release(message.ErrDropped)
		if err != nil {
			return err
		}
		if wait == nil {
			m.Done.Reached(message.Accepted)
			return nil
		}
		select {
		case <-wait:
		case <-ctx.Done():
			c.forget(&c.senders, wait)
			return ctx.Err()
		}
	}
}

// offer queues m, or returns what to wait for before the next try.
func (c *QueueChannel[T]) offer(m message.Message[T]) (wait chan struct{}, dropped *message.Completion, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.closed:
		return nil, nil, ErrClosed
	case c.queue.n < c.capacity:
	case c.overflow == Block:
		return c.senders.add(), nil, nil
	case c.overflow == Reject:
		return nil, nil, ErrFull
	default:
		oldest, _ := c.queue.pop()
		dropped = oldest.Done
	}
	m.Done.Hold()
	c.queue.push(m)
	c.receivers.wake(1)
	return nil, dropped, nil
}

// Receive implements [PollableChannel].
func (c *QueueChannel[T]) Receive(ctx context.Context) (message.Message[T], error) {
	for {
		m, wait, err := c.poll()
		if wait == nil {
			return m, err
		}
		select {
		case <-wait:
		case <-ctx.Done():
			c.forget(&c.receivers, wait)
			return m, ctx.Err()
		}
	}
}

func (c *QueueChannel[T]) poll() (m message.Message[T], wait chan struct{}, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	m, ok := c.queue.pop()
	switch {
	case ok:
		c.senders.wake(1)
		if c.queue.n == 0 && c.closed {
			close(c.empty)
		}
		return m, nil, nil
	case c.closed:
		return m, nil, ErrClosed
	}
	return m, c.receivers.add(), nil
}

func (c *QueueChannel[T]) forget(list *waitlist, wait chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !list.remove(wait) {
		list.wake(1)
	}
}

// Len returns how many messages wait.
func (c *QueueChannel[T]) Len() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.queue.n
}

// Shutdown refuses new messages with [ErrClosed] and waits until what waits was
// received, or returns ctx's error when that ends first. Receive returns
// ErrClosed once the queue is empty.
func (c *QueueChannel[T]) Shutdown(ctx context.Context) error {
	c.stopIntake()
	select {
	case <-c.empty:
		return nil
	case <-ctx.Done():
	}
	if left := c.Len(); left > 0 {
		return fmt.Errorf("channel: %d messages not received yet: %w", left, ctx.Err())
	}
	return nil
}

// Close refuses new messages and completes those that wait with [ErrClosed].
func (c *QueueChannel[T]) Close() {
	c.stopIntake()
	for {
		m, wait, err := c.poll()
		if err != nil || wait != nil {
			return
		}
		m.Done.Release(ErrClosed)
	}
}

func (c *QueueChannel[T]) stopIntake() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return
	}
	c.closed = true
	if c.queue.n == 0 {
		close(c.empty)
	}
	c.senders.wake(len(c.senders.list))
	c.receivers.wake(len(c.receivers.list))
}
