package message

import "errors"

// endReasons tells of a session's end what its code says.
var endReasons = map[Code]string{
	CodeTimeout:         "heartbeat",
	CodeFull:            "limit",
	CodeInvalid:         "protocol",
	CodeTooLarge:        "protocol",
	CodeConflict:        "protocol",
	CodeNotFound:        "protocol",
	CodeDenied:          "auth",
	CodeUnauthenticated: "auth",
	CodeUnavailable:     "transport",
}

// EndReason says in a word why a session or a connection ended, for statistics; err
// is what it ended with. The words are
//
//	client        nil: an orderly end
//	drain         the server shut down in an orderly way
//	shutdown      the server cut what was left when it closed
//	send_limit    the client took nothing for too long
//	buffer_limit  too much waited for the client
//	limit         the client asked for more than it may have
//	heartbeat     the client was silent, or late
//	protocol      what the client sent made no sense
//	auth          the client may not be here
//	transport     the connection was lost
//	internal      all else
//
// An error with a method EndReason() string has its own; else the code decides.
func EndReason(err error) string {
	if err == nil {
		return "client"
	}
	var own interface{ EndReason() string }
	if errors.As(err, &own) {
		return own.EndReason()
	}
	if reason, ok := endReasons[Public(err).Code]; ok {
		return reason
	}
	return "internal"
}
