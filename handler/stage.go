package handler

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/headrace/headrace/message"
)

// What the stages that keep messages (Aggregate, Batch, Delay) answer.
var (
	errStageClosed error = message.Errorf(message.CodeUnavailable, "stage is closed")
	errStageFull   error = message.Errorf(message.CodeFull, "stage is full")
)

// mustWire panics when a stage is put together wrongly.
func mustWire(ok bool, mistake string) {
	if !ok {
		panic("handler: " + mistake)
	}
}

// safely calls h where nobody above would catch a panic, or where it would
// take down more than this message.
func safely[T any](ctx context.Context, h message.Handler[T], m message.Message[T]) (err error) {
	defer recoverPanic(&err)
	return h.Handle(ctx, m)
}

// logLost tells the log of a failure that nobody else is told of: the messages
// have no Done and their senders have gone on. There are n of them, such as m.
func logLost[T any](ctx context.Context, logger *slog.Logger, stage string, m message.Message[T], n int, err error) {
	if err == nil || n == 0 || errors.Is(err, message.ErrDropped) {
		return
	}
	attrs := []any{"stage", stage, "kind", m.Kind.String(), "destination", m.Destination, "messages", n, "error", err}
	if p, ok := errors.AsType[*message.PanicError](err); ok {
		attrs = append(attrs, "stack", string(p.Stack))
	}
	if logger == nil {
		logger = slog.Default()
	}
	logger.ErrorContext(ctx, "message failed", attrs...)
}

// laterContext is the context of a message that outlives its sender's call: the
// sender's values, the stage's end.
type laterContext struct {
	values context.Context
	life   context.Context
}

func (c *laterContext) Deadline() (time.Time, bool) { return c.life.Deadline() }
func (c *laterContext) Done() <-chan struct{}       { return c.life.Done() }
func (c *laterContext) Err() error                  { return c.life.Err() }
func (c *laterContext) Value(key any) any           { return c.values.Value(key) }
