package transport

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/headrace/headrace/message"
)

var (
	errShutdown = message.Errorf(message.CodeUnavailable, "server is shutting down")
	errSlow     = message.Errorf(message.CodeFull, "slow consumer")
	errLost     = message.Errorf(message.CodeUnavailable, "connection lost")
	errTooLarge = message.Errorf(message.CodeTooLarge, "message too large")
	errBadUTF8  = message.Errorf(message.CodeInvalid, "text is not valid UTF-8")

	errOverBudget = &cause{"buffer_limit", "the outbox is over its budget"}
	errCut        = errShutdown.WithCause(&cause{"shutdown", "cut"})
)

var (
	// ErrSlow is the reason of a connection that was cut because its client
	// takes too little: the outbox is over its budget, or nothing was taken
	// for the write timeout. Conn.Send returns it from then on.
	ErrSlow error = errSlow
	// ErrClosed is returned by Conn.Send once the connection closes for any
	// other reason.
	ErrClosed error = message.Errorf(message.CodeUnavailable, "connection closed")
	// ErrShutdown is the reason of a connection that ends because the server
	// does; a [ShutdownError] is one. Requests that come too late are refused
	// with it.
	ErrShutdown error = errShutdown
	// ErrLost is the reason of a connection that broke without a goodbye.
	ErrLost error = errLost
)

// ShutdownError is the reason of a connection that the server lets go as it shuts
// down. It is an [ErrShutdown].
type ShutdownError struct {
	// RetryAfter is how long the client is asked to wait before it comes back, so
	// that not all of a server come at once.
	RetryAfter time.Duration
}

// Error returns the form for the log.
func (e *ShutdownError) Error() string { return e.public().Error() }

// Unwrap returns what the client is told, an authored [message.Error] with a text
// such as "server is shutting down; retry-after=1250ms".
func (e *ShutdownError) Unwrap() error { return e.public() }

// Is reports whether target is [ErrShutdown].
func (e *ShutdownError) Is(target error) bool { return target == ErrShutdown }

// EndReason is asked for by [message.EndReason].
func (e *ShutdownError) EndReason() string { return "drain" }

func (e *ShutdownError) public() *message.Error {
	return message.Errorf(errShutdown.Code, "%s; retry-after=%dms", errShutdown.Message, e.RetryAfter.Milliseconds())
}

// cause is what led to an end, and the word that statistics have for it.
type cause struct{ reason, text string }

func (c *cause) Error() string { return c.text }

// EndReason is asked for by [message.EndReason].
func (c *cause) EndReason() string { return c.reason }

// lost is the reason of a connection whose socket failed.
func lost(err error) error { return errLost.WithCause(err) }

// stalled is the reason of a connection whose blocking write failed.
func stalled(err error, timeout time.Duration) error {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return errSlow.WithCause(&cause{"send_limit", fmt.Sprintf("nothing taken for %v", timeout)})
	}
	return lost(err)
}
