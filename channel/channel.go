package channel

import (
	"context"

	"github.com/headrace/headrace/message"
)

// SubscribableChannel hands every message to all of its subscribers.
type SubscribableChannel[T any] interface {
	message.Handler[T]
	// Subscribe adds a subscriber, wrapped in interceptors of its own (the
	// first is the outermost). It may be called at any time and from any
	// goroutine, but not by an interceptor while that is being mounted on the
	// same channel. The returned function takes the subscriber away; it may be
	// called more than once, and a message that is just being handed over may
	// still arrive after it. A nil handler or interceptor panics.
	Subscribe(h message.Handler[T], interceptors ...message.Interceptor[T]) (unsubscribe func())
	// Intercept puts interceptors on the send side: they run on the sender's
	// goroutine, once per message however many subscribers there are. The
	// first one ever mounted is the outermost. The returned function takes
	// exactly these away.
	Intercept(interceptors ...message.Interceptor[T]) (remove func())
}

// PollableChannel keeps messages until somebody asks for them.
type PollableChannel[T any] interface {
	message.Handler[T]
	// Receive returns the oldest message and waits for one as long as ctx
	// lasts. It returns [ErrClosed] when the channel is closed and empty. What
	// it returns belongs to the caller, who releases its Done.
	Receive(ctx context.Context) (message.Message[T], error)
}

// SubscribeFunc subscribes a function.
func SubscribeFunc[T any](ch SubscribableChannel[T], f func(context.Context, message.Message[T]) error, interceptors ...message.Interceptor[T]) (unsubscribe func()) {
	return ch.Subscribe(message.HandlerFunc[T](f), interceptors...)
}

// What a channel answers when it does not take a message. Each is an authored
// [message.Error].
var (
	// ErrFull: the queue is at its bound and the channel does not wait.
	ErrFull error = message.Errorf(message.CodeFull, "channel is full")
	// ErrClosed: the channel was shut down or closed.
	ErrClosed error = message.Errorf(message.CodeUnavailable, "channel is closed")
	// ErrNoSubscriber: nobody is there to handle the message.
	ErrNoSubscriber error = message.Errorf(message.CodeNotFound, "channel has no subscriber")
)

// Overflow says what a channel does with a message when its queue is full.
type Overflow uint8

const (
	// Block makes the sender wait for room, as long as its ctx lasts and the
	// channel is open. It is the default.
	Block Overflow = iota
	// Reject answers [ErrFull].
	Reject
	// DropOldest makes room by dropping the oldest message that waits in the
	// same mailbox or queue; that one is completed with [message.ErrDropped].
	// Where none waits there, because other keys take up the whole Capacity,
	// the answer is [ErrFull].
	DropOldest
)
