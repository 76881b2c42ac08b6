package broker

import "github.com/headrace/headrace/message"

// EventKind says what an [Event] tells.
type EventKind uint8

const (
	// Connected: the broker took the session in and answered it.
	Connected EventKind = iota + 1
	// Subscribed: the subscription is stored.
	Subscribed
	// Unsubscribed: the client ended the subscription.
	Unsubscribed
	// Disconnected: the session ended; told once.
	Disconnected
)

// Event tells what a session did. Events are handed over on the goroutine that
// did it: a handler that takes long belongs behind an executor channel.
type Event struct {
	// Kind says what happened.
	Kind EventKind
	// Session is whose event it is.
	Session *message.Session
	// Destination is what a subscription event is about, as the client wrote it.
	Destination string
	// Subscription is the id of the subscription.
	Subscription string
	// Reason is why a session ended; nil after an orderly end.
	Reason error
}
