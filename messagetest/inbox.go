package messagetest

import (
	"context"
	"sync"

	"github.com/headrace/headrace/message"
)

// inboxMessages is how much may wait for a test that does not read.
const inboxMessages = 100_000

var errInbox = message.Errorf(message.CodeFull, "the test does not read its messages")

// inbox is the sink of a [Client].
type inbox struct {
	connected chan struct{} // closed with KindConnected
	arrived   chan struct{} // holds a token when something waits

	mu       sync.Mutex
	open     bool
	closed   bool
	messages []message.Raw
}

func newInbox() *inbox {
	return &inbox{connected: make(chan struct{}), arrived: make(chan struct{}, 1)}
}

// Deliver keeps m for the test.
func (b *inbox) Deliver(_ context.Context, m message.Raw) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.closed:
		return message.Errorf(message.CodeUnavailable, "session ended")
	case m.Kind == message.KindConnected:
		if !b.open {
			b.open = true
			close(b.connected)
		}
		return nil
	case len(b.messages) == inboxMessages:
		return errInbox
	}
	b.messages = append(b.messages, m)
	select {
	case b.arrived <- struct{}{}:
	default:
	}
	return nil
}

// Close ends the session; what waits can still be read.
func (b *inbox) Close(error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
}

func (b *inbox) pop() (m message.Raw, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.messages) == 0 {
		return m, false
	}
	m, b.messages = b.messages[0], b.messages[1:]
	return m, true
}
