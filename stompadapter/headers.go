package stompadapter

import (
	"cmp"

	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/stompadapter/frame"
)

// HeaderAccess reads the headers that STOMP defines. Make one with [Headers].
type HeaderAccess struct{ m message.Raw }

// Headers gives access to STOMP's own headers of a message that a client sent,
// whatever version it speaks, so that handlers, interceptors and brokers need
// not know their names. What is the adapter's own business (receipt,
// content-length, heart-beat, accept-version) is not among them: it does not
// reach inbound. Destination and subscription id are fields of the message.
func Headers(m message.Raw) HeaderAccess { return HeaderAccess{m} }

// Host returns the virtual host that a client names on KindConnect, or "".
func (h HeaderAccess) Host() string { return h.m.Header.Get(frame.HeaderHost) }

// Login returns login and passcode of KindConnect. No other message has them.
func (h HeaderAccess) Login() (login, passcode string) {
	return h.m.Header.Get(frame.HeaderLogin), h.m.Header.Get(frame.HeaderPasscode)
}

// ContentType returns the media type of the payload, or "" when the client did
// not name it: octets, then (STOMP 1.2, "Header content-type").
func (h HeaderAccess) ContentType() string { return h.m.Header.Get(frame.HeaderContentType) }

// Transaction returns the id of the transaction that a KindData, KindAck or
// KindNack is part of, or that a KindBegin, KindCommit or KindAbort is about;
// it is "" when there is none. Ids are unique within their session only.
func (h HeaderAccess) Transaction() string { return h.m.Header.Get(message.HeaderTransaction) }

// AckMode returns how deliveries to a KindSubscribe are acknowledged: "auto",
// "client" or "client-individual". It is "auto" when the client did not say.
func (h HeaderAccess) AckMode() string { return cmp.Or(h.m.Header.Get(message.HeaderAckMode), "auto") }

// Selector returns the expression by which a KindSubscribe wants to choose
// messages, or "". STOMP leaves its language to the broker.
func (h HeaderAccess) Selector() string { return h.m.Header.Get(message.HeaderSelector) }

// Ack returns what a KindAck or KindNack settles: from 1.2 on the ack id of a
// delivery, which is unique within the session; before that, and then id is "",
// the message id of one. 1.1 says of which subscription; in 1.0 it may be "".
func (h HeaderAccess) Ack() (id, messageID string) {
	return h.m.Header.Get(message.HeaderAck), h.m.Header.Get(message.HeaderMessageID)
}
