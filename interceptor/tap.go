package interceptor

import (
	"context"
	"errors"
	"log/slog"

	"github.com/headrace/headrace/message"
)

// Tap hands a copy of every message to another handler before the message goes
// on (a wire tap). The copy has no completion, so the tap never decides what
// the sender is told, and an error or a panic of the tap is logged with
// [slog.Default] and otherwise ignored; [message.ErrDropped] is not even
// logged.
//
// The tap runs on the message's goroutine and the message waits for it. Tap
// into a channel that queues to decouple the two, with an overflow policy that
// does not block. Tap panics when to is nil.
func Tap[T any](to message.Handler[T]) message.Interceptor[T] {
	if to == nil {
		panic("interceptor: Tap needs a handler")
	}
	to = Recover(to)
	return func(next message.Handler[T]) message.Handler[T] {
		return message.HandlerFunc[T](func(ctx context.Context, m message.Message[T]) error {
			tapped := m
			tapped.Done = nil
			if err := to.Handle(ctx, tapped); err != nil && !errors.Is(err, message.ErrDropped) {
				slog.LogAttrs(ctx, slog.LevelWarn, "tap failed", outcome(m, err)...)
			}
			return next.Handle(ctx, m)
		})
	}
}
