package message

import "strings"

// Header names that mean the same to every room and every adapter. Adapters
// translate them to and from the names of their protocol.
const (
	// HeaderContentType is the media type of the payload.
	HeaderContentType = "content-type"
	// HeaderMessageID identifies a delivered message. The broker sets it.
	HeaderMessageID = "message-id"
	// HeaderReplyTo is the destination at which the sender expects an answer.
	HeaderReplyTo = "reply-to"
	// HeaderCorrelationID ties an answer to its question.
	HeaderCorrelationID = "correlation-id"
	// HeaderTransaction names the transaction that a message is part of, or that
	// KindBegin, KindCommit or KindAbort is about.
	HeaderTransaction = "transaction"
	// HeaderAckMode says on KindSubscribe how deliveries are acknowledged: "auto",
	// "client" or "client-individual". None means "auto".
	HeaderAckMode = "ack"
	// HeaderSelector is an expression by which a KindSubscribe wants to choose
	// messages.
	HeaderSelector = "selector"
)

// ReservedPrefix begins the names that only the server's own rooms may set.
const ReservedPrefix = "hr-"

// Reserved names.
const (
	// HeaderAck is what a delivered message is acknowledged by. Brokers set it on
	// deliveries that want to be, and find it again on KindAck and KindNack.
	HeaderAck = ReservedPrefix + "ack"
	// HeaderDeliveries is how often a message was delivered, this time counted. It
	// is there from the second time on.
	HeaderDeliveries = ReservedPrefix + "deliveries"
	// HeaderDeadFrom is the destination at which nobody acknowledged a message that
	// is now a dead letter.
	HeaderDeadFrom = ReservedPrefix + "dead-from"
	// HeaderOffset counts the messages of a destination that has a history. On
	// KindSubscribe it is that of the last message which the client has.
	HeaderOffset = ReservedPrefix + "offset"
	// HeaderEpoch names the history in which an offset counts.
	HeaderEpoch = ReservedPrefix + "epoch"
	// HeaderRecovered says, on the first delivery to a subscription that asked to
	// resume, "true" or "false".
	HeaderRecovered = ReservedPrefix + "recovered"
)

// Reserved reports whether a header of this name must not be taken from a
// client. Adapters strip such headers from what comes in, but see [FromClient].
func Reserved(name string) bool {
	return name == HeaderMessageID || strings.HasPrefix(name, ReservedPrefix)
}

// FromClient reports whether a client may set the header of this name on a
// message of kind k: one that is not reserved, and by which a subscription asks to
// resume.
func FromClient(k Kind, name string) bool {
	return !Reserved(name) || k == KindSubscribe && (name == HeaderOffset || name == HeaderEpoch)
}

// ToClient reports whether a client is shown the header of this name on what it is
// delivered. HeaderMessageID and HeaderAck are the adapters' own matter.
func ToClient(name string) bool {
	switch name {
	case HeaderDeliveries, HeaderDeadFrom, HeaderOffset, HeaderEpoch, HeaderRecovered:
		return true
	}
	return !Reserved(name)
}
