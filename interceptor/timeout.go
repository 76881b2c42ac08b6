package interceptor

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/headrace/headrace/message"
)

// Timeout gives the handler behind it a context that ends after d. The
// deadline is next's alone: an interceptor before this one, such as one that
// tries again, keeps the context it had.
//
// The handler is asked to stop, never abandoned: Timeout returns when the
// handler does. When the handler then returns the error of the expired
// context, it becomes an authored error with [message.CodeTimeout] that wraps
// it; any other outcome stays as it is, success after the deadline too. A
// context that had ended before, or whose own deadline came first, is not this
// interceptor's business. Timeout panics when d is not positive.
func Timeout[T any](d time.Duration) message.Interceptor[T] {
	if d <= 0 {
		panic(fmt.Sprintf("interceptor: Timeout needs a positive duration, not %v", d))
	}
	// As the cause of the expired context it tells our deadline from others.
	expired := message.Errorf(message.CodeTimeout, "not handled within %v", d)
	return func(next message.Handler[T]) message.Handler[T] {
		return message.HandlerFunc[T](func(ctx context.Context, m message.Message[T]) error {
			ctx, cancel := context.WithTimeoutCause(ctx, d, expired)
			defer cancel()
			err := next.Handle(ctx, m)
			if errors.Is(err, context.DeadlineExceeded) && context.Cause(ctx) == expired {
				return expired.WithCause(err)
			}
			return err
		})
	}
}
