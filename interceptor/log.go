package interceptor

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/headrace/headrace/message"
)

// errPanicking stands for the outcome of a handler that did not return. The
// panic itself is left to go on.
var errPanicking = errors.New("handler panicked")

// Log writes one line per message, after it was handled: kind, destination,
// session id, duration and error, never the payload or a header value. The
// record is given the message's context. A nil logger means [slog.Default] at
// the time of the call.
//
// The level tells the outcome:
//
//   - Debug: handled, or dropped on purpose with [message.ErrDropped];
//   - Warn: refused with an authored [message.Error];
//   - Error: failed with any other error, with [message.CodeInternal] or with a
//     panic. The stack is added when a [message.PanicError] is the error, that
//     is, when [Recover] is mounted behind Log.
//
// What the logger has no use for costs no allocation. In front of a channel
// that queues, the line tells only that the message was taken over.
func Log[T any](logger *slog.Logger) message.Interceptor[T] {
	return func(next message.Handler[T]) message.Handler[T] {
		return message.HandlerFunc[T](func(ctx context.Context, m message.Message[T]) error {
			start := time.Now()
			err := errPanicking
			defer func() {
				l := logger
				if l == nil {
					l = slog.Default()
				}
				level, text := classify(err)
				if !l.Enabled(ctx, level) {
					return
				}
				attrs := append(outcome(m, err), slog.Duration("duration", time.Since(start)))
				l.LogAttrs(ctx, level, text, attrs...)
			}()
			err = next.Handle(ctx, m)
			return err
		})
	}
}

// classify returns the level and the text of the line for a message that ended
// with err.
func classify(err error) (slog.Level, string) {
	switch {
	case err == nil:
		return slog.LevelDebug, "message handled"
	case errors.Is(err, message.ErrDropped):
		return slog.LevelDebug, "message dropped"
	case refused(err):
		return slog.LevelWarn, "message refused"
	default:
		return slog.LevelError, "message failed"
	}
}

// refused reports whether somebody decided on err: a panic is never a decision,
// not even with an authored error as its value.
func refused(err error) bool {
	authored, ok := errors.AsType[*message.Error](err)
	_, panicked := errors.AsType[*message.PanicError](err)
	return ok && authored.Code != message.CodeInternal && !panicked
}

// outcome returns the attributes that tell which message it was and how it
// ended.
func outcome[T any](m message.Message[T], err error) []slog.Attr {
	attrs := make([]slog.Attr, 0, 6)
	attrs = append(attrs,
		slog.String("kind", m.Kind.String()),
		slog.String("destination", m.Destination))
	if m.Session != nil {
		attrs = append(attrs, slog.String("session", m.Session.ID()))
	}
	if err != nil {
		attrs = append(attrs, slog.Any("error", err))
	}
	if p, ok := errors.AsType[*message.PanicError](err); ok {
		attrs = append(attrs, slog.String("stack", string(p.Stack)))
	}
	return attrs
}
