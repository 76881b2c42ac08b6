package stompadapter

import (
	"context"
	"errors"
	"log/slog"

	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/stompadapter/frame"
)

// What clients and senders are told.
var (
	errVersion        error = message.Errorf(message.CodeInvalid, "none of the client's versions is supported, only %s are", frame.Versions)
	errHeld           error = message.Errorf(message.CodeTooLarge, "more than %d octets were sent before CONNECTED", maxHeld)
	errLoginTimeout   error = message.Errorf(message.CodeTimeout, "the login took too long")
	errEnded          error = message.Errorf(message.CodeUnavailable, "the session has ended")
	errNotConnected   error = message.Errorf(message.CodeUnavailable, "the session is not connected yet")
	errConnectedTwice error = message.Errorf(message.CodeConflict, "the session is connected already")
	errNoSubscription error = message.Errorf(message.CodeInvalid, "a delivery needs a subscription")
)

func invalid(format string, args ...any) error {
	return message.Errorf(message.CodeInvalid, format, args...)
}

// report counts and logs that a frame was refused or failed. What was authored
// for the client is the client's matter; anything else is ours. No header is
// logged but the destination, which authored texts may quote.
func (s *session) report(c frame.Command, err error) {
	s.adapter.refused.Add(1)
	level := slog.LevelError
	attrs := []slog.Attr{slog.String("session", s.session.ID()), slog.String("command", string(c)), slog.Any("error", err)}
	if p, ok := errors.AsType[*message.PanicError](err); ok {
		attrs = append(attrs, slog.String("stack", string(p.Stack)))
	} else if errors.Is(err, message.ErrDropped) || s.cut(err) {
		level = slog.LevelDebug
	} else if e, ok := errors.AsType[*message.Error](err); ok && e.Unwrap() == nil {
		level = slog.LevelInfo
	}
	s.adapter.config.Logger.LogAttrs(context.Background(), level, "frame refused", attrs...)
}

// cut reports whether err only says that the adapter was closed while a frame
// still waited somewhere. That is no failure, and there is one for each client.
func (s *session) cut(err error) bool {
	return s.session.Context().Err() != nil && errors.Is(err, context.Canceled)
}
