package message

// Message is what channels carry. It is passed by value: a copy shares the
// Payload, which must not be changed after the message was sent.
type Message[T any] struct {
	// Kind says what the message asks for; the zero value is KindData.
	Kind Kind
	// Destination is where the message goes, such as "/app/trade/ACME".
	Destination string
	// Subscription is, on delivery, the id of the subscription that is served,
	// and on KindSubscribe and KindUnsubscribe the id the client chose.
	Subscription string
	// Session is the sender on the way in and the receiver on the way out. It
	// is nil for messages of the application and of other nodes.
	Session *Session
	// Header holds the name/value pairs that travel with the payload.
	Header Header
	// Payload is the content. It is shared by all copies of the message.
	Payload T
	// Done is nil, or told exactly once how far the message got.
	Done *Completion
}

// Raw is a message as adapters, routers and brokers carry it: the payload is
// still encoded. The bytes are the message's own, never a view into a buffer
// that will be used again.
type Raw = Message[[]byte]

// WithPayload returns a message with the kind, destination, subscription,
// session, header and completion of m and another payload, possibly of another
// type.
func WithPayload[U, T any](m Message[T], payload U) Message[U] {
	return Message[U]{
		Kind:         m.Kind,
		Destination:  m.Destination,
		Subscription: m.Subscription,
		Session:      m.Session,
		Header:       m.Header,
		Payload:      payload,
		Done:         m.Done,
	}
}
