package handler

import (
	"context"

	"github.com/headrace/headrace/message"
)

// Split passes on the parts that f makes of the payload, in order, each with
// everything else of the message as it was. The first part that is refused ends
// it: its error goes back to the sender and later parts are not sent. A panic
// of next counts as an error. No parts at all count as handled here.
//
// Done is told when the last part is handled, or of the first that fails.
func Split[T, U any](f func(context.Context, T) ([]U, error), next message.Handler[U]) message.Handler[T] {
	mustWire(f != nil && next != nil, "Split needs a function and a next handler")
	return message.HandlerFunc[T](func(ctx context.Context, m message.Message[T]) error {
		parts, err := f(ctx, m.Payload)
		if err != nil {
			return err
		}
		for _, part := range parts {
			if err := sendPart(ctx, next, message.WithPayload(m, part)); err != nil {
				return err
			}
		}
		return nil
	})
}

// sendPart gives part a Done of its own. With the whole message's, the first
// part that a broker stores would complete the message while later parts can
// still fail.
func sendPart[U any](ctx context.Context, next message.Handler[U], part message.Message[U]) (err error) {
	whole := part.Done
	if whole == nil {
		return safely(ctx, next, part)
	}
	whole.Hold()
	part.Done = message.NewCompletion(message.Handled, whole.Release)
	err = errExited
	defer func() { part.Done.Release(err) }()
	err = safely(ctx, next, part)
	return err
}
