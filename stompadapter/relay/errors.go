package relay

import (
	"errors"
	"fmt"
	"time"

	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/stompadapter/frame"
)

// ErrAway is the error of what cannot be done without the broker, which is not there
// or was lost before it answered. With errors.Is it is found in errors that say more.
var ErrAway error = message.Errorf(message.CodeUnavailable, "the message broker is not available; try again in some seconds")

// What the relay answers to messages that it refuses.
var (
	errClosed       = message.Errorf(message.CodeUnavailable, "the relay is closed")
	errNotConnected = message.Errorf(message.CodeInvalid, "the session is not connected")
	errNoSession    = message.Errorf(message.CodeInvalid, "the message has no session")
	errConnected    = message.Errorf(message.CodeConflict, "the session is connected already")
	errNoID         = message.Errorf(message.CodeInvalid, "the subscription has no id")
	errDuplicate    = message.Errorf(message.CodeConflict, "the session has a subscription of this id already")
	errSelector     = message.Errorf(message.CodeInvalid, "selectors are not supported")
	errTransaction  = message.Errorf(message.CodeInvalid, "what has no session is in no transaction of the message broker")
	errTxLost       = message.Errorf(message.CodeUnavailable, "the transaction was lost with the connection to the message broker")
	errFull         = message.Errorf(message.CodeFull, "too much waits for the message broker")
	errTimeout      = message.Errorf(message.CodeTimeout, "the message broker did not confirm the message in time")
	errTooLarge     = message.Errorf(message.CodeTooLarge, "the message is larger than what may wait for the message broker")
	errUsers        = message.Errorf(message.CodeNotFound, "the relay has no destinations of users with this message broker")
	errSpelling     = message.Errorf(message.CodeInvalid, "the destination is not written as the message broker means it")
	errGroups       = message.Errorf(message.CodeInvalid, "a backplane by STOMP has no groups")
	errLogin        = message.Errorf(message.CodeUnavailable, "the message broker does not let the session in")
)

func errUnsupported(k message.Kind) error {
	return message.Errorf(message.CodeInvalid, "the broker does not handle %s messages", k)
}

func errTooMany(limit int) error {
	return message.Errorf(message.CodeFull, "the session has %d subscriptions already", limit)
}

// away is ErrAway with what led to it, for the log.
func away(cause error) error {
	return message.Public(ErrAway).WithCause(cause)
}

// isAway reports whether it is the loss of a connection that err is about.
func isAway(err error) bool { return errors.Is(err, ErrAway) }

// brokerError is an ERROR frame. Its text is the broker's, and so for the log alone.
type brokerError struct{ frame frame.Frame }

func (e *brokerError) Error() string {
	return fmt.Sprintf("the broker says %.200q: %.300q", e.frame.Header.Get(frame.HeaderMessage), e.frame.Body)
}

// refusedBy is the error of the frame that an ERROR frame is about.
func refusedBy(command frame.Command, e error) error {
	return message.Errorf(message.CodeInvalid, "the message broker refused the %s frame", command).WithCause(e)
}

// goodbye is how long the broker may take to confirm that a client goes.
const goodbye = 5 * time.Second
