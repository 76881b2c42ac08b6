package handler

import (
	"context"

	"github.com/headrace/headrace/message"
)

// Transform passes on what f makes of the payload, with everything else of the
// message as it was. An error of f goes back to the sender.
func Transform[T, U any](f func(context.Context, T) (U, error), next message.Handler[U]) message.Handler[T] {
	mustWire(f != nil && next != nil, "Transform needs a function and a next handler")
	return message.HandlerFunc[T](func(ctx context.Context, m message.Message[T]) error {
		payload, err := f(ctx, m.Payload)
		if err != nil {
			return err
		}
		return next.Handle(ctx, message.WithPayload(m, payload))
	})
}
