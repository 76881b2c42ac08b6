package handler

import (
	"context"

	"github.com/headrace/headrace/message"
)

// Poller is where [Bridge] takes messages from. Every channel.PollableChannel
// is one.
type Poller[T any] interface {
	// Receive returns the next message and waits for one as long as ctx lasts.
	// The caller releases its Done.
	Receive(ctx context.Context) (message.Message[T], error)
}

// Bridge passes on what from holds, one message at a time and in order, until
// ctx ends or from is closed. It runs on the caller's goroutine and returns why
// it ended, so never nil: the error of ctx or of from, such as
// channel.ErrClosed. Several Bridges may share the work of one channel.
//
// Each message's Done is released with the outcome of to. An error or panic of
// to is that message's alone; without a Done it goes to [slog.Default].
func Bridge[T any](ctx context.Context, from Poller[T], to message.Handler[T]) error {
	mustWire(from != nil && to != nil, "Bridge needs a channel and a handler")
	for ctx.Err() == nil {
		m, err := from.Receive(ctx)
		if err != nil {
			return err
		}
		settle(ctx, nil, "bridge", to, m)
	}
	return ctx.Err()
}
