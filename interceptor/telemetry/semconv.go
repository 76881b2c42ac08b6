package telemetry

import (
	"go.opentelemetry.io/otel/attribute"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/headrace/headrace/message"
)

// Everything that the semantic conventions for messaging decide is in this
// file: their status is Development, so they move.

const (
	instrumentation = "github.com/headrace/headrace/interceptor/telemetry"
	schemaURL       = semconv.SchemaURL
	defaultSystem   = "headrace"
)

// Attributes of our own.
const (
	sessionKey = attribute.Key("headrace.session.id")
	droppedKey = attribute.Key("headrace.dropped")
	fanoutKey  = attribute.Key("headrace.fanout.count")
	channelKey = attribute.Key("headrace.channel")
	waitKey    = attribute.Key("headrace.queue.wait_ms")
	adapterKey = attribute.Key("headrace.adapter")
	commandKey = attribute.Key("headrace.command")
	brokerKey  = attribute.Key("headrace.broker")
	overKey    = attribute.Key("headrace.transport")
	reasonKey  = attribute.Key("headrace.reason")

	interceptorKey = attribute.Key("headrace.interceptor")
)

// Metrics of our own; the others have the names of package messagingconv.
const (
	queueDepth          = "headrace.channel.queue.depth"
	queueWait           = "headrace.channel.queue.wait"
	channelRejected     = "headrace.channel.rejected"
	channelDropped      = "headrace.channel.dropped"
	messagesDropped     = "headrace.messages.dropped"
	handlerPanics       = "headrace.handler.panics"
	sessionsActive      = "headrace.sessions.active"
	sessionsClosed      = "headrace.sessions.closed"
	subscriptionsActive = "headrace.subscriptions.active"
	framesPassed        = "headrace.frames"
	bufferBytes         = "headrace.outbound.buffer.bytes"
	outboundDropped     = "headrace.outbound.dropped.messages"
	relayConnections    = "headrace.relay.connections"
	relayAvailable      = "headrace.relay.available"
)

// buckets are the boundaries for durations in seconds.
var buckets = []float64{.005, .01, .025, .05, .075, .1, .25, .5, .75, 1, 2.5, 5, 7.5, 10}

// operation is what a span stands for.
type operation struct {
	name     string
	spanKind trace.SpanKind
	kind     message.Kind         // of the messages
	types    []attribute.KeyValue // messaging.operation.type, if it has one
	consumes bool                 // it handles what was sent: LinkMode counts
	settles  bool                 // it is about a message and no part of its trace
}

var (
	// send creates the context that travels with the message.
	send = operation{name: "send", spanKind: trace.SpanKindProducer, types: []attribute.KeyValue{semconv.MessagingOperationTypeSend}}
	// resend is a send of a message that has a creation context already.
	resend = operation{name: "send", spanKind: trace.SpanKindClient, types: []attribute.KeyValue{semconv.MessagingOperationTypeSend}}
	// relay hands a message to another broker, which does the rest.
	relay = operation{name: "relay", spanKind: trace.SpanKindClient, types: []attribute.KeyValue{semconv.MessagingOperationTypeSend}}
	// publish is the fan-out of a message to its subscriptions, and deliver the
	// way to one of them.
	publish = operation{name: "publish", spanKind: trace.SpanKindInternal}
	deliver = operation{name: "deliver", spanKind: trace.SpanKindInternal}
)

// byKind has the operation for each kind of message that is handled. What is
// neither data nor named by the conventions is internal work.
var byKind = func() (ops [message.KindError + 1]operation) {
	for k := range ops {
		ops[k] = operation{name: message.Kind(k).String(), spanKind: trace.SpanKindInternal, kind: message.Kind(k), consumes: true}
	}
	data, settle := &ops[message.KindData], []attribute.KeyValue{semconv.MessagingOperationTypeSettle}
	data.name, data.spanKind, data.types = "process", trace.SpanKindConsumer, []attribute.KeyValue{semconv.MessagingOperationTypeProcess}
	ops[message.KindConnect].spanKind = trace.SpanKindServer
	for _, k := range []message.Kind{message.KindAck, message.KindNack} {
		ops[k].spanKind, ops[k].types, ops[k].settles = trace.SpanKindClient, settle, true
	}
	return ops
}()

var process = &byKind[message.KindData]

// handling returns the operation for a message of kind k that is handled.
func handling(k message.Kind) *operation {
	if int(k) < len(byKind) {
		return &byKind[k]
	}
	return process
}

// attributes returns what is the same for every message of the operation.
func (o *operation) attributes(c *Config) []attribute.KeyValue {
	fixed := []attribute.KeyValue{semconv.MessagingSystemKey.String(c.System), semconv.MessagingOperationName(o.name)}
	return append(append(fixed, o.types...), c.Attributes...)
}

// spanName returns "{operation} {destination}".
func (o *operation) spanName(destination string) string {
	if destination == "" {
		return o.name
	}
	return o.name + " " + destination
}

// destinationAttributes returns those of what is shown, the first of which tells it.
func destinationAttributes(key shapeKey) []attribute.KeyValue {
	switch key.as {
	case name:
		return []attribute.KeyValue{semconv.MessagingDestinationName(key.shown)}
	case template:
		return []attribute.KeyValue{semconv.MessagingDestinationTemplate(key.shown)}
	case user:
		return []attribute.KeyValue{semconv.MessagingDestinationTemplate(key.shown),
			semconv.MessagingDestinationTemporary(true), semconv.MessagingDestinationAnonymous(true)}
	}
	return nil
}

// userDestinations is shown behind the prefix of users, whose it is and which.
const userDestinations = "/queue/*"
