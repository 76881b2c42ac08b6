package client

import (
	"fmt"

	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/stompadapter/frame"
)

// What calls fail with. An error that has a cause wraps both: a connection that
// the server ended with an ERROR frame gives an ErrAway, or in the end an
// ErrClosed, in which errors.As finds the *[ServerError].
var (
	// ErrClosed: the client was closed, or lost its connection for good.
	ErrClosed error = message.Errorf(message.CodeUnavailable, "the client is closed")
	// ErrAway: there is no connection, or it was lost before the server
	// answered, so that nobody knows whether the frame was handled.
	ErrAway error = message.Errorf(message.CodeUnavailable, "the connection to the server is lost")
	// ErrBufferFull: there is no connection and Config.Buffer frames wait for
	// one already.
	ErrBufferFull error = message.Errorf(message.CodeFull, "the buffer for the time without a connection is full")
	// ErrTxDone: the transaction was committed or aborted already.
	ErrTxDone error = message.Errorf(message.CodeConflict, "the transaction has ended")
	// ErrNotPending: the message needs no acknowledgement. It has one, or it
	// came over a connection that was lost, and the server will send it again.
	ErrNotPending error = message.Errorf(message.CodeConflict, "the message does not wait for an acknowledgement")
)

// ServerError is the ERROR frame with which the server refused a frame and
// ended the connection (STOMP 1.2, "ERROR").
type ServerError struct {
	// Message is the frame's message header.
	Message string
	// Code is the frame's code header, which servers of this module set and
	// others do not.
	Code message.Code
	// Header holds all headers of the frame.
	Header message.Header
	// Body is the frame's body, where servers say more.
	Body []byte
}

// Error returns the code and the message, not the body.
func (e *ServerError) Error() string {
	if e.Code != "" {
		return fmt.Sprintf("the server refused: %s: %s", e.Code, e.Message)
	}
	return "the server refused: " + e.Message
}

func serverError(f frame.Frame) *ServerError {
	return &ServerError{
		Message: f.Header.Get(frame.HeaderMessage),
		Code:    message.Code(f.Header.Get("code")),
		Header:  f.Header,
		Body:    f.Body,
	}
}

// because joins a sentinel and what led to it.
func because(sentinel, cause error) error {
	if cause == nil {
		return sentinel
	}
	return fmt.Errorf("%w: %w", sentinel, cause)
}
