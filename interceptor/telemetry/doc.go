// Package telemetry has the interceptors that let OpenTelemetry see every hop.
// They use the API of OpenTelemetry alone: without an SDK they cost little and
// record nothing.
//
//	sender ──► TraceSend ──► channel, wire, engine ──► Trace ──► handler
//	           "send /orders"   Header: traceparent    "process /orders"
//
// [Trace] is mounted around a subscriber, [TraceSend] where messages are sent:
//
//	orders.Intercept(telemetry.TraceSend)
//	orders.Subscribe(handler, interceptor.Recover, telemetry.Trace)
//
// TraceSend writes the W3C trace context into the header, and Trace reads it
// there, so the two belong to one trace whatever carries the header from one to
// the other: a channel, a queue that outlives the sender's context, another
// process. Names, kinds and attributes follow the OpenTelemetry semantic
// conventions for messaging; all of them are in semconv.go.
//
// # Parents and links
//
// A handler's span is a child of the context in the header (the creation
// context), or of the span in ctx when that one belongs to the same trace and
// is therefore nearer. A sender's span is a child of the span in ctx, or of the
// creation context when there is none. Where both contexts exist the one that
// is not the parent becomes a link. Without any, the span is a root.
//
// A context that is in the header already stays there, unchanged: the sender
// then gets a span of kind CLIENT that links to it instead of a PRODUCER span.
//
// The context in the header is taken as it is. Where clients may not take part
// in the application's traces, take traceparent and tracestate off their
// messages before they reach Trace.
//
// # Names
//
// Span names hold the destination; user destinations are shown as /user/**
// ([Config] takes another prefix), and session ids appear only as an attribute.
//
// # Errors
//
// An error sets the span's status and error.type, which is the error's
// [message.Code]. [message.ErrDropped] is no failure and is told by the attribute
// headrace.dropped. A panic ends the span with an error and goes on; mounted as
// above, behind interceptor.Recover, the span sees it before it is recovered.
// The span covers the call: what a handler took over and finishes later comes
// after it.
//
// # Concurrency
//
// Everything here may be used from any number of goroutines at once.
package telemetry
