package telemetry

import (
	"cmp"
	"slices"
	"strings"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/message/destination"
)

// Config says where spans and metrics go and how the context of a trace travels.
type Config struct {
	// TracerProvider makes the spans. Zero (nil) means the global one,
	// otel.GetTracerProvider(), also when it is set later.
	TracerProvider trace.TracerProvider
	// MeterProvider makes the metrics. Zero (nil) means the global one,
	// otel.GetMeterProvider(), also when it is set later.
	MeterProvider metric.MeterProvider
	// Propagator writes and reads the context in the header. Zero (nil) means
	// the W3C trace context, without baggage. What it writes is delivered to clients
	// too: one that has baggage shows that of the application to them.
	Propagator propagation.TextMapPropagator
	// LinkMode says how a span that handles a message hangs together with the one
	// that sent it. Zero means ParentAndLink.
	LinkMode LinkMode
	// RemoteContext says what the trace context is worth that clients send. Zero
	// means TrustUsers.
	RemoteContext RemoteContext
	// RemoteBaggage takes baggage from clients, if Propagator does: one header of
	// at most 8,192 bytes. Zero means that it is taken off their messages.
	RemoteBaggage bool
	// DeliverySpans makes [TraceDelivery] open a span for each delivery. Zero means
	// that a broadcast is one span, however many get it.
	DeliverySpans bool
	// UserPrefix begins the destinations of users, of which names and attributes
	// show nothing else. It is the UserPrefix of the router. Zero means "/user".
	UserPrefix string
	// Template returns what names and attributes show of a destination to which a
	// message of a kind goes: the destination itself where that is one of few, the
	// pattern that it belongs to, or "" for nothing; see [Destinations]. It is asked
	// for each message, from any goroutine. Zero (nil) means that spans show every
	// destination as it is, and metrics none.
	Template func(kind message.Kind, destination string) string
	// System is the messaging.system. Zero means "headrace"; where messages go to
	// an engine or come from one it is the engine, such as "kafka".
	System string
	// Channel is the name of the channel with a queue on whose send side
	// [TraceSendWith] is mounted: how long messages wait there is then measured by
	// the next Trace. Zero means that it is not.
	Channel string
	// Attributes are set at the start of every span and on every measurement, such
	// as server.address and messaging.consumer.group.name. Zero (nil) means none.
	Attributes []attribute.KeyValue
	// EndUser shows the names of users on spans, as enduser.id. Zero means not.
	EndUser bool
	// BodySize shows how long encoded payloads are on spans. Zero means not.
	BodySize bool
}

// LinkMode says what the context that a message was created in is to the span
// that handles it.
type LinkMode uint8

const (
	// ParentAndLink: it is the parent, unless there is a nearer one in ctx; then
	// it is a link.
	ParentAndLink LinkMode = iota
	// LinkOnly: it is a link, and what handles the message begins a trace of its
	// own unless it runs within another span than the sender's.
	LinkOnly
)

// RemoteContext says what becomes of the trace context that clients send: in
// messages with a session, on the way in.
type RemoteContext uint8

const (
	// TrustUsers: Trust where the session has a user, Link where it has none.
	TrustUsers RemoteContext = iota
	// Trust: it is taken as if the application had made it: spans become its
	// children, its sampling decision counts, and it goes on to who receives the
	// message.
	Trust
	// Link: spans link to it and are no children of it. What goes on has the
	// context of our span in its place.
	Link
	// Ignore: it is taken off.
	Ignore
)

// Destinations returns a Template that shows the destinations among patterns as
// they are, of those that match a pattern the most specific one, and of others
// nothing. Patterns are those of package destination, with the prefixes of the
// router and the broker. It panics when one is malformed.
func Destinations(by destination.Separator, patterns ...string) func(message.Kind, string) string {
	known := destination.NewIndex[destination.Pattern](by)
	for _, text := range patterns {
		p := destination.MustParse(text, by)
		known.Add(p, p)
	}
	return func(_ message.Kind, dest string) (shown string) {
		var best destination.Pattern
		for p := range known.Match(dest) {
			if shown == "" || destination.Compare(p, best) < 0 {
				best, shown = p, p.String()
			}
		}
		return shown
	}
}

// tracing is what all messages of one mount share.
type tracing struct {
	config     Config
	tracer     trace.Tracer
	fields     []string // the header names that the propagator reads, without that of baggage
	userPrefix string   // with a slash at its end
	users      string   // shown of what is behind it
	shapes     shapes
	meters     meters
}

func newTracing(c Config) *tracing {
	if c.TracerProvider == nil {
		c.TracerProvider = otel.GetTracerProvider()
	}
	if c.Propagator == nil {
		c.Propagator = propagation.TraceContext{}
	}
	c.System = cmp.Or(c.System, defaultSystem)
	users := strings.TrimRight(cmp.Or(c.UserPrefix, "/user"), "/.")
	t := &tracing{
		config:     c,
		tracer:     c.TracerProvider.Tracer(instrumentation, trace.WithSchemaURL(schemaURL)),
		fields:     slices.Clone(c.Propagator.Fields()),
		userPrefix: users + "/",
		users:      users + userDestinations,
		meters:     newMeters(c),
	}
	t.fields = slices.DeleteFunc(t.fields, func(name string) bool { return name == baggageField })
	t.shapes.kept.Store(&map[shapeKey]*shape{})
	return t
}

// trusts reports whether the context counts that the client of s sends.
func (t *tracing) trusts(s *message.Session) bool {
	switch t.config.RemoteContext {
	case Trust:
		return true
	case TrustUsers:
		return s.User() != nil
	default:
		return false
	}
}
