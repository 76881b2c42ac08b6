package transport

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/headrace/headrace/message"
)

var (
	errSlow     = message.Errorf(message.CodeFull, "slow consumer")
	errShutdown = message.Errorf(message.CodeUnavailable, "server is shutting down")
	errLost     = message.Errorf(message.CodeUnavailable, "connection lost")
	errTooLarge = message.Errorf(message.CodeTooLarge, "message too large")
	errBadUTF8  = message.Errorf(message.CodeInvalid, "text is not valid UTF-8")

	errOverBudget = errors.New("the outbox is over its budget")
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

// lost is the reason of a connection whose socket failed.
func lost(err error) error { return errLost.WithCause(err) }

// stalled is the reason of a connection whose blocking write failed.
func stalled(err error, timeout time.Duration) error {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return errSlow.WithCause(fmt.Errorf("nothing taken for %v", timeout))
	}
	return lost(err)
}
