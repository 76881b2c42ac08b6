// Package broker delivers messages to the sessions that subscribed to their
// destination. [Memory] is the embedded broker; [Users] resolves destinations
// of users to their sessions; [Transactions] is the stage before them that holds
// what is sent in a transaction.
//
//	inbound ─┬─ /topic, /queue ─► Memory ─┐
//	         └─ /user ──────────► Users ──┴─► outbound, one message per subscription
//
// Both take a session's messages by [message.Kind] and send what is delivered
// to the outbound handler they were made with:
//
//	outbound := new(channel.DirectChannel[[]byte])
//	memory := broker.NewMemory(outbound, broker.Config{})
//	err := memory.Handle(ctx, message.Raw{Destination: "/topic/news", Payload: news})
//
// # Concurrency
//
// All methods may be called from any goroutine. Publishing takes no lock that
// subscribing holds.
//
// # Cost
//
// A publication costs what the matching subscriptions cost. Others to exact
// destinations cost it nothing, however many there are; those to patterns cost
// it something as far as they begin like the destination, and all that begins
// with "**", a wildcard or a variable does. [Config] bounds what one session can
// make of that: how many subscriptions it has, the cost of each pattern, and the
// length of a destination.
//
// # Subscription ids
//
// An id names one subscription of a session, and is not empty. Each broker
// refuses one that it holds already, but does not know of the other's: an adapter
// that lets its clients choose ids checks them for the whole session, as it does
// its limit of subscriptions.
//
// # Ordering
//
// Deliveries are made on the publisher's goroutine: what one goroutine publishes
// reaches every subscriber in that order.
//
// # Errors
//
// An error of one delivery (the session is closed, its queue is over its bound)
// is that session's: it is counted, and neither the publisher nor the other
// subscribers learn of it. Errors that Handle returns are authored for the
// sender.
package broker
