package messagetest

import (
	"context"
	"testing"

	"github.com/headrace/headrace/message"
)

// AdapterServer is an adapter that is being served, for [Adapter].
type AdapterServer interface {
	// Dial opens a connection. It fails the test when it cannot.
	Dial(t *testing.T) AdapterClient
	// Shutdown drains the adapter until ctx ends.
	Shutdown(ctx context.Context) error
	// Close ends the adapter and all that serves it. It is called once, last.
	Close()
}

// TextOnly is implemented by an [AdapterServer] whose connections carry text
// alone: the suite sends no other bytes through it, and its log says which
// payloads are left out.
type TextOnly interface {
	// TextOnly does nothing: having it is what counts.
	TextOnly()
}

// AdapterClient is a client that speaks the adapter's protocol. Its methods
// are called from one goroutine. They return an error when the connection is
// gone; an empty receipt asks for none.
type AdapterClient interface {
	// Connect asks for a session, without waiting for the answer.
	Connect(h message.Header) error
	// Send sends a payload. The header may have a content-type.
	Send(destination string, h message.Header, payload []byte, receipt string) error
	// Subscribe asks for the messages of a destination.
	Subscribe(id, destination, receipt string) error
	// Unsubscribe ends a subscription.
	Unsubscribe(id, receipt string) error
	// Disconnect asks for the end of the session.
	Disconnect(receipt string) error
	// Next returns what the client is sent next, heart-beats and the like left
	// out. It returns an error at once when the connection has ended, and after
	// ten seconds, not earlier, when nothing came: the suite takes the time for
	// the difference.
	Next() (Received, error)
	// Cut breaks the connection without a goodbye. It may be called twice.
	Cut()
}

// ReceivedKind says what a client received.
type ReceivedKind string

// The kinds of what a client receives.
const (
	// ReceivedConnected: the session has begun.
	ReceivedConnected ReceivedKind = "connected"
	// ReceivedMessage: a message was delivered.
	ReceivedMessage ReceivedKind = "message"
	// ReceivedReceipt: what asked for this receipt was handled.
	ReceivedReceipt ReceivedKind = "receipt"
	// ReceivedError: something was refused or failed.
	ReceivedError ReceivedKind = "error"
)

// Received is what a client was sent.
type Received struct {
	// Kind says which of the other fields matter.
	Kind ReceivedKind
	// Receipt is the receipt that was asked for, of receipts and errors.
	Receipt string
	// Text is the text of an error.
	Text string
	// Message has destination, subscription, header and payload of a message.
	Message message.Raw
}

// Adapter checks that an adapter keeps the contract of its kind: a session
// begins with one [message.KindConnect] and ends with one
// [message.KindDisconnect], once it is closed, however it ends; what a client sends
// before it is connected waits; receipts come in order; reserved headers stay out;
// delivery keeps order and payload, and never blocks; a drain finishes what was
// accepted; and nothing is left behind. serve starts an adapter that sends to
// inbound, with budgets and limits at their defaults, over real sockets.
//
// That nothing is left behind is found out by counting goroutines, so no test
// that calls t.Parallel may run beside it.
func Adapter(t *testing.T, serve func(t *testing.T, inbound message.RawHandler) AdapterServer) {
	for name, check := range map[string]func(*testing.T, factory){
		"Endings":            endings,
		"RefusedConnect":     refusedConnect,
		"LostConnect":        lostConnect,
		"HeldUntilConnected": heldUntilConnected,
		"ReceiptOrder":       receiptOrder,
		"ErrorOrder":         errorOrder,
		"Translation":        translation,
		"ReservedHeaders":    reservedHeaders,
		"DeliveryOrder":      deliveryOrder,
		"Variations":         variations,
		"Payloads":           payloads,
		"SlowClient":         slowClient,
		"Drain":              drain,
		"ManySessions":       manySessions,
	} {
		t.Run(name, func(t *testing.T) {
			check(t, serve)
		})
	}
}
