package transport

import (
	"time"

	"github.com/headrace/headrace/message"
)

// Conn is one client's connection. Its methods may be called from any
// goroutine.
type Conn struct{}

// Info returns what is known about the client.
func (c *Conn) Info() message.SessionInfo { panic("not yet") }

// Subprotocol returns the chosen subprotocol.
func (c *Conn) Subprotocol() string { panic("not yet") }

// Framing says how a Frame must be encoded for this connection.
func (c *Conn) Framing() Framing { panic("not yet") }

// Send queues f and never blocks.
func (c *Conn) Send(f *Frame) error { panic("not yet") }

// Close ends the connection.
func (c *Conn) Close(reason error) { panic("not yet") }

// Heartbeat sets the heart-beats.
func (c *Conn) Heartbeat(send, receive time.Duration, beat *Frame) { panic("not yet") }
