package transport

import "github.com/headrace/headrace/message"

// Stats is a snapshot of a server's counters.
type Stats struct {
	// Open is how many connections there are now.
	Open int
	// Total is how many connections were opened.
	Total uint64
	// Refused is how many handshakes were refused, for whatever reason.
	Refused uint64
	// Closed is how many connections ended, by the code of the reason. An
	// orderly end counts under "", slow consumers under message.CodeFull,
	// silent clients under message.CodeTimeout.
	Closed map[message.Code]uint64
	// Frames is how many frames were taken for sending.
	Frames uint64
	// Bytes is how many bytes were written.
	Bytes uint64
	// QueuedBytes is how many bytes wait for clients now.
	QueuedBytes int
}
