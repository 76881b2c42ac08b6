package transport

import (
	"encoding/binary"
	"errors"
	"unicode/utf8"

	"github.com/headrace/headrace/message"
)

// closeBadUTF8 is the one close code that no [message.Code] stands for.
const closeBadUTF8 = 1007

// closeCode returns the WebSocket close code (RFC 6455, section 7.4.1) for a
// reason; [Conn.Close] has the table.
func closeCode(reason error) int {
	switch {
	case reason == nil:
		return 1000
	case errors.Is(reason, ErrShutdown):
		return 1001
	case errors.Is(reason, errBadUTF8):
		return closeBadUTF8
	}
	switch message.Public(reason).Code {
	case message.CodeInvalid:
		return 1002
	case message.CodeTooLarge:
		return 1009
	case message.CodeInternal:
		return 1011
	case message.CodeFull, message.CodeUnavailable:
		return 1013
	}
	return 1008
}

// closeText returns what a client is told of the reason: authored text only.
func closeText(reason error) string {
	if reason == nil {
		return ""
	}
	return message.Public(reason).Message
}

// maxControl is the most that a control frame carries (RFC 6455, section 5.5).
const maxControl = 125

// closeFrame returns the last frame of a connection. A text that is too long
// is cut between two characters.
func closeFrame(code int, text string) *Frame {
	text = text[:min(len(text), maxControl-2)]
	for !utf8.ValidString(text) {
		text = text[:len(text)-1]
	}
	payload := binary.BigEndian.AppendUint16(nil, uint16(code))
	f := controlFrame(opClose, append(payload, text...))
	f.last = true
	return f
}
