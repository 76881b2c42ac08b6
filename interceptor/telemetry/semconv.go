package telemetry

import (
	"strings"

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
)

var system = semconv.MessagingSystemKey.String("headrace")

const (
	sessionKey = attribute.Key("headrace.session.id")
	droppedKey = attribute.Key("headrace.dropped")
)

// operation is what a span stands for.
type operation struct {
	name       string
	kindOption trace.SpanStartOption
	attributes []attribute.KeyValue // those that are the same for every message
}

func newOperation(name string, kind trace.SpanKind, types ...attribute.KeyValue) operation {
	fixed := append([]attribute.KeyValue{system, semconv.MessagingOperationName(name)}, types...)
	return operation{name: name, kindOption: trace.WithSpanKind(kind), attributes: fixed}
}

var (
	// send creates the context that travels with the message.
	send = newOperation("send", trace.SpanKindProducer, semconv.MessagingOperationTypeSend)
	// resend is a send of a message that has a creation context already.
	resend = newOperation("send", trace.SpanKindClient, semconv.MessagingOperationTypeSend)

	process = newOperation("process", trace.SpanKindConsumer, semconv.MessagingOperationTypeProcess)
	connect = newOperation("connect", trace.SpanKindServer)
	ack     = newOperation("ack", trace.SpanKindClient, semconv.MessagingOperationTypeSettle)
	nack    = newOperation("nack", trace.SpanKindClient, semconv.MessagingOperationTypeSettle)
)

// byKind has the operation for each kind of message that is handled. What is
// neither data nor named by the conventions is internal work.
var byKind = func() (ops [message.KindError + 1]operation) {
	for k := range ops {
		ops[k] = newOperation(message.Kind(k).String(), trace.SpanKindInternal)
	}
	ops[message.KindData] = process
	ops[message.KindConnect] = connect
	ops[message.KindAck] = ack
	ops[message.KindNack] = nack
	return ops
}()

// handling returns the operation for a message of kind k that is handled.
func handling(k message.Kind) *operation {
	if int(k) < len(byKind) {
		return &byKind[k]
	}
	return &process
}

// lowCardinality returns the destination as it may appear in names and
// attributes. A user destination may hold a user's name or a session id.
func (t *tracing) lowCardinality(destination string) string {
	if rest, ok := strings.CutPrefix(destination, t.userPrefix); ok && strings.HasPrefix(rest, "/") {
		return t.userPrefix + "/**"
	}
	return destination
}

// spanName returns "{operation} {destination}".
func (o *operation) spanName(destination string) string {
	if destination == "" {
		return o.name
	}
	return o.name + " " + destination
}

// startAttributes returns what a sampler may want to know.
func (o *operation) startAttributes(destination string) []attribute.KeyValue {
	if destination == "" {
		return o.attributes
	}
	n := len(o.attributes)
	return append(o.attributes[:n:n], semconv.MessagingDestinationName(destination))
}

// describe adds what only matters on a span that is recorded.
func describe[T any](span trace.Span, m *message.Message[T]) {
	var attrs [4]attribute.KeyValue
	set := attrs[:0]
	if id := m.Header.Get(message.HeaderMessageID); id != "" {
		set = append(set, semconv.MessagingMessageID(id))
	}
	if id := m.Header.Get(message.HeaderCorrelationID); id != "" {
		set = append(set, semconv.MessagingMessageConversationID(id))
	}
	if m.Subscription != "" {
		set = append(set, semconv.MessagingDestinationSubscriptionName(m.Subscription))
	}
	if m.Session != nil {
		set = append(set, sessionKey.String(m.Session.ID()))
	}
	if len(set) > 0 {
		span.SetAttributes(set...)
	}
}
