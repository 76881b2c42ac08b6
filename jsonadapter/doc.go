// Package jsonadapter lets clients that speak plain JSON over WebSocket take
// part in a pipeline of messages: a browser needs no library for it.
//
//	adapter := jsonadapter.New(inbound, jsonadapter.Config{})
//	http.Handle("/json", adapter.WebSocket())
//
// # Objects
//
// Client and server send each other objects. A client's may have white space
// between them and be split over WebSocket messages or share one; each of the
// server's is a message. All fields but type may be left out where they are not
// needed.
//
//	{"type":"connect", "header":{…}}
//	{"type":"send", "destination":"/app/grind", "header":{…}, "payload":…}
//	{"type":"subscribe", "id":"1", "destination":"/topic/flour", "header":{…}}
//	{"type":"unsubscribe", "id":"1", "header":{…}}
//	{"type":"ack", "id":"…"}     (or nack; the id is the header hr-ack of a message)
//	{"type":"begin", "id":"t1"}  (or commit, abort)
//	{"type":"disconnect"}
//	{"type":"ping"}
//
//	{"type":"connected", "session":"…", "user":"anna"}
//	{"type":"message", "id":"1", "destination":"/topic/flour", "header":{…}, "payload":…}
//	{"type":"receipt", "receipt":"…"}
//	{"type":"error", "receipt":"…", "code":"denied", "message":"not you"}
//	{"type":"pong"}
//
// A header is an object of strings, in no order: it becomes a [message.Header]
// sorted by name, and of a name that a message repeats clients get the first
// value. Names that only a server may set ([message.Reserved]) are taken off
// what clients send, but see [message.FromClient].
//
// A payload whose content-type is JSON (application/json, …+json) is embedded
// as it is, other text is a string, and other bytes are a string in base64 next
// to "encoding":"base64". A payload that is no string needs no content-type:
// it is application/json. No payload means an empty one.
//
// # Acknowledgements and transactions
//
// A subscription whose header ack is "client" or "client-individual" gets messages
// that are to be acknowledged, by the hr-ack in their header; those that come again
// say in hr-deliveries how often they came. The header transaction makes send, ack
// and nack part of a transaction that was begun.
//
// Where a history is kept, messages have hr-offset and hr-epoch. A subscription
// with those of the last message that the client has is answered first, by a
// message without a payload: its hr-recovered is "true" if what was missed follows.
//
// # Sessions
//
// Connect comes first and becomes a [message.KindConnect]; connected is what
// the broker's [message.KindConnected] becomes. What the client sends in
// between, up to 8 KiB, is held until then and dropped when the connection is
// refused. However a session ends, exactly one
// [message.KindDisconnect] is the last that inbound sees of it.
//
// # Ordering
//
// The objects of a session go to inbound one at a time in their order. Any but
// ping may ask for a receipt; receipts and errors come in the order of the
// objects, whatever the order in which they are done: a receipt says that this
// object and all before it were handled or answered with an error. A client
// that has 1,024 objects under way is not read from until the oldest is done.
//
// # Errors
//
// What is refused, or fails, is answered with an error object, which has the
// receipt if one was asked for, and the session goes on. It ends, after the
// error object, when the connection is refused, when something else than
// connect or ping comes first, and when the client's text is no sequence of
// JSON objects of at most 64 KiB. Clients are told the text of an authored
// [message.Error], or just "internal error"; the cause is logged once. The type
// of a [message.KindError] is error too; it has the header and the payload of
// the message and ends nothing. Subscription ids are the broker's to check.
//
// # Concurrency
//
// Inbound is called on the goroutine that reads the connection, so a handler
// that blocks holds up its own client only. Delivery never blocks and may come
// from any goroutine.
package jsonadapter
