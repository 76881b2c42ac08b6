package main

import "github.com/headrace/headrace/transport"

// mirror is the protocol of /ws: it sends back each message.
type mirror struct {
	conn    *transport.Conn
	message []byte
}

func newMirror(c *transport.Conn) transport.Protocol { return &mirror{conn: c} }

// Receive gathers a message, which may come in pieces.
func (m *mirror) Receive(p []byte) error {
	m.message = append(m.message, p...)
	return nil
}

// EndMessage sends it back.
func (m *mirror) EndMessage() error {
	frame := transport.NewFrame(m.conn.Framing(), m.message)
	m.message = nil // an idle connection holds no buffer
	return m.conn.Send(frame)
}

// Closed has nothing to end.
func (m *mirror) Closed(error) {}
