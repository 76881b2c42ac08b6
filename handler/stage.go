package handler

import (
	"context"
	"errors"
	"log/slog"

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
	defer message.Recover(&err)
	return h.Handle(ctx, m)
}

// errExited is the outcome of a message whose handler ended the goroutine it
// was called on, as t.FailNow does.
var errExited = errors.New("handler: a handler called runtime.Goexit")

// settle hands m to h and tells m's Done, or else the log, how it ended.
func settle[T any](ctx context.Context, logger *slog.Logger, stage string, h message.Handler[T], m message.Message[T]) {
	err := errExited
	defer func() {
		if m.Done == nil {
			logLost(ctx, logger, stage, m, 1, err)
		}
		m.Done.Release(err)
	}()
	err = safely(ctx, h, m)
}

// persist calls f, again and on another goroutine whenever a handler ended the
// one it was called on. What f has to do is then never left undone.
func persist(f func()) {
	returned := false
	defer func() {
		if !returned {
			go persist(f)
		}
	}()
	f()
	returned = true
}

// drainedBefore waits for the end of a stage as long as ctx lasts. When both
// have come, the stage counts.
func drainedBefore(ctx context.Context, drained <-chan struct{}) bool {
	select {
	case <-drained:
		return true
	case <-ctx.Done():
	}
	select {
	case <-drained:
		return true
	default:
		return false
	}
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
	orDefault(logger).ErrorContext(ctx, "message failed", attrs...)
}

// orDefault is called at the time of the error: the program may set its default
// logger after it wired its handlers.
func orDefault(logger *slog.Logger) *slog.Logger {
	if logger == nil {
		return slog.Default()
	}
	return logger
}
