package interceptor

import (
	"context"

	"github.com/headrace/headrace/message"
)

// Recover turns a panic behind it into a [*message.PanicError], which is then
// the outcome of that message alone. It is mounted as it is, without a type
// argument:
//
//	orders.Subscribe(handler, interceptor.Recover)
//
// What is mounted before it sees the error; what is mounted behind it sees the
// panic pass through.
func Recover[T any](next message.Handler[T]) message.Handler[T] {
	return message.HandlerFunc[T](func(ctx context.Context, m message.Message[T]) (err error) {
		defer message.Recover(&err)
		return next.Handle(ctx, m)
	})
}
