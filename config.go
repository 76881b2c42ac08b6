package headrace

import (
	"cmp"
	"crypto/rand"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/message/codec"
	"github.com/headrace/headrace/message/destination"
)

// Config describes a [Node]. The zero value is a node with the prefixes /app,
// /topic, /queue and /user, an embedded broker, and messages of one session
// handled in order.
type Config struct {
	// AppPrefix begins the destinations of the Router. Zero means "/app". Like
	// all prefixes it may be written with or without the separator at its end.
	// What begins with "/-/" behind it is the node's own: answers to
	// [handler.Template.Request] come in there.
	AppPrefix string
	// BrokerPrefixes begin the destinations of the broker; replies without a
	// destination go below the first. Zero means "/topic" and "/queue", as far as
	// Relays leave them.
	BrokerPrefixes []string
	// UserPrefix begins the destinations of users. Zero means "/user".
	UserPrefix string
	// Relays give destinations to other brokers than the embedded one. Zero (nil)
	// means none.
	Relays []Relay
	// NoUserBroadcast is [broker.UsersConfig].NoBroadcast. Zero means that a message for
	// a user who is at no node, as far as is known, is sent to all.
	NoUserBroadcast bool
	// Separator divides destinations for patterns. Zero means "/". With "." a
	// prefix may still be followed by "/", as in "/topic/trades.ACME", and AppPrefix
	// is by nothing else.
	Separator destination.Separator
	// Codecs read and write payloads; [codec.JSON] and [codec.Set.Strict] make
	// them strict. Zero (nil) means the built-in ones.
	Codecs *codec.Set
	// Validate looks at every payload that an endpoint of the Router is given as
	// a Go value, from any goroutine; see [handler.Config]. Zero (nil) means no
	// further check.
	Validate func(payload any) error
	// MaxSubscriptions is how many subscriptions one session may hold at the
	// broker, and as many to destinations of its user. Zero means 128, -1 means
	// any number.
	MaxSubscriptions int
	// MaxPatternCost is how costly a pattern may be that a session subscribes
	// to, see [broker.Config]. Zero means 32, -1 means any cost.
	MaxPatternCost int
	// MaxDestination is how many bytes a destination of the broker may have.
	// Zero means 1,024, -1 means any number.
	MaxDestination int
	// Rules say how destinations of the broker are treated: which are queues whose
	// consumers compete, how deliveries are acknowledged, what is kept. Zero (nil)
	// means that all are topics. This makes queues of those below /queue:
	//
	//	Rules: []broker.Rule{{Prefix: "/queue", Mode: broker.Queue}}
	Rules []broker.Rule
	// MaxStored bounds the bytes of memory that all messages take which wait at the
	// broker, are not settled, or are kept, and as much for those of users' own
	// destinations. Zero means 64 MiB, -1 means any amount.
	MaxStored int64
	// Backplane makes one of this node and others, which have the same configuration: what
	// is sent to one reaches who is at any of them. It is the driver of an engine and stays
	// its maker's. Zero (nil) means that this node is alone.
	Backplane broker.Backplane
	// NodeID names this node among those of Backplane; zero (empty) means a random one.
	NodeID string
	// Receipts says how far a message to the Router must get before its sender is
	// told; [broker.Rule] says it of the broker's. Zero means [message.Handled].
	Receipts message.Level
	// Handling is put around the handling of what clients send, of every kind, on the
	// session's turn; what is mounted on Inbound runs before, where the adapter reads.
	// The first is the outermost. Zero (nil) means none.
	Handling []message.RawInterceptor
	// Publishing is put before Broker and Users for all that is published there, once
	// for each message, whether a client or the application sent it. The first is the
	// outermost. Zero (nil) means none.
	Publishing []message.RawInterceptor
	// Sending is put before what this node gives the engine of Backplane, once for each
	// message: it is where traces leave to other nodes. What it refuses is refused, but
	// for users: what goes to one has reached his sessions here by then. The first is the
	// outermost. Zero (nil) means none.
	Sending []message.RawInterceptor
	// Receiving is put before what other nodes published and what they send to queues, once
	// for each message, before it is delivered here. It is where traces of other nodes go
	// on. The first is the outermost. Zero (nil) means none.
	Receiving []message.RawInterceptor
	// Gate decides what reaches a session's queue: these are the last on the way out,
	// after everything that is mounted on Outbound, whatever way a message came. The
	// first is the outermost. Zero (nil) means that everything does which has a
	// session.
	Gate []message.RawInterceptor
	// UnorderedInbound lets messages of one session be handled side by side.
	// Zero means in order.
	UnorderedInbound bool
	// UnorderedOutbound lets messages to one session overtake each other: they are
	// handed to it by workers, not by who publishes them. It is for a Gate that
	// blocks. What the Gate or the session refuses then counts in Stats.Outbound and
	// is delivered as far as Broker and Users know: only what is not acknowledged
	// comes again. Zero means in order, on the publisher's goroutine.
	UnorderedOutbound bool
	// Workers is how many handlers run at once while none blocks. Zero means
	// 2 x GOMAXPROCS.
	Workers int
	// Logger is told of failures that nobody waits for. Zero (nil) means
	// slog.Default().
	Logger *slog.Logger
	// Doors are what Serve logs at its start, besides what the node and the adapters
	// leave open themselves: those of a policy, that it is not mounted yet among them,
	// and what else the program lets strangers do. Zero (nil) means that nobody has
	// said, which is logged; where interceptors of the program's own leave nothing
	// open, message.Doors{} says so.
	Doors message.Doors
	// LogStats is how often Serve logs [Stats], in one line of the level Info; the
	// first comes after 1 min, or LogStats where that is shorter. Zero means never.
	LogStats time.Duration
	// DrainDelay is how long Serve goes on as before when its end has come, while
	// Health says that the node is not ready, so that load balancers send nobody any
	// more. Zero means 5 s if Readyz was ever asked, else nothing; a negative duration
	// means nothing.
	DrainDelay time.Duration
	// DrainTimeout is how long Serve takes to end in all, DrainDelay included. Zero
	// means 25 s.
	DrainTimeout time.Duration
}

func (c Config) withDefaults() Config {
	if c.Backplane != nil {
		c.NodeID = cmp.Or(c.NodeID, strings.ToLower(rand.Text())) // one for all parts
	}
	c.AppPrefix = trimmed(cmp.Or(c.AppPrefix, "/app"))
	c.UserPrefix = trimmed(cmp.Or(c.UserPrefix, "/user"))
	c.DrainTimeout = cmp.Or(c.DrainTimeout, 25*time.Second)
	c.Relays = slices.Clone(c.Relays)
	for i, r := range c.Relays {
		c.Relays[i].Prefixes = trimmedAll(r.Prefixes)
	}
	if len(c.BrokerPrefixes) == 0 {
		c.BrokerPrefixes = c.unclaimed("/topic", "/queue")
	}
	c.BrokerPrefixes = trimmedAll(c.BrokerPrefixes)
	return c
}

func (c Config) logger() *slog.Logger { return cmp.Or(c.Logger, slog.Default()) }

func trimmedAll(prefixes []string) (all []string) {
	for _, prefix := range prefixes {
		all = append(all, trimmed(prefix))
	}
	return all
}

// trimmed returns a prefix without the separator at its end: what follows it
// brings one.
func trimmed(prefix string) string {
	short := strings.TrimRight(prefix, "/.")
	if short == "" {
		panic("headrace: the prefix " + strconv.Quote(prefix) + " leaves nothing for the others")
	}
	return short
}
