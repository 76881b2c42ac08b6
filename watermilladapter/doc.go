// Package watermilladapter joins channels to Watermill, and so to every engine
// that Watermill reaches: Kafka, NATS, RabbitMQ, Redis, SQL, Go channels.
//
//	engine ──► Subscriber ──► From ──► RawHandler: channel, router, broker, stage
//	engine ◄── Publisher  ◄── To   ◄── whoever sends
//
// Both directions are one call:
//
//	source, err := watermilladapter.From(ctx, subscriber, "orders", inbound, watermilladapter.FromConfig{})
//	orders.Subscribe(watermilladapter.To(publisher, nil))
//
// A typed channel takes handler.Decode around it, and handler.Encode on the way out.
//
// The other way round, [PubSub] is a Watermill pub/sub of channels, [NewPublisher]
// makes a publisher of any handler, and [Middleware] an interceptor of what a
// Watermill router has as middleware. [Backplane] joins the brokers of several nodes
// over any pub/sub. The page docs/watermill.md is for those who come from Watermill.
//
// # Messages
//
// A message's UUID is the header message-id, its metadata are the other header
// fields, by name in ascending order; the first field of a name wins, for
// metadata holds one. The payload is shared and must not be changed. Metadata
// carries the W3C trace context like any header field, so that a trace goes on
// behind the engine.
//
// # Acknowledgement
//
// A message is acknowledged when it was handled: when the handler returned and
// everybody who took the message over, such as an executor channel, is done with
// it. An error refuses it (nack), and the engine delivers it again; so does a
// panic. [message.ErrDropped] acknowledges: who drops a message does not want it
// back. Delivery is at least once.
//
// An engine without a limit delivers a message that always fails for ever, once
// per NackDelay. A handler that returns nil for what it gave up on ends that.
//
// # Ordering
//
// By default the next message is taken when the one before was settled: one at a
// time, in the engine's order. With InFlight above one, messages are still
// handed on one by one in the engine's order, and it is the channel behind that
// handles them side by side; a message that failed is then delivered again after
// later ones.
//
// # Concurrency
//
// A [Source] has one goroutine, which hands the messages on, and a timer for each
// message under way. Shutdown drains and Close abandons; both join them, and give
// the engine time to take the last acknowledgements. Subscriber and publisher belong
// to who made them: close them afterwards.
//
// A [Backplane] and a [PubSub] have one goroutine for each subscription, and a
// Backplane workers for those who publish, as many as wait for its engine at once,
// up to a bound.
//
// # Errors
//
// To returns the engine's error as the cause of an authored error with
// [message.CodeUnavailable].
package watermilladapter
