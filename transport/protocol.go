package transport

// Protocol is what an adapter puts on a connection. Its methods are called one
// at a time and in order: on the connection's reader goroutine, or in
// [Carried.Receive].
type Protocol interface {
	// Receive is given what the client sent, in order and split anywhere. The
	// bytes are valid during the call only. It may block, which is
	// backpressure on this client alone. An error closes the connection with
	// it as the reason; nothing is received after that, nor after Conn.Close.
	Receive(p []byte) error
	// Closed is called exactly once, last, when the connection has ended and
	// Receive has returned. The reason is nil after an orderly end: the client
	// said goodbye or Conn.Close was given nil.
	Closed(reason error)
}

// MessageEnder is implemented by a [Protocol] that must know where what was
// sent as one message ends.
type MessageEnder interface {
	// EndMessage is called after the last Receive of each message, also of an
	// empty one. An error closes the connection as one of Receive does.
	EndMessage() error
}

// Drainer is implemented by a [Protocol] that has something to finish when the
// server shuts down. Connections of other protocols are closed at once.
type Drainer interface {
	// Drain is called at most once, from the goroutine of [Server.Shutdown],
	// while Receive may be running, and must not block. The protocol takes
	// nothing new, finishes what it accepted and then calls Conn.Close with
	// reason, a [ShutdownError].
	Drain(reason error)
}
