package transport

import (
	"encoding/binary"
	"unicode/utf8"
)

// Framing turns what a protocol sends into its wire form. Connections of the
// same *Framing share frames, so caches compare the pointers.
type Framing struct {
	encode func(wire, payload []byte) []byte
}

// NewFraming returns a framing for a wire form that is neither of the two
// below. Encode appends the wire form of payload to wire and keeps neither; it
// is called from any goroutine.
func NewFraming(encode func(wire, payload []byte) []byte) *Framing {
	return &Framing{encode}
}

// Append appends the wire form of payload to wire and returns the result.
func (f *Framing) Append(wire, payload []byte) []byte { return f.encode(wire, payload) }

var (
	// FramingWebSocket makes one WebSocket message of each payload: a text
	// message if it is valid UTF-8 and a binary message otherwise.
	FramingWebSocket = NewFraming(appendMessage)
	// FramingStream sends the payload as it is: over TCP, and in the streams of
	// HTTP.
	FramingStream = NewFraming(func(wire, payload []byte) []byte { return append(wire, payload...) })
)

func appendMessage(wire, payload []byte) []byte {
	opcode := byte(opBinary)
	if utf8.Valid(payload) {
		opcode = opText
	}
	return appendWebSocketFrame(wire, opcode, payload)
}

// The opcodes of WebSocket frames (RFC 6455, section 11.8).
const (
	opContinuation = 0x0
	opText         = 0x1
	opBinary       = 0x2
	opClose        = 0x8
	opPing         = 0x9
	opPong         = 0xA
)

// maxFrameHeader is the longest header of an unmasked WebSocket frame.
const maxFrameHeader = 10

// appendWebSocketFrame appends a final, unmasked frame (RFC 6455, section 5.2).
func appendWebSocketFrame(wire []byte, opcode byte, payload []byte) []byte {
	const final = 0x80
	wire = append(wire, final|opcode)
	switch n := len(payload); {
	case n < 126:
		wire = append(wire, byte(n))
	case n < 1<<16:
		wire = binary.BigEndian.AppendUint16(append(wire, 126), uint16(n))
	default:
		wire = binary.BigEndian.AppendUint64(append(wire, 127), uint64(n))
	}
	return append(wire, payload...)
}
