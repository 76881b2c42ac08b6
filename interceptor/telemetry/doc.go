// Package telemetry has the interceptors that let OpenTelemetry see every hop, and
// its metrics. They use the API of OpenTelemetry alone: without an SDK they cost
// little and record nothing.
//
//	sender ──► TraceSend ──► channel, wire, engine ──► Trace ──► handler
//	           "send /orders"   Header: traceparent    "process /orders"
//
//	TraceSend ──► TracePublish ──► broker ──► TraceDelivery ──► clients
//	              "publish /topic/news"       counts, or "deliver /topic/news"
//
// [Trace] is mounted around a subscriber, a router, a group or a route,
// [TraceSend] where messages are sent:
//
//	orders.Intercept(telemetry.TraceSend)
//	orders.Subscribe(handler, interceptor.Recover, telemetry.Trace)
//
// and on the parts of a node, with one [Config]:
//
//	node := headrace.New(headrace.Config{
//		Handling:   []message.RawInterceptor{telemetry.TraceWith[[]byte](c)},
//		Publishing: []message.RawInterceptor{telemetry.TracePublish(c)},
//		Gate:       []message.RawInterceptor{telemetry.TraceDelivery(c)},
//	})
//	node.Inbound.Intercept(telemetry.Sessions(c), telemetry.TraceSendWith[[]byte](c))
//	node.BrokerChannel.Intercept(telemetry.TraceSendWith[[]byte](c))
//
// Each is for one place: two of a kind around the same handler count twice.
// Messages that go to an engine or come from one pass TraceSendWith and TraceWith
// with a Config whose System names it, as Sending and Receiving of a node with a
// Backplane; those that go to another broker pass [TraceRelay].
//
// TraceSend writes the W3C trace context into the header, and Trace reads it
// there, so the two belong to one trace whatever carries the header from one to
// the other: a channel, a queue that outlives the sender's context, a client,
// another process. Names, kinds and attributes follow the OpenTelemetry semantic
// conventions for messaging; all of them are in semconv.go.
//
// # Parents and links
//
// A span is a child of the one in ctx. Without one it is a child of the context in
// the header, the creation context; without that it is a root. A creation context
// that is not the parent is a link. With [LinkOnly] it is never the parent of what
// handles the message, and neither is the sender's span: both sides are traces of
// their own. Spans of acknowledgements always link.
//
// The context of a session may carry the span of the HTTP handshake. That is the
// parent of the span of KindConnect while it lasts, and a link of it when it has
// ended; the other messages of the session do not hang together with it.
//
// A creation context that is in the header already stays there, unchanged: the
// sender then gets a span of kind CLIENT that links to it, or has it as its parent,
// instead of a PRODUCER span.
//
// # Clients
//
// A client that is part of the trace puts the context of its span into the header of
// what it sends, and mounts Trace around what it does with a message. Its span hangs
// from the message's only where there is none in ctx: a subscription whose handler is
// called with the context of a span that made it has that one as the parent of all,
// so it is made outside of a span.
//
// # What clients send
//
// A message with a session is one that a client sent. [Config.RemoteContext] says
// what its traceparent and tracestate are worth: by default those of users count,
// those of anonymous sessions become links. Where they do not count they are not the
// parent of any span, decide nothing about sampling, and do not go on: the message
// has the context of our span in their place. A trusted client chooses the trace
// id, and decides for samplers that go by the parent.
//
// Baggage of clients is taken off their messages unless [Config.RemoteBaggage] says
// otherwise. Then, as with the application's own, one header of at most 8,192 bytes
// is read.
//
// This is done by TraceSend, Trace and TracePublish, whichever comes first on the
// way in, and so by none where none is mounted. Messages without a session, those of
// other nodes among them, are trusted.
//
// # Deliveries
//
// The context is put into a message before the broker hands it out, so that all who
// receive it share one header and it is encoded once. A broadcast is one span;
// [Config.DeliverySpans] adds one for each delivery, which does not change the
// header.
//
// # Names
//
// Names and attributes show of a destination what [Config.Template] returns. Without
// it spans show destinations as they are, so whoever lets clients choose them sets
// it, and metrics show none. Of destinations of users nothing but "/user/queue/*" is
// shown ([Config.UserPrefix] is another prefix). Ids of sessions and subscriptions
// appear as attributes of spans alone, names of users only when Config.EndUser is set.
//
// # Metrics
//
// Trace measures messaging.process.duration and, over all destinations,
// messaging.client.consumed.messages and headrace.handler.panics; TraceSend
// messaging.client.sent.messages and, over all destinations,
// messaging.client.operation.duration. What fails is measured over all destinations, by
// error.type: with both there would be as many series as destinations times codes. Both,
// and [TracePublish], count in headrace.messages.dropped what an interceptor behind them
// drops, of every kind, by the name that [message.Drop] was given, and each drop once. With
// [Config.Channel] both together measure headrace.channel.queue.wait. [Sessions] counts
// headrace.sessions.active and closed. [Observe] reads what others count:
// headrace.channel.queue.depth, rejected and dropped, headrace.subscriptions.active,
// headrace.frames, by direction and by what the protocol calls a frame,
// headrace.outbound.buffer.bytes and dropped.messages, headrace.relay.connections and
// available.
//
// # Errors
//
// An error sets the span's status and error.type, which is the error's
// [message.Code]. [message.ErrDropped] is no failure and is told by the attribute
// headrace.dropped, and by headrace.interceptor where [message.Drop] names one. A panic
// ends the span with an error and goes on; mounted as above, behind
// interceptor.Recover, the span sees it before it is recovered. The span covers the
// call: what a handler took over and finishes later comes after it.
//
// [LogHandler] adds the ids of trace and span to log lines. Every span tells the
// message's Done of itself, by [message.Completion.Within], so that what adapters log of
// a message that failed has them too.
//
// # Concurrency
//
// Everything here may be used from any number of goroutines at once, starts none,
// and blocks only if a provider does. Exporters belong behind a batch processor,
// which drops spans rather than wait.
package telemetry
