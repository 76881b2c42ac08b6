// Package stompadapter lets STOMP 1.0, 1.1 and 1.2 clients take part in a
// pipeline of messages.
//
//	                               ┌─ dialect: frames and messages
//	WebSocket ─┐                   │
//	SockJS ────┼─► transport.Conn ─┴─► transport.Exchange ─► inbound
//	TCP, TLS ──┘         ◄── frame, encoded once ──◄── Session.Deliver
//
// It is given the handler that takes what clients send, usually a channel, and
// needs nothing else; what clients are sent comes out of their sessions:
//
//	stomp := stompadapter.New(inbound, stompadapter.Config{})
//	http.Handle("/portfolio/", stomp.SockJS())
//	http.Handle("/ws", stomp.WebSocket())
//	go stomp.ServeTCP(listener)
//
// Whatever the endpoint, clients share sessions, limits, rules of origin and
// statistics.
//
// # Sessions
//
// CONNECT becomes a [message.KindConnect]. Whoever answers for the broker
// delivers a [message.KindConnected] to the session, and the client gets its
// CONNECTED frame; what it sent before that, up to 8 KiB, is held until then
// and dropped when the connection is refused. However a session ends, exactly
// one [message.KindDisconnect] is the last that inbound sees of it.
//
// # Versions
//
// The version is the highest that both sides speak; a WebSocket subprotocol
// limits it, for a client that was told v11.stomp does not expect what came
// later. Without a subprotocol accept-version alone decides, and without that
// it is 1.0. When no version is left, ERROR names those there are.
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
// pass through to the subscribers. Of reserved ones clients are shown those by
// which brokers tell what became of a message ([message.ToClient]):
//
//	hr-deliveries         how often it was delivered, from the second time on
//	hr-dead-from          where nobody acknowledged what is a dead letter now
//	hr-offset, hr-epoch   its place in the history of its destination
//	hr-recovered          see below
//
// ACK and NACK become [message.KindAck] and [message.KindNack], BEGIN, COMMIT
// and ABORT kinds of the same names; [Headers] reads what they are about:
//
//	          1.0                   1.1                   1.2
//	MESSAGE   message-id            message-id            message-id, ack = hr-ack
//	ACK       message-id            message-id            id, in the header hr-ack
//	          [Subscription]        Subscription
//	BEGIN …   transaction           transaction           transaction
//
// A broker that wants a delivery acknowledged sets its header hr-ack to an id
// that is unique within the session. The transaction of SEND, ACK and NACK stays
// in their header and does not reach subscribers.
//
// # Resumption
//
// Where a broker keeps a history, a client that comes back says on SUBSCRIBE by
// hr-offset and hr-epoch which message it has got last. It is answered by a
// MESSAGE without a body: with hr-recovered:true what it missed follows, with
// hr-recovered:false that is not known. Either says by the same headers, where
// there is a history, from which place the client goes on. One that has no place
// yet asks with hr-offset:0. With an ack mode the answer is to be acknowledged as
// messages are.
//
// # Concurrency
//
// Inbound is called on the goroutine that reads the connection, so a handler
// that blocks holds up its own client only. Delivery never blocks and may come
// from any goroutine. A message that a broker handed over before it learned of
// an UNSUBSCRIBE is still sent.
package stompadapter
