package frame

import "github.com/headrace/headrace/message"

// Frame is one STOMP frame.
type Frame struct {
	// Command says what the frame is for.
	Command Command
	// Header holds the headers in their order, repeated ones too: the first of
	// a name counts.
	Header message.Header
	// Body is the frame's own memory, nil when it is empty. Only Send, Message
	// and Error frames have one.
	Body []byte
}

// Command is the first line of a frame. The set is closed and case sensitive
// (STOMP 1.2, "Augmented BNF").
type Command string

// The commands that a client sends.
const (
	Connect     Command = "CONNECT"     // begins a session
	Stomp       Command = "STOMP"       // the same, from 1.1 on
	Send        Command = "SEND"        // publishes its body to a destination
	Subscribe   Command = "SUBSCRIBE"   // asks for the messages of a destination
	Unsubscribe Command = "UNSUBSCRIBE" // ends a subscription
	Ack         Command = "ACK"         // a message was consumed
	Nack        Command = "NACK"        // a message was not consumed; from 1.1 on
	Begin       Command = "BEGIN"       // begins a transaction
	Commit      Command = "COMMIT"      // ends a transaction, all of it
	Abort       Command = "ABORT"       // ends a transaction, nothing of it
	Disconnect  Command = "DISCONNECT"  // ends the session
)

// The commands that a server sends.
const (
	Connected Command = "CONNECTED" // the session has begun
	Message   Command = "MESSAGE"   // a message of a subscription
	Receipt   Command = "RECEIPT"   // a frame was processed
	Error     Command = "ERROR"     // something went wrong; the session ends
)

// maxCommand bounds the command line: the longest command has 11 octets.
const maxCommand = 16

// parseCommand returns the constant that line names, so that no frame holds a
// command of its own, or "" when the command is unknown.
func parseCommand(line []byte) Command {
	switch c := Command(line); c { // does not allocate: c does not escape
	case Connect:
		return Connect
	case Stomp:
		return Stomp
	case Send:
		return Send
	case Subscribe:
		return Subscribe
	case Unsubscribe:
		return Unsubscribe
	case Ack:
		return Ack
	case Nack:
		return Nack
	case Begin:
		return Begin
	case Commit:
		return Commit
	case Abort:
		return Abort
	case Disconnect:
		return Disconnect
	case Connected:
		return Connected
	case Message:
		return Message
	case Receipt:
		return Receipt
	case Error:
		return Error
	}
	return ""
}

// known reports whether c is one of the constants.
func (c Command) known() bool { return c != "" && parseCommand([]byte(c)) == c }

// hasBody reports whether frames of this command may have a body.
func (c Command) hasBody() bool { return c == Send || c == Message || c == Error }

// literal reports whether the headers of this command are exempt from
// escaping, because older peers must be able to read them.
func (c Command) literal() bool { return c == Connect || c == Connected || c == Stomp }

// Names of the standard headers.
const (
	HeaderAcceptVersion = "accept-version" // Connect: versions the client speaks
	HeaderAck           = "ack"            // Subscribe: the mode; Message: the id to acknowledge
	HeaderContentLength = "content-length" // octets of the body; Append writes it
	HeaderContentType   = "content-type"   // MIME type of the body
	HeaderDestination   = "destination"    // Send, Subscribe, Message
	HeaderHeartBeat     = "heart-beat"     // Connect, Connected: see HeartBeat
	HeaderHost          = "host"           // Connect: the virtual host
	HeaderID            = "id"             // Subscribe, Unsubscribe; Ack and Nack in 1.2
	HeaderLogin         = "login"          // Connect: the user
	HeaderMessage       = "message"        // Error: what went wrong, in short
	HeaderMessageID     = "message-id"     // Message; Ack and Nack before 1.2
	HeaderPasscode      = "passcode"       // Connect: the password
	HeaderReceipt       = "receipt"        // any client frame but Connect: asks for a Receipt
	HeaderReceiptID     = "receipt-id"     // Receipt, Error: the value of receipt
	HeaderServer        = "server"         // Connected: name/version of the server
	HeaderSession       = "session"        // Connected: id of the session
	HeaderSubscription  = "subscription"   // Message: id of the subscription; Ack and Nack in 1.1
	HeaderTransaction   = "transaction"    // Begin, Commit, Abort, Send, Ack, Nack
	HeaderVersion       = "version"        // Connected: the version chosen; Error: those supported
)
