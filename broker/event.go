package broker

import "github.com/headrace/headrace/message"

// EventKind says what an [Event] tells.
type EventKind uint8

// The kinds.
const (
	// Connect: the session asks to be taken in. It is told before that is decided.
	Connect EventKind = iota + 1
	// Connected: the broker took the session in and answered it.
	Connected
	// Subscribe: the session asks for a subscription. It is told before that is
	// decided.
	Subscribe
	// Subscribed: the subscription is stored, and what is published from now on is
	// delivered to it.
	Subscribed
	// Unsubscribed: the client ended the subscription.
	Unsubscribed
	// Disconnected: the session ended; told once.
	Disconnected
	// Available: the broker takes messages. It is told when that begins, not
	// again while it lasts: at once, or, with a Backplane, when its engine is there,
	// on a goroutine of the broker.
	Available
	// Unavailable: the broker takes no messages.
	Unavailable
)

var eventNames = [...]string{
	"", "connect", "connected", "subscribe", "subscribed", "unsubscribed", "disconnected", "available", "unavailable",
}

// String returns the kind's name in lower case, such as "subscribed".
func (k EventKind) String() string {
	if k > 0 && int(k) < len(eventNames) {
		return eventNames[k]
	}
	return "unknown"
}

// Event tells what a session did, or what became of the broker. Events are handed
// over on the goroutine that did it: a handler that takes long belongs behind an
// executor channel.
type Event struct {
	// Kind says what happened.
	Kind EventKind
	// Session is whose event it is; nil for one of the broker.
	Session *message.Session
	// Destination is what a subscription event is about, as the client wrote it.
	Destination string
	// Subscription is the id of the subscription.
	Subscription string
	// Reason is why a session ended; nil after an orderly end.
	Reason error
}
