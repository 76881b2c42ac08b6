package interceptor

import (
	"context"

	"github.com/headrace/headrace/channel"
	"github.com/headrace/headrace/message"
)

// Ordered runs the handler behind it on executor, one message at a time per
// key and in the order in which they came; messages of different keys run
// beside each other. A nil key means [channel.SessionKey]: by session, messages
// without one by destination. (Spring: preservePublishOrder.) Nothing can order
// on an executor whose Config says Unordered.
//
// The outcome that the sender sees is whether the executor took the message;
// how it was handled goes to [message.Message.Done]. Ordered blocks and refuses
// as the executor does. Several handlers may share one executor and its
// workers; messages of one key are then ordered across all of them. Whoever
// made the executor closes it. Ordered panics when executor is nil.
func Ordered[T any](executor *channel.Executor[T], key func(message.Message[T]) string) message.Interceptor[T] {
	if executor == nil {
		panic("interceptor: Ordered needs an executor")
	}
	if key == nil {
		key = channel.SessionKey[T]
	}
	return func(next message.Handler[T]) message.Handler[T] {
		return message.HandlerFunc[T](func(ctx context.Context, m message.Message[T]) error {
			return executor.Submit(ctx, key(m), m, next)
		})
	}
}
