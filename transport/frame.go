package transport

import (
	"encoding/binary"
	"unicode/utf8"
)

// Framing says how a [Frame] must be encoded for a connection.
type Framing uint8

// FramingWebSocket wraps each frame's payload in one WebSocket message.
const FramingWebSocket Framing = 0

// Frame is a piece of outgoing data in its wire form. It never changes, so any
// number of connections may share it.
type Frame struct {
	wire    []byte
	control bool // says nothing that a protocol would hear
	last    bool // nothing follows: the connection closes once it is sent
}

// NewFrame encodes payload, which is copied. With FramingWebSocket it becomes
// one text message if it is valid UTF-8 and one binary message otherwise.
func NewFrame(framing Framing, payload []byte) *Frame {
	if framing != FramingWebSocket {
		panic("transport: unknown framing")
	}
	opcode := byte(opBinary)
	if utf8.Valid(payload) {
		opcode = opText
	}
	return &Frame{wire: webSocketFrame(opcode, payload)}
}

func controlFrame(opcode byte, payload []byte) *Frame {
	return &Frame{wire: webSocketFrame(opcode, payload), control: true}
}

// The WebSocket opcodes that are sent (RFC 6455, section 11.8).
const (
	opText   = 0x1
	opBinary = 0x2
	opClose  = 0x8
	opPing   = 0x9
	opPong   = 0xA
)

// webSocketFrame returns a final, unmasked frame (RFC 6455, section 5.2).
func webSocketFrame(opcode byte, payload []byte) []byte {
	const final = 0x80
	n := len(payload)
	wire := make([]byte, 0, n+10)
	wire = append(wire, final|opcode)
	switch {
	case n < 126:
		wire = append(wire, byte(n))
	case n < 1<<16:
		wire = binary.BigEndian.AppendUint16(append(wire, 126), uint16(n))
	default:
		wire = binary.BigEndian.AppendUint64(append(wire, 127), uint64(n))
	}
	return append(wire, payload...)
}
