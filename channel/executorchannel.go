package channel

import (
	"context"

	"github.com/headrace/headrace/message"
)

// ExecutorChannel hands messages to its subscribers on the workers of an
// [Executor]: Handle queues and returns. Messages of one session (or of one
// Config.Key) are handled one at a time and in order, messages of different
// sessions side by side and without waiting for each other.
//
// Interceptors of the channel run on the sender's goroutine, those of a
// subscriber on the worker's.
type ExecutorChannel[T any] struct {
	wiring   wiring[T]
	executor *Executor[T]
}

var _ SubscribableChannel[int] = (*ExecutorChannel[int])(nil)

// NewExecutorChannel returns a channel with an executor of its own. Shutdown or
// Close ends its goroutines.
func NewExecutorChannel[T any](config Config[T]) *ExecutorChannel[T] {
	c := &ExecutorChannel[T]{executor: NewExecutor(config)}
	c.executor.subscribers = &c.wiring.dispatch
	c.wiring.inlet = inlet[T]{c}
	c.wiring.compile()
	return c
}

// Handle queues m for the subscribers. See [Executor.Submit] for when it blocks,
// its errors, and the context in which m is handled. The subscribers are those
// there are when m's turn comes; without one it ends with [ErrNoSubscriber].
func (c *ExecutorChannel[T]) Handle(ctx context.Context, m message.Message[T]) error {
	if h := c.wiring.entry.Load(); h != nil {
		return (*h).Handle(ctx, m)
	}
	return c.executor.submit(ctx, c.executor.lane(&m), &m, nil)
}

// inlet is where the send side of an ExecutorChannel ends.
type inlet[T any] struct{ *ExecutorChannel[T] }

func (i inlet[T]) Handle(ctx context.Context, m message.Message[T]) error {
	return i.executor.submit(ctx, i.executor.lane(&m), &m, nil)
}

// Subscribe implements [SubscribableChannel].
func (c *ExecutorChannel[T]) Subscribe(h message.Handler[T], interceptors ...message.Interceptor[T]) (unsubscribe func()) {
	return c.wiring.subscribe(h, interceptors)
}

// Intercept implements [SubscribableChannel].
func (c *ExecutorChannel[T]) Intercept(interceptors ...message.Interceptor[T]) (remove func()) {
	return c.wiring.intercept(interceptors)
}

// Shutdown refuses new messages and waits until all accepted ones were handled.
// See [Executor.Shutdown].
func (c *ExecutorChannel[T]) Shutdown(ctx context.Context) error { return c.executor.Shutdown(ctx) }

// Close abandons what waits. See [Executor.Close].
func (c *ExecutorChannel[T]) Close() { c.executor.Close() }

// Stats returns a snapshot of the channel's executor.
func (c *ExecutorChannel[T]) Stats() Stats { return c.executor.Stats() }
