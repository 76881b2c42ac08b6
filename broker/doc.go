// Package broker delivers messages to the sessions that subscribed to their
// destination. [Memory] is the embedded broker; [Users] resolves destinations
// of users to their sessions.
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
// subscribing holds, and costs what the matching subscriptions cost, however
// many others there are.
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
