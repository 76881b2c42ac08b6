package interceptor

import (
	"context"

	"github.com/headrace/headrace/message"
)

// Around makes an interceptor of a flat function, for those who would rather
// not write a function that returns a function: f is given the message and the
// handler behind it, and what f returns is the outcome. f runs on the goroutine
// of whoever handles the message and may be called from any number of them at
// once. Around panics when f is nil.
func Around[T any](f func(ctx context.Context, m message.Message[T], next message.Handler[T]) error) message.Interceptor[T] {
	if f == nil {
		panic("interceptor: Around needs a function")
	}
	return func(next message.Handler[T]) message.Handler[T] {
		return message.HandlerFunc[T](func(ctx context.Context, m message.Message[T]) error {
			return f(ctx, m, next)
		})
	}
}
