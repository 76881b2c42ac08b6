// Package stompadapter lets STOMP 1.0, 1.1 and 1.2 clients take part in a
// pipeline of messages.
//
//	             ┌────────────────── Adapter ───────────────────┐
//	client ─────►│ decoder ─► session ─► message, receipt noted │─► inbound
//	client ◄─────│ outbox ◄─ frame, encoded once ◄─ Sink        │◄─ Session.Deliver
//	             └──────────────────────────────────────────────┘
//
// It is given the handler that takes what clients send, usually a channel, and
// needs nothing else; what clients are sent comes out of their sessions:
//
//	stomp := stompadapter.New(inbound, stompadapter.Config{})
//	http.Handle("/ws", stomp.WebSocket())
//
// # Sessions
//
// CONNECT becomes a [message.KindConnect]. Whoever answers for the broker
// delivers a [message.KindConnected] to the session, and the client gets its
// CONNECTED frame; what it sent before that, up to 8 KiB, is held until then
// and dropped when the connection is refused. However a session ends, exactly
// one [message.KindDisconnect] is the last that inbound sees of it.
//
// # Ordering
//
// The frames of a session go to inbound one at a time in their order. Receipts
// come in that order too, whatever the order in which the frames are done: a
// RECEIPT says that this frame and all before it are handled.
//
// # Errors
//
// Whatever goes wrong with a frame ends its session with an ERROR frame, after
// the receipts of the frames before it (STOMP 1.2, "ERROR"). Its message header
// is the text of an authored [message.Error], or just "internal error"; the
// code header is the [message.Code], receipt-id the receipt that the frame
// asked for. Text and cause are logged once. Of a frame's headers none is
// logged but the destination, which texts may quote; what handlers put into
// their errors is up to them.
//
// # Headers
//
// Clients cannot set what only servers may: message-id, subscription, ack and
// the names of [message.Reserved] are taken off what they send, and login and
// passcode are seen by the handlers of KindConnect alone. All other headers
// pass through to the subscribers.
//
// # Concurrency
//
// Inbound is called on the goroutine that reads the connection, so a handler
// that blocks holds up its own client only. Delivery never blocks and may come
// from any goroutine. A message that a broker handed over before it learned of
// an UNSUBSCRIBE is still sent.
package stompadapter
