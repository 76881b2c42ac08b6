package transport

// Frame is a piece of outgoing data in its wire form. It never changes, so any
// number of connections may share it.
type Frame struct {
	wire    []byte
	name    string // what it is counted by; "" is not
	control bool   // says nothing that a protocol would hear
	last    bool   // nothing follows: the connection closes once it is sent
	passing bool   // may be left out where later ones wait (Config.DropOldest)
}

// NewFrame encodes payload, which is copied, for the connections of a framing.
func NewFrame(framing *Framing, payload []byte) *Frame {
	return NewNamedFrame(framing, "", payload)
}

// NewNamedFrame is [NewFrame] for what the protocol has a name for, by which
// [Stats] counts it when it is written: one of few, such as "receipt".
func NewNamedFrame(framing *Framing, name string, payload []byte) *Frame {
	return &Frame{wire: framing.Append(make([]byte, 0, maxFrameHeader+len(payload)), payload), name: name}
}

func controlFrame(opcode byte, payload []byte) *Frame {
	return &Frame{wire: appendWebSocketFrame(nil, opcode, payload), control: true}
}

// endOfStream is the last frame of connections that have no word for goodbye.
var endOfStream = &Frame{control: true, last: true}
