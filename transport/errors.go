package transport

import "github.com/headrace/headrace/message"

// Errors of connections.
var (
	// ErrSlow is returned by Conn.Send when the client was cut because too
	// much waits for it, and is the reason that Protocol.Closed gets.
	ErrSlow error = message.Errorf(message.CodeFull, "slow consumer")
	// ErrClosed is returned by Conn.Send after the connection began to close.
	ErrClosed error = message.Errorf(message.CodeUnavailable, "connection closed")
	// ErrShutdown is the reason of connections that the server ends.
	ErrShutdown error = message.Errorf(message.CodeUnavailable, "server is shutting down")
)
