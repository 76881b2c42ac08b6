package broker

import (
	"cmp"
	"log/slog"
	"math"
	"strings"

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
	// MaxPatternCost is how costly a pattern may be that a session subscribes
	// to, see [destination.Pattern.Cost]. Zero means 32, which is room for three
	// "**" with a segment after each, or for a short regular expression that is
	// not behind "**"; -1 means any cost.
	MaxPatternCost int
	// MaxDestination is how many bytes the destination of a message or
	// subscription may have. Zero means 1,024, -1 means any number.
	MaxDestination int
	// Rules say how destinations are treated. Zero (nil) means that all are topics,
	// whose messages go to whoever is subscribed at the moment.
	Rules []Rule
	// MaxBytes bounds the memory that all messages take which wait, are not settled,
	// or are kept as a history. Zero means 64 MiB, -1 means any amount.
	MaxBytes int64
	// DeadLetters takes messages whose destination is that of [Acks.DeadLetter].
	// Zero (nil) means the broker itself.
	DeadLetters message.RawHandler
	// Backplane makes one broker of this one and those of other nodes, which have the
	// same Rules. Zero (nil) means that this one is alone.
	Backplane Backplane
	// NodeID names this node among those of Backplane; zero (empty) means a random one.
	NodeID string
	// Sending is put before what goes to the engine of Backplane, once for each message: it
	// is where a trace leaves. What it refuses is refused, and delivered nowhere. The first
	// is the outermost. Zero (nil) means none.
	Sending []message.RawInterceptor
	// Receiving is put before what other nodes sent, once for each message, before it is
	// delivered here: it is where a trace goes on. What it refuses is not delivered here.
	// The first is the outermost. Zero (nil) means none.
	Receiving []message.RawInterceptor
	// Events is told what sessions do. Zero (nil) means nobody.
	Events message.Handler[Event]
	// Logger is told of deliveries that panicked and of dead letters that were
	// dropped. Zero (nil) means slog.Default().
	Logger *slog.Logger
}

// UsersConfig describes [Users].
type UsersConfig struct {
	// Prefix begins the destinations of users. It may be written with or without
	// the separator at its end. Zero means "/user".
	Prefix string
	// MaxSubscriptions is how many subscriptions to user destinations one
	// session may hold. Zero means 128, -1 means any number.
	MaxSubscriptions int
	// Separator divides destinations for the prefixes of Rules. Zero means "/".
	Separator destination.Separator
	// Backplane joins the Users of several nodes: they know each other's sessions, and
	// reach them. It stays its maker's. Zero (nil) means that this node is alone.
	Backplane Backplane
	// NodeID names this node among those of Backplane; zero (empty) means a random one.
	NodeID string
	// NoBroadcast turns off that a message for a user who has no session, as far as is
	// known, is sent to all nodes: he may have connected just now. What is sent to users
	// who are away then costs other nodes nothing, and is counted as unresolved. Zero
	// means that it is sent.
	NoBroadcast bool
	// Sending is put before what goes to other nodes, once for each message, however many
	// nodes its user is at: it is where a trace leaves. What it refuses is delivered here
	// alone, and refused. The first is the outermost. Zero (nil) means none.
	Sending []message.RawInterceptor
	// Receiving is put before what other nodes sent, once for each message that has its
	// user here: it is where a trace goes on. What it refuses is not delivered here. The
	// first is the outermost. Zero (nil) means none.
	Receiving []message.RawInterceptor
	// Rules say how destinations of users are treated, as clients write them: how
	// deliveries are acknowledged, and what may wait for that. The rest of a Rule
	// does not apply. Zero (nil) means the defaults of [Acks] and [Backlog].
	Rules []Rule
	// MaxBytes bounds the memory that all messages take which are not settled. Zero
	// means 64 MiB, -1 means any amount.
	MaxBytes int64
	// DeadLetters takes messages whose destination is that of [Acks.DeadLetter].
	// Zero (nil) means that dead letters are dropped.
	DeadLetters message.RawHandler
	// Events is told of subscriptions to user destinations. That sessions come
	// and go is told by [Memory] alone. Zero (nil) means nobody.
	Events message.Handler[Event]
	// Logger is told of deliveries that panicked. Zero (nil) means
	// slog.Default().
	Logger *slog.Logger
}

const (
	defaultSubscriptions = 128
	defaultPatternCost   = 32
	defaultDestination   = 1024
	defaultBytes         = 64 << 20
)

func (c Config) withDefaults() Config {
	c.MaxSubscriptions = cmp.Or(c.MaxSubscriptions, defaultSubscriptions)
	c.MaxPatternCost = cmp.Or(c.MaxPatternCost, defaultPatternCost)
	c.MaxDestination = cmp.Or(c.MaxDestination, defaultDestination)
	c.MaxBytes = bytesOr(c.MaxBytes)
	return c
}

func bytesOr(limit int64) int64 {
	if limit < 0 {
		return math.MaxInt64
	}
	return cmp.Or(limit, defaultBytes)
}

// withDefaults also takes the separator from the end of the prefix: what follows
// it brings one.
func (c UsersConfig) withDefaults() UsersConfig {
	c.Prefix = strings.TrimRight(cmp.Or(c.Prefix, "/user"), "/.")
	c.MaxSubscriptions = cmp.Or(c.MaxSubscriptions, defaultSubscriptions)
	c.MaxBytes = bytesOr(c.MaxBytes)
	return c
}

// What the brokers answer to messages that they refuse.
var (
	errNotConnected = message.Errorf(message.CodeInvalid, "the session is not connected")
	errNoSession    = message.Errorf(message.CodeInvalid, "the message has no session")
	errConnected    = message.Errorf(message.CodeConflict, "the session is connected already")
	errNoID         = message.Errorf(message.CodeInvalid, "the subscription has no id")
	errSelector     = message.Errorf(message.CodeInvalid, "selectors are not supported")
	errTransaction  = message.Errorf(message.CodeInvalid, "the broker does not know the transaction")
	errEnded        = message.Errorf(message.CodeUnavailable, "the subscription has ended")
	errDuplicate    = message.Errorf(message.CodeConflict, "the session has a subscription of this id already")
)

func errTooMany(limit int) error {
	return message.Errorf(message.CodeFull, "the session has %d subscriptions already", limit)
}

func errTooLong(limit int) error {
	return message.Errorf(message.CodeTooLarge, "a destination may have %d bytes at most", limit)
}

func errUnsupported(k message.Kind) error {
	return message.Errorf(message.CodeInvalid, "the broker does not support %s", k)
}
