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
)

// ReservedPrefix begins the names that only the server's own rooms may set.
const ReservedPrefix = "hr-"

// HeaderAck is what a delivered message is acknowledged by. Brokers set it on
// deliveries that want to be, and find it again on KindAck and KindNack.
const HeaderAck = ReservedPrefix + "ack"

// Reserved reports whether a header of this name must not be taken from a
// client. Adapters strip such headers from what comes in.
func Reserved(name string) bool {
	return name == HeaderMessageID || strings.HasPrefix(name, ReservedPrefix)
}
