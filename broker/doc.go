// Package broker delivers messages to the sessions that subscribed to their
// destination. [Memory] is the embedded broker; [Users] resolves destinations
// of users to their sessions; [Transactions] is the stage before them that holds
// what is sent in a transaction.
//
//	inbound ─► Transactions ─┬─ /topic, /queue ─► Memory ─┐
//	                         └─ /user ──────────► Users ──┴─► outbound, one message per subscription
//
// Each takes a session's messages by [message.Kind]; the brokers send what is
// delivered to the outbound handler that they were made with:
//
//	outbound := new(channel.DirectChannel[[]byte])
//	memory := broker.NewMemory(outbound, broker.Config{})
//	err := memory.Handle(ctx, message.Raw{Destination: "/topic/news", Payload: news})
//
// # Topics
//
// A destination is a topic unless a [Rule] says otherwise: every subscription that
// matches, exactly or by a pattern, gets a message of its own, and who subscribes
// later gets none. All share one header, with the broker's [message.HeaderMessageID].
//
// # Queues
//
// In a [Queue] one of the subscriptions to the destination gets a message: they are
// served in turn, as far as they have room. One that acknowledges has room for
// [Acks].Prefetch deliveries, and none has while much waits for its client. Messages
// wait for room as far as [Backlog] goes, with nobody there too.
//
// # Acknowledgements
//
// A subscription with [message.HeaderAckMode] settles what it is delivered, by
// [message.KindAck] and [message.KindNack] with the delivery's [message.HeaderAck], or
// with the message's id: each by itself, or with all before it. To a topic, or to a
// destination of a user, such a subscription has a queue of its own, which ends with it;
// when too much waits there, its session is closed as one that does not read is. When the
// broker is full, the sender of a message that such a subscription should get is refused.
// Without an ack mode a delivery is settled by being sent.
//
// What is refused, by NACK, by the deadline, or by an error on the way out, is delivered
// again when its time of backing off is over, with [message.HeaderDeliveries]. What a
// session had not settled at its end goes to the next consumers at once, in its order and
// before what was never delivered; that is no refusal. After UNSUBSCRIBE deliveries may
// still be settled.
//
// What was refused [Acks].MaxDeliveries times is a dead letter. It is sent to
// [Acks].DeadLetter with [message.HeaderDeadFrom] or, without one, logged and dropped.
//
// # Histories
//
// A topic with a [History] numbers its messages: they have [message.HeaderOffset] and
// [message.HeaderEpoch]. A subscription to exactly this destination with both, as of the
// last message that its client has, is first told by an empty message with
// [message.HeaderRecovered] whether it can resume; if so it gets what it missed and then
// what comes, without a gap or a double. It cannot where too much was missed, where that
// was too long ago, or after the epoch: that ends when nothing is kept any more. With
// Retain a new subscription begins with the last message. Subscriptions with patterns get
// what comes, and cannot resume. Of what users are sent nothing is kept.
//
// # Nodes
//
// With a [Backplane] the brokers of several nodes are one. They have the same [Rule]s, and
// names of their own: what comes with a node's name is its own echo to it. A message to a
// topic is given to the engine, and when that has it, which is when it is [message.Stored],
// to the subscriptions of the node; the others get it as it comes there. When the engine
// does not take it, the sender is refused with CodeUnavailable and the node's subscriptions
// do not get it; after no answer within 10 s nobody knows who will. After five failures in a
// row everything is refused at once, but for one a second, until one goes well. More than
// 1,024 messages under way are refused with CodeFull, and so is what finds too much on its
// way from a topic with a history, before the engine is asked. A commit publishes like
// everybody else, and so do dead letters: one that cannot be published comes again.
//
// A node is subscribed to a destination at the engine once, while it has subscriptions to
// it or a history of it; a SUBSCRIBE is stored when it is. What is sent to others costs it
// nothing. Patterns see nothing of that, so they are refused, unless [Rule].Everywhere lets
// all that is sent below a prefix come to all nodes, or [Rule].Local none of it leave the
// node.
//
// A history is its node's own, with offsets and an epoch of its own: who comes back to
// another node is told that he cannot resume. It has what the other nodes send from when it
// began. After the engine was away all histories begin anew, unless it keeps what a node
// misses (it is Durable), for there may be a gap. The last message of a topic with Retain
// stays. A node that is new has none.
//
// A message to a queue goes to the engine and from there to one of the nodes with
// consumers, who competes with them in the engine's group. Where nobody consumes it waits
// there, if the engine has a Backlog, and is lost if it has none. It is settled at the engine
// when a consumer has settled it. When the last consumer of a node has gone, be it by
// UNSUBSCRIBE, or the broker is closed, what it holds is published again, with the number of
// its deliveries and refusals, and what the engine does not take it delivers again by itself,
// if it has acknowledgements. A node that crashes leaves that to the engine. So a message may
// come twice, as with every engine that delivers at least once. No node learns what becomes
// of a message at another one: rules that promise a receipt at [message.Handled] panic.
//
// Config.Sending sees what is published to the engine, and Config.Receiving all that comes
// from it. Traces leave and go on there: the headers of a message travel with it.
//
// # Subscription ids
//
// An id names one subscription of a session, and is not empty. Each broker
// refuses one that it holds already, but does not know of the other's: an adapter
// that lets its clients choose ids checks them for the whole session, as it does
// its limit of subscriptions.
//
// # Concurrency
//
// All methods may be called from any goroutine. Publishing takes no lock that
// subscribing holds. The brokers have no goroutines but those of timers, and, with a
// Backplane, one that ends subscriptions at the engine, while there are some to end,
// one that tells events of it, and those that end the broker.
//
// To a topic without a history a message is delivered on its publisher's goroutine,
// before Handle returns. From a queue, and to a topic with a history, one goroutine
// delivers at a time: whoever has something to deliver, be it a publisher, a subscriber,
// one who acknowledges, or a timer, unless somebody is at it already. Then he leaves it
// to that one and returns at once; so a publisher may deliver for others, and others for
// him. Who finds more than 1,024 messages on their way from a topic with a history waits,
// 10 s at most. With a Backplane who publishes or subscribes waits for the engine, 10 s at
// most too. Nothing else waits, unless the outbound handler does: it should not block.
// It may call the broker, but not Close or Shutdown. A delivery that its publisher does not wait for
// has the values of his context, and not its end.
//
// # Ordering
//
// What one goroutine publishes to topics without a history reaches every subscription in
// that order. A topic with a history, and a queue, has one order of its messages, that in
// which they were published; between several of them there is none. A queue's consumer
// gets messages in that order too, refused ones apart: the others do not wait for these.
//
// # Cost
//
// A publication costs what the matching subscriptions cost. Others to exact
// destinations cost it nothing, however many there are; those to patterns cost
// it something as far as they begin like the destination, and all that begins
// with "**", a wildcard or a variable does. [Config] bounds what one session can
// make of that. To acknowledge by the message's id costs more than by the delivery's, the
// more so the more the session has not settled.
//
// # Memory
//
// Everything is bounded: a session's subscriptions, their patterns and destinations by
// [Config]; each queue by [Backlog] and each history by [History]; all of them together by
// Config.MaxBytes; transactions by [TransactionsConfig]; what a node takes from a Backplane
// by the subscriptions that sessions may have and by [History].Topics. What counts is about
// what messages take, with 384 bytes for each; a queue, and a topic that keeps something,
// takes half a KB beside it. Both go when they hold nothing and, a queue, serves nobody.
// Clients choose their names: who may send where is for an interceptor to say.
//
// # Errors
//
// Errors that Handle returns are authored for the sender, with a [message.Code]: Invalid
// for what makes no sense (an ack mode, an offset, a selector, a SEND to a pattern of
// queues), Denied for a pattern that is not allowed or costs too much, Conflict for an id
// that is taken, NotFound for an acknowledgement or a transaction of nothing, TooLarge for
// a destination, Full where a bound is reached, Unavailable when the broker is closed. With
// [Rule].Receipts at [message.Handled] the sender of a message to a queue also learns what
// became of it: Timeout is a dead letter.
//
// An error of one delivery (the session is closed, its queue is over its
// bound, an interceptor refuses it) is that session's: it is counted, and neither the
// publisher nor the other subscribers learn of it. A panic is an error, and logged. What
// is given up after it was taken is counted with its reason, see [QueueStats].
package broker
