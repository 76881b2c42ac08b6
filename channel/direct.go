package channel

import (
	"context"
	"errors"

	"github.com/headrace/headrace/message"
)

// DirectChannel calls its subscribers on the sender's goroutine, one after the
// other in the order in which they subscribed, and returns what they return:
// Handle is done when they are done. A subscriber's error does not keep the
// message from the others; several errors are joined, a drop beside a failure is
// left out. A panic is the sender's.
//
// The zero value is ready for use. A DirectChannel must not be copied.
type DirectChannel[T any] struct {
	wiring wiring[T]
}

var _ SubscribableChannel[int] = (*DirectChannel[int])(nil)

// Handle sends m to all subscribers. It blocks as long as they do. Without a
// subscriber it returns [ErrNoSubscriber].
func (c *DirectChannel[T]) Handle(ctx context.Context, m message.Message[T]) error {
	h := c.wiring.entry.Load()
	if h == nil {
		return ErrNoSubscriber
	}
	return (*h).Handle(ctx, m)
}

// Subscribe implements [SubscribableChannel].
func (c *DirectChannel[T]) Subscribe(h message.Handler[T], interceptors ...message.Interceptor[T]) (unsubscribe func()) {
	return c.wiring.subscribe(h, interceptors)
}

// Intercept implements [SubscribableChannel].
func (c *DirectChannel[T]) Intercept(interceptors ...message.Interceptor[T]) (remove func()) {
	return c.wiring.intercept(interceptors)
}

// fanOut hands a message to each of several subscribers.
type fanOut[T any] []message.Handler[T]

func (f fanOut[T]) Handle(ctx context.Context, m message.Message[T]) error {
	var err error
	for _, h := range f {
		if e := h.Handle(ctx, m); e != nil {
			err = join(err, e)
		}
	}
	return err
}

// join keeps a single error as it is, so that the usual case costs nothing. A
// failure outweighs a drop: joined with one it would pass for a drop.
func join(a, b error) error {
	switch {
	case a == nil || errors.Is(a, message.ErrDropped):
		return b
	case errors.Is(b, message.ErrDropped):
		return a
	}
	return errors.Join(a, b)
}
