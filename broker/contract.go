package broker

import (
	"context"
	"iter"

	"github.com/headrace/headrace/message"
)

// Broker is what every broker of this toolkit is: it takes the messages of
// sessions by their [message.Kind], and sends what is delivered to the outbound
// handler that it was made with, one message for each subscription, with its
// Session, its Subscription and a message-id. messagetest.Broker holds it to that.
//
// It answers KindConnect with KindConnected, keeps KindSubscribe until
// KindUnsubscribe or KindDisconnect, publishes KindData, and settles deliveries by
// KindAck and KindNack. What it does not do it refuses; errors are authored for the
// sender.
type Broker interface {
	message.RawHandler
	// Features says what the broker can do.
	Features() Features
	// Close ends the broker. What it holds is given up, and messages that come
	// later are refused with CodeUnavailable.
	Close()
}

// Features are what a [Broker] can do beyond topics with exact destinations, which
// all can. The table of capabilities in the docs is made of them.
type Features struct {
	// Patterns: subscriptions may have wildcards.
	Patterns bool
	// Ordered: what one goroutine sends to one destination reaches each
	// subscription in that order, redelivery apart.
	Ordered bool
	// Queues: of the subscriptions to a destination, one gets a message.
	Queues bool
	// Backlog: a queue keeps messages while nobody listens.
	Backlog bool
	// Acks: deliveries are acknowledged, one by one or cumulatively, and those
	// that are not are delivered again.
	Acks bool
	// DeadLetters: what is delivered in vain too often goes to another
	// destination.
	DeadLetters bool
	// History: subscriptions resume where they were.
	History bool
	// Retain: new subscriptions get the last message.
	Retain bool
	// Selectors: subscriptions choose messages by an expression.
	Selectors bool
	// Durable: what was stored survives the end of the process.
	Durable bool
	// Nodes: brokers on several nodes are one.
	Nodes bool
}

// All yields each feature by its name, with what it means.
func (f Features) All() iter.Seq2[string, bool] {
	return func(yield func(string, bool) bool) {
		_ = yield("patterns", f.Patterns) &&
			yield("order", f.Ordered) &&
			yield("queues", f.Queues) &&
			yield("backlog", f.Backlog) &&
			yield("acknowledgements", f.Acks) &&
			yield("dead letters", f.DeadLetters) &&
			yield("history", f.History) &&
			yield("retained messages", f.Retain) &&
			yield("selectors", f.Selectors) &&
			yield("durable", f.Durable) &&
			yield("many nodes", f.Nodes)
	}
}

// Envelope is a message between nodes.
type Envelope struct {
	// ID is the same however often an engine delivers the message.
	ID string
	// Origin is the id of the node that sent it.
	Origin string
	// Destination is the message's.
	Destination string
	// Header is the message's. It may hold reserved names: no client can write to a
	// backplane.
	Header message.Header
	// Payload is the message's.
	Payload []byte
	// Done is given to members of a group, where the engine has acknowledgements: who
	// takes the message over holds it ([message.Completion.Hold]), and the engine
	// delivers it again when it is released with an error, or never. It is nil
	// otherwise, and on what is published.
	Done *message.Completion
}

// Backplane carries messages between nodes: the driver of an engine. Topics are
// destinations; "node." and the id of a node, and "registry", are reserved for what
// nodes tell each other. Its methods may be called from any goroutine. One that knows
// when a subscription misses messages is a [MissWatcher] too.
type Backplane interface {
	// Publish hands e to the engine and returns when that has it: what the
	// engine calls an acknowledgement, where it has one. It returns when ctx ends at
	// the latest. An authored error, but for CodeUnavailable and CodeTimeout, says
	// what is wrong with e; every other one, that the engine is.
	Publish(ctx context.Context, topic string, e Envelope) error
	// Subscribe calls receive with what is published to topic from then on, one
	// message at a time, until unsubscribe is called. Without a group every
	// subscription gets each message; of those of one group, one does. An error
	// of receive is for the engine to deliver again, if it can. Members of a group
	// may have several messages on their way, see Envelope.Done. ctx bounds the
	// call, not the subscription, which outlives what happens to the engine.
	// unsubscribe returns when receive is not called any more; it must not be
	// called by it.
	Subscribe(ctx context.Context, topic, group string, receive func(context.Context, Envelope) error) (unsubscribe func(), err error)
	// Watch calls changed when the engine comes and goes, and once at the
	// beginning, until stop is called.
	Watch(changed func(available bool)) (stop func())
	// Features says what the engine adds: Ordered, Durable, Queues for groups, Backlog for
	// groups that keep what waits for them, Acks where there is Envelope.Done.
	Features() Features
}

// MissWatcher is a [Backplane] that tells what did not come, so that nobody resumes over it.
type MissWatcher interface {
	// WatchMisses calls missed with the topic of a subscription without a group that has
	// missed messages of it, or may have, after what came before them and ahead of what
	// comes next if it can, until stop is called. What Watch tells is not told again.
	WatchMisses(missed func(topic string)) (stop func())
}
