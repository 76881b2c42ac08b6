package transport

import (
	"encoding/binary"
	"errors"
	"fmt"
	"unicode/utf8"

	"github.com/headrace/headrace/message"
)

// CloseCode returns the WebSocket close code for the reason of an end, of which
// [Conn.Close] has the table, and what a client is told of it: authored text
// only, and nothing for nil.
func CloseCode(reason error) (code int, text string) {
	if reason == nil {
		return 1000, ""
	}
	return closeCode(reason), message.Public(reason).Message
}

func closeCode(reason error) int {
	var own interface{ CloseCode() int }
	switch {
	case errors.As(reason, &own):
		return own.CloseCode()
	case errors.Is(reason, ErrShutdown):
		return 1012
	case errors.Is(reason, errBadUTF8):
		return 1007
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

// goodbye is a client's close frame.
type goodbye struct{ code int }

// noStatus stands for a close frame without a code; it is never sent.
const noStatus = 1005

func (g *goodbye) Error() string { return fmt.Sprintf("client closed with code %d", g.code) }

// reason is why the connection ends.
func (g *goodbye) reason() error {
	switch g.code {
	case 1000, 1001, noStatus:
		return nil
	}
	return errLost.WithCause(g)
}

// echo is the code of the answer (RFC 6455, section 5.5.1).
func (g *goodbye) echo() int {
	if g.code == noStatus {
		return 1000
	}
	return g.code
}

// parseGoodbye returns a *goodbye or what is wrong with it (RFC 6455, sections
// 5.5.1 and 7.4).
func parseGoodbye(payload []byte) error {
	if len(payload) == 0 {
		return &goodbye{noStatus}
	}
	if len(payload) == 1 {
		return violation("half a close code")
	}
	code, text := int(binary.BigEndian.Uint16(payload)), payload[2:]
	switch {
	case !mayBeReceived(code):
		return violation("invalid close code")
	case !utf8.Valid(text):
		return violation("close text is not valid UTF-8")
	}
	return &goodbye{code}
}

// mayBeReceived leaves out the codes that stand for what never was a close
// frame, and those that nobody has defined.
func mayBeReceived(code int) bool {
	return 1000 <= code && code <= 1003 || 1007 <= code && code <= 1014 || 3000 <= code && code <= 4999
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
