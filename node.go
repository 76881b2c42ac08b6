package headrace

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/channel"
	"github.com/headrace/headrace/handler"
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
	// destination go below the first. Zero means "/topic" and "/queue".
	BrokerPrefixes []string
	// UserPrefix begins the destinations of users. Zero means "/user".
	UserPrefix string
	// Separator divides destinations for patterns. Zero means "/". With "." a
	// prefix may still be followed by "/", as in "/topic/trades.ACME".
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
	// leave open themselves: those of a policy, and what else the program lets
	// strangers do. Zero (nil) means that nobody has said, which is logged; where
	// interceptors of the program's own leave nothing open, message.Doors{} says so.
	Doors message.Doors
	// LogStats is how often Serve logs [Stats], in one line of the level Info; the
	// first comes after 1 min, or LogStats where that is shorter. Zero means never.
	LogStats time.Duration
}

func (c Config) withDefaults() Config {
	c.AppPrefix = trimmed(cmp.Or(c.AppPrefix, "/app"))
	c.UserPrefix = trimmed(cmp.Or(c.UserPrefix, "/user"))
	if len(c.BrokerPrefixes) == 0 {
		c.BrokerPrefixes = []string{"/topic", "/queue"}
	}
	c.BrokerPrefixes = slices.Clone(c.BrokerPrefixes)
	for i, prefix := range c.BrokerPrefixes {
		c.BrokerPrefixes[i] = trimmed(prefix)
	}
	return c
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

// Node is three channels, a router, a template and an embedded broker, wired.
// Its fields are made by [New]; interceptors are mounted on the channels.
type Node struct {
	// Inbound takes what clients send. Adapters send into it.
	Inbound *channel.ExecutorChannel[[]byte]
	// Outbound takes what clients are sent, one message per subscription, on
	// the publisher's goroutine.
	Outbound *channel.DirectChannel[[]byte]
	// BrokerChannel takes what the application publishes: replies and what
	// Template sends.
	BrokerChannel *channel.DirectChannel[[]byte]
	// Router handles the messages below Config.AppPrefix.
	Router *handler.Router
	// Template sends from anywhere in the program. Clients answer its requests
	// by a message to the reply-to of the request, /-/answers below
	// Config.AppPrefix, with the correlation-id of the request.
	Template *handler.Template
	// Broker delivers what is sent below Config.BrokerPrefixes.
	Broker *broker.Memory
	// Transactions holds what clients send in transactions, before any of the others
	// sees it.
	Transactions *broker.Transactions
	// Users delivers what is sent below Config.UserPrefix.
	Users *broker.Users
	// Events tells what sessions do, on the goroutine that does it. That the broker
	// is there is told before New returns, so to nobody; that it is not any more is
	// told here.
	Events *channel.DirectChannel[broker.Event]

	split    split
	outgoing *channel.ExecutorChannel[[]byte] // nil unless Config.UnorderedOutbound
	adapters atomic.Pointer[[]Adapter]        // that Serve was given
}

// New returns a node that is ready for adapters. Shutdown or Close ends it; [Node.Serve]
// does so by itself.
func New(config Config) *Node {
	config = config.withDefaults()
	checkPrefixes(config)
	n := &Node{
		Outbound:      new(channel.DirectChannel[[]byte]),
		BrokerChannel: new(channel.DirectChannel[[]byte]),
		Events:        new(channel.DirectChannel[broker.Event]),
	}
	n.Inbound = channel.NewExecutorChannel(channel.Config[[]byte]{
		Name:      "inbound",
		Mailbox:   inboundMailbox,
		Workers:   config.Workers,
		Unordered: config.UnorderedInbound,
		Logger:    config.Logger,
	})
	n.split = split{config: config, node: n}
	n.split.events = message.HandlerFunc[broker.Event](n.split.observe)
	n.Broker = broker.NewMemory(n.Outbound, config.broker(n.split.events))
	n.Transactions = broker.NewTransactions(broker.TransactionsConfig{})
	n.Users = broker.NewUsers(n.Outbound, config.users(n.split.events, n.Broker))
	n.Router = handler.NewRouter(n.BrokerChannel, config.router(n.Outbound))
	n.Template = handler.NewTemplate(n.BrokerChannel, config.template())
	handler.Consume(n.Router, answers, n.Template.Answer)
	n.wire()
	return n
}

// answers is where clients answer the requests of Template, behind AppPrefix.
// No route of an application is likely to begin with a dash.
const answers = "/-/answers"

// Handle sends m into Inbound, as adapters do: a node is a handler like
// everything that takes a message.
func (n *Node) Handle(ctx context.Context, m message.Raw) error { return n.Inbound.Handle(ctx, m) }

// inboundMailbox is how many messages of one client may wait: few beside what may
// be under way altogether, so that clients who send to a handler that hangs do
// not use up everybody's room.
const inboundMailbox = 64

// checkPrefixes refuses prefixes that claim each other's destinations.
func checkPrefixes(c Config) {
	all := append([]string{c.AppPrefix, c.UserPrefix}, c.BrokerPrefixes...)
	for i, a := range all {
		for _, b := range slices.Concat(all[:i], all[i+1:]) {
			if below(a, b, c.Separator) {
				panic("headrace: the prefixes " + a + " and " + b + " overlap")
			}
		}
	}
}

// Shutdown refuses new messages and waits until what was accepted is handled,
// as long as ctx lasts. Then the broker is closed: what waits in queues is given up.
// Adapters are shut down before it.
func (n *Node) Shutdown(ctx context.Context) error {
	err := n.Inbound.Shutdown(ctx)
	n.Broker.Close()
	n.Users.Stop()
	if n.outgoing != nil {
		err = errors.Join(err, n.outgoing.Shutdown(ctx))
	}
	return err
}

// Close abandons what waits and ends the node's goroutines. Adapters are closed
// before it.
func (n *Node) Close() {
	n.Inbound.Close()
	n.Broker.Close()
	n.Users.Stop()
	if n.outgoing != nil {
		n.outgoing.Close()
	}
}
