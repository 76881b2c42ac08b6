// Package relay lets an external message broker that speaks STOMP, such as RabbitMQ or
// ActiveMQ, do the work of a [broker.Broker].
//
//	session ─► Handle ─► its own connection ────────► ┌────────┐
//	         outbound ◄─ MESSAGE ◄─────────────────── │ broker │
//	application ─► Handle ─► window ─► connection ──► └────────┘
//	                         sent again after a loss
//
// A node has one by its config:
//
//	node := headrace.New(headrace.Config{Relays: []headrace.Relay{{
//		Prefixes: []string{"/topic", "/queue"},
//		New: func(outbound message.RawHandler, events message.Handler[broker.Event]) broker.Broker {
//			return relay.New(outbound, relay.Config{Address: "rabbit.example.com:61613", Events: events})
//		},
//	}}})
//
// # Sessions
//
// KindConnect opens a connection to the broker for the session, and is answered when the
// broker has answered that. Frames pass in the order of the session; a message's Done is
// told by the broker's receipt. What the broker refuses ends the session, as does the loss
// of the connection, unless Config.Reattach is set. What is part of a transaction is
// answered at once, and its COMMIT by the broker. Deliveries have a [message.HeaderAck] of
// the relay's own, so that clients of every adapter can settle them; cumulative
// acknowledgements are made one by one at the broker.
//
// # The application
//
// Messages without a session are persistent, have an id, and wait in a window until the
// broker has confirmed them: a lost connection is replaced, for ever, and they are sent
// again. So each comes at least once. A message that the broker refuses costs no other.
// While the broker is away nothing further is taken.
//
// # Several nodes
//
// Relays of several nodes are one broker: it is the same behind all. That they know the
// users of each other takes a [broker.Backplane] besides, and Config.Sessions; [Backplane]
// is one by RabbitMQ.
//
// # Concurrency
//
// A session has a goroutine that reads and one that writes, and so has the relay. Events,
// Config.Subscriptions and the outbound handler are called on those that read, and hold up
// their connection alone; completions too, which must not block.
package relay
