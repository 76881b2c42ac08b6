// Package sseadapter lets clients take part in a pipeline of messages with
// nothing but HTTP: they listen to Server-Sent Events and send with POST. A
// browser needs no library for it, and neither does curl.
//
//	adapter := sseadapter.New(inbound, sseadapter.Config{})
//	http.Handle("/events", adapter.Events())
//
// # Listening
//
//	GET /events?destination=/topic/flour&destination=/topic/bran
//
// begins a session: one [message.KindConnect], then a subscription for each
// destination, with the ids "1", "2" and so on. Who is turned away gets the
// HTTP status of the error. Everybody else gets events, whose data are JSON
// objects:
//
//	event: connected   {"session":"…", "token":"…", "user":"anna"}
//	                   {"id":"1", "destination":"/topic/flour", "header":{…}, "payload":…}
//	event: receipt     {"receipt":"…"}
//	event: failure     {"receipt":"…", "code":"denied", "message":"not you"}
//
// Those without a name are messages; [codec.Envelope] says how header and
// payload are written.
//
// Browsers listen again when the connection breaks, and say by Last-Event-ID
// what they saw last. If that is not longer ago than Config.ResumeTimeout, the
// session goes on with all that was missed. If too much was missed, or the
// session is over, another one begins, as the event "connected" tells; its
// subscriptions carry the header last-event-id for brokers that can resume.
//
// # Sending
//
// A POST to the same URL names the session by its token, which may stand in the
// header Session-Token instead, where logs do not show it, and has to come from
// the same principal. Its body is the payload, its Content-Type the payload's,
// and each header=name:value of the query a field of the message's header.
//
//	POST /events?session=TOKEN&destination=/app/grind
//	POST /events?session=TOKEN&subscribe=3&destination=/topic/chaff
//	POST /events?session=TOKEN&unsubscribe=3
//	POST /events?session=TOKEN&ack=ID (or nack; ID is the header hr-ack of a message)
//	POST /events?session=TOKEN&begin=ID (or commit, abort)
//	POST /events?session=TOKEN&disconnect
//
// A subscription with header=ack:client or header=ack:client-individual gets
// messages that are to be acknowledged, by the hr-ack in their header; those that
// come again say in hr-deliveries how often they came. With header=transaction:ID
// a send, ack or nack is part of a transaction that was begun. Where a history is
// kept, messages have hr-offset and hr-epoch; a subscription with
// header=hr-offset:N and header=hr-epoch:E of the last message that the client has
// is answered first, by a message without a payload: its hr-recovered is "true" if
// what was missed follows.
//
// The answer is 202 once the request was taken; what became of it is told by an
// event: a failure, or, if the query has receipt=ID, a receipt. A page that
// leaves closes its EventSource first and then sends disconnect: a response
// that ends makes a browser listen again. A query has at most 16 KiB and 64
// headers; 64 requests may wait for their turn, further ones are answered 503.
//
// # Ordering
//
// The requests of a session go to inbound one at a time in the order in which
// they arrive, so who sends the next one before the answer to the last cannot
// know the order. Receipts and failures come in that order, whatever the order
// in which the requests are done.
//
// # Errors
//
// Clients are told the text of an authored [message.Error], or just "internal
// error". A request that is refused ends nothing, unless it is the first one or
// more than 8 KiB came before "connected".
//
// # Concurrency
//
// Inbound is called on the goroutine of the request, so a handler that blocks
// holds up its own client only. A listening client costs the goroutine of its
// request. Delivery never blocks and may come from any goroutine.
package sseadapter
