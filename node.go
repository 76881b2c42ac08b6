package headrace

import (
	"context"
	"sync/atomic"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/channel"
	"github.com/headrace/headrace/handler"
	"github.com/headrace/headrace/message"
)

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
	// Relays are the brokers that Config.Relays made, in that order.
	Relays []broker.Broker
	// Transactions holds what clients send in transactions, before any of the others
	// sees it.
	Transactions *broker.Transactions
	// Users delivers what is sent below Config.UserPrefix.
	Users *broker.Users
	// Events tells what sessions do, on the goroutine that does it. That the broker
	// is there is told before New returns, so to nobody; that it is not any more is
	// told here. With a Backplane both are told here, whenever its engine comes and goes.
	Events *channel.DirectChannel[broker.Event]

	split    split
	life     life
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
	n.split = split{config: config, node: n, own: n.life.awaits()}
	n.split.events = message.HandlerFunc[broker.Event](n.split.observe)
	n.Broker = broker.NewMemory(n.Outbound, config.broker(n.split.events))
	n.Transactions = broker.NewTransactions(broker.TransactionsConfig{})
	n.Users = broker.NewUsers(n.Outbound, config.users(n.split.events, n.Broker))
	n.Router = handler.NewRouter(n.BrokerChannel, config.router(n.Outbound, n.Broker))
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
