package stompadapter

import (
	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/stompadapter/frame"
)

// What clients and senders are told.
var (
	errVersion        error = message.Errorf(message.CodeInvalid, "none of the client's versions is supported, only %s are", frame.Versions)
	errNoSubscription error = message.Errorf(message.CodeInvalid, "a delivery needs a subscription")
)

func invalid(format string, args ...any) error {
	return message.Errorf(message.CodeInvalid, format, args...)
}
