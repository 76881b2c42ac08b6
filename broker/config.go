package broker

import (
	"log/slog"

	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/message/destination"
)

// Config describes a [Memory] broker.
type Config struct {
	// Separator divides destinations into the segments that patterns match.
	// Zero means "/".
	Separator destination.Separator
	// MaxSubscriptions is how many subscriptions one session may hold. Zero
	// means 128, -1 means any number.
	MaxSubscriptions int
	// Events is told what sessions do. Zero (nil) means nobody.
	Events message.Handler[Event]
	// Logger is told of deliveries that panicked. Zero (nil) means
	// slog.Default().
	Logger *slog.Logger
}

// UsersConfig describes [Users].
type UsersConfig struct {
	// Prefix begins the destinations of users. Zero means "/user".
	Prefix string
	// MaxSubscriptions is how many subscriptions to user destinations one
	// session may hold. Zero means 128, -1 means any number.
	MaxSubscriptions int
	// Logger is told of deliveries that panicked. Zero (nil) means
	// slog.Default().
	Logger *slog.Logger
}

const defaultSubscriptions = 128

// What the brokers answer to messages that they refuse.
var (
	errNotConnected = message.Errorf(message.CodeInvalid, "the session is not connected")
	errNoSession    = message.Errorf(message.CodeInvalid, "the message has no session")
	errDuplicate    = message.Errorf(message.CodeConflict, "the session has a subscription of this id already")
)

func errTooMany(limit int) error {
	return message.Errorf(message.CodeFull, "the session has %d subscriptions already", limit)
}

func errUnsupported(k message.Kind) error {
	return message.Errorf(message.CodeInvalid, "the broker does not support %s", k)
}
