package transport

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/headrace/headrace/message"
)

var (
	errShutdown = &because{message.Errorf(message.CodeUnavailable, "server is shutting down"), "drain"}
	errSlow     = message.Errorf(message.CodeFull, "slow consumer")
	errLost     = message.Errorf(message.CodeUnavailable, "connection lost")
	errTooLarge = message.Errorf(message.CodeTooLarge, "message too large")
	errBadUTF8  = message.Errorf(message.CodeInvalid, "text is not valid UTF-8")

	errOverBudget = &because{errors.New("the outbox is over its budget"), "buffer_limit"}
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
	// does. Protocols close their connections with it when they have drained.
	ErrShutdown error = errShutdown
	// ErrLost is the reason of a connection that broke without a goodbye.
	ErrLost error = errLost
)

// because is an error that has a word for why a connection ended, where its code says
// less. Those who count ends ask for it.
type because struct {
	error
	reason string
}

func (e *because) Unwrap() error       { return e.error }
func (e *because) CloseReason() string { return e.reason }

// lost is the reason of a connection whose socket failed.
func lost(err error) error { return errLost.WithCause(err) }

// stalled is the reason of a connection whose blocking write failed.
func stalled(err error, timeout time.Duration) error {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return errSlow.WithCause(&because{fmt.Errorf("nothing taken for %v", timeout), "send_limit"})
	}
	return lost(err)
}
