package message

import (
	"errors"
	"fmt"
)

// Code classifies an [Error]. It is the only thing that a client learns of an
// error that nobody authored for it.
type Code string

// The codes.
const (
	// CodeInvalid: the message is malformed.
	CodeInvalid Code = "invalid"
	// CodeUnauthenticated: the sender did not prove who he is.
	CodeUnauthenticated Code = "unauthenticated"
	// CodeDenied: the sender may not do this.
	CodeDenied Code = "denied"
	// CodeNotFound: nobody handles the destination.
	CodeNotFound Code = "not-found"
	// CodeConflict: the message contradicts an earlier one.
	CodeConflict Code = "conflict"
	// CodeTooLarge: a size limit was passed.
	CodeTooLarge Code = "too-large"
	// CodeFull: a queue or a quota is full.
	CodeFull Code = "full"
	// CodeTimeout: it took too long.
	CodeTimeout Code = "timeout"
	// CodeUnavailable: the part that is needed is away or shutting down.
	CodeUnavailable Code = "unavailable"
	// CodeDropped: an interceptor dropped the message.
	CodeDropped Code = "dropped"
	// CodeInternal: anything else; the cause is in the log.
	CodeInternal Code = "internal"
)

// Error is an error whose text was written for the client. Its cause is for
// the log and the span and never leaves the process.
type Error struct {
	// Code classifies the error.
	Code Code
	// Message is shown to the client.
	Message string
	cause   error
}

// Errorf returns an error with a text for the client. It does not wrap: use
// [Error.WithCause] for what the client must not see.
func Errorf(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// WithCause returns a copy of e that wraps cause.
func (e *Error) WithCause(cause error) *Error {
	c := *e
	c.cause = cause
	return &c
}

// Error returns code, message and cause: the form for the log. Of a cause it has
// 500 characters at most, for it may quote what a client sent. Clients are given
// Message alone.
func (e *Error) Error() string {
	if e.cause != nil {
		return fmt.Sprintf("%s: %s: %.500v", e.Code, e.Message, e.cause)
	}
	return fmt.Sprintf("%s: %s", e.Code, e.Message)
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.cause }

// Is reports whether target is an Error of the same code and message, so that
// a predeclared error is found again after WithCause.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Code == e.Code && t.Message == e.Message
}

// ErrDropped is returned by an interceptor that drops a message on purpose.
// The sender's receipt is refused with it; nothing is logged as a failure. [Drop] adds
// who it was.
var ErrDropped error = Errorf(CodeDropped, "message dropped")

// Drop returns an [ErrDropped] that says who drops: the name of an interceptor, one of
// few, by which telemetry counts. It is for log and metrics; the sender learns no more
// than of ErrDropped. An interceptor makes it once.
func Drop(by string) error {
	return &Error{Code: CodeDropped, Message: "message dropped", cause: dropper(by)}
}

// DroppedBy returns the name that [Drop] was given, or "" when err has none.
func DroppedBy(err error) string {
	by, _ := errors.AsType[dropper](err)
	return string(by)
}

// dropper is the name of who dropped a message.
type dropper string

func (d dropper) Error() string { return "by " + string(d) }

// Public returns what a client may be told of err: the first authored [Error]
// in its chain without its cause, or a bare [CodeInternal]. It returns nil for
// nil.
func Public(err error) *Error {
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return &Error{Code: e.Code, Message: e.Message}
	}
	return &Error{Code: CodeInternal, Message: "internal error"}
}
