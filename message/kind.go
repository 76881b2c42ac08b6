package message

// Kind says what a message asks for.
type Kind uint8

// The kinds. A client's messages come in by these kinds whatever the protocol
// of the adapter that carries them.
const (
	// KindData carries a payload to a destination. It is the zero value.
	KindData Kind = iota
	// KindConnect is the first message of a session, sent once by its adapter.
	KindConnect
	// KindConnected is the broker's answer to KindConnect.
	KindConnected
	// KindSubscribe asks for the messages of a destination.
	KindSubscribe
	// KindUnsubscribe ends a subscription.
	KindUnsubscribe
	// KindDisconnect is the last message of a session, sent once by its
	// adapter however the session ended, behind [Session.Close].
	KindDisconnect
	// KindAck acknowledges a delivered message.
	KindAck
	// KindNack refuses a delivered message.
	KindNack
	// KindBegin opens a transaction.
	KindBegin
	// KindCommit lets the messages of a transaction take effect.
	KindCommit
	// KindAbort drops the messages of a transaction.
	KindAbort
	// KindError tells a client what went wrong.
	KindError
)

var kindNames = [...]string{
	"data", "connect", "connected", "subscribe", "unsubscribe", "disconnect",
	"ack", "nack", "begin", "commit", "abort", "error",
}

// String returns the kind's name in lower case, such as "subscribe".
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return "unknown"
}
