package frame

import (
	"bytes"

	"github.com/headrace/headrace/message"
)

// DecodeError is what [Decoder.Decode] returns: the octets are no frame, or
// they pass a limit ([message.CodeTooLarge]). Nothing can be read from that
// peer any more.
type DecodeError struct {
	// Frame is what had been read of the broken frame: the command and the
	// headers up to the fault, no body. It lets an ERROR frame echo the
	// receipt.
	Frame Frame
	// Err says what is wrong, in words for the peer.
	Err *message.Error
}

// Error returns the text of Err.
func (e *DecodeError) Error() string { return e.Err.Error() }

// Unwrap returns Err, for errors.As and [message.Public].
func (e *DecodeError) Unwrap() error { return e.Err }

func invalid(format string, args ...any) *message.Error {
	return message.Errorf(message.CodeInvalid, format, args...)
}

func tooLarge(format string, args ...any) *message.Error {
	return message.Errorf(message.CodeTooLarge, format, args...)
}

// unknownCommand quotes what looks like a command alone: anything else may be a
// header of a frame that was taken apart wrongly, and errors are logged.
func unknownCommand(line []byte) *message.Error {
	if len(line) == 0 || len(line) > maxCommand || len(bytes.Trim(line, "ABCDEFGHIJKLMNOPQRSTUVWXYZ")) > 0 {
		return invalid("unknown command")
	}
	return invalid("unknown command %q", line)
}

func bodyNotAllowed(c Command) *message.Error {
	return invalid("%s frames have no body", c)
}
