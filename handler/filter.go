package handler

import (
	"context"

	"github.com/headrace/headrace/message"
)

// Filter passes on what keep approves of. The rest counts as handled here: the
// sender gets nil. To refuse instead, use an interceptor that returns an error.
func Filter[T any](keep func(message.Message[T]) bool, next message.Handler[T]) message.Handler[T] {
	mustWire(keep != nil && next != nil, "Filter needs a function and a next handler")
	return message.HandlerFunc[T](func(ctx context.Context, m message.Message[T]) error {
		if !keep(m) {
			return nil
		}
		return next.Handle(ctx, m)
	})
}
