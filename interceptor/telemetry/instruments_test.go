package telemetry_test

import (
	"context"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"

	"github.com/headrace/headrace/channel"
	"github.com/headrace/headrace/interceptor"
	"github.com/headrace/headrace/interceptor/telemetry"
	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/message/destination"
)

// ofMessages are the attributes of what is measured of messages. Where their
// destination is one too it is that of those that did not fail; error.type is there
// when one did.
const (
	ofMessages    = "messaging.operation.name messaging.operation.type messaging.system"
	ofDestination = "messaging.destination.template " + ofMessages
)

// instruments are all metrics, with their kinds, units and attributes: those of the
// semantic conventions for messaging as these have them, and our own.
var instruments = map[string]string{
	"messaging.client.operation.duration": "histogram s: error.type " + ofMessages,
	"messaging.process.duration":          "histogram s: error.type " + ofDestination,
	"messaging.client.sent.messages":      "counter {message}: error.type " + ofDestination,
	"messaging.client.consumed.messages":  "counter {message}: error.type " + ofMessages,

	"headrace.sessions.active":           "up-down counter {session}: headrace.transport",
	"headrace.sessions.closed":           "counter {session}: headrace.reason headrace.transport",
	"headrace.frames":                    "counter {frame}: headrace.adapter headrace.command network.io.direction",
	"headrace.subscriptions.active":      "up-down counter {subscription}: messaging.destination.template",
	"headrace.channel.queue.depth":       "gauge {message}: headrace.channel",
	"headrace.channel.queue.wait":        "histogram s: headrace.channel",
	"headrace.channel.rejected":          "counter {message}: headrace.channel",
	"headrace.channel.dropped":           "counter {message}: headrace.channel",
	"headrace.outbound.buffer.bytes":     "up-down counter By: headrace.adapter",
	"headrace.outbound.dropped.messages": "counter {message}: headrace.adapter headrace.reason",
	"headrace.messages.dropped":          "counter {message}: headrace.interceptor " + ofMessages,
	"headrace.handler.panics":            "counter {panic}: " + ofMessages,
	"headrace.relay.connections":         "up-down counter {connection}: headrace.broker",
	"headrace.relay.available":           "gauge 1: headrace.broker",
}

// TestInstruments: there are these metrics, with these attributes, and no others.
func TestInstruments(t *testing.T) {
	r, c := newMeter()
	c.Channel, c.Template = "inbound", telemetry.Destinations(destination.Slash, "/{what}")
	stop, err := telemetry.Observe(c, telemetry.Readings{
		Channels:      func() []channel.Stats { return []channel.Stats{{Name: "inbound"}} },
		Subscriptions: iter.Seq[string](slices.Values([]string{"/news"})),
		Adapters: func() []telemetry.AdapterReading {
			frames := map[string]uint64{"send": 1}
			return []telemetry.AdapterReading{{Name: "json", Received: frames}, {Name: "sse", Sent: frames}}
		},
		Relays: func() []telemetry.RelayReading { return []telemetry.RelayReading{{Name: "rabbitmq"}} },
	})
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	h := message.Chain(message.RawHandler(message.HandlerFunc[[]byte](func(_ context.Context, m message.Raw) error {
		switch m.Destination {
		case "/drops":
			return message.Drop("quota")
		case "/panics":
			panic("boom")
		}
		return nil
	})), interceptor.Recover, telemetry.Sessions(c), telemetry.TraceSendWith[[]byte](c), telemetry.TraceWith[[]byte](c))
	s := sessionOf("kim")
	for _, m := range []message.Raw{{Kind: message.KindConnect}, {}, {Destination: "/drops"}, {Destination: "/panics"}, {Kind: message.KindDisconnect}} {
		m.Session = s
		_ = h.Handle(t.Context(), m)
	}

	var all metricdata.ResourceMetrics
	if err := r.Collect(t.Context(), &all); err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, scope := range all.ScopeMetrics {
		if scope.Scope.SchemaURL != semconv.SchemaURL {
			t.Errorf("schema %q", scope.Scope.SchemaURL)
		}
		for _, m := range scope.Metrics {
			if m.Description == "" {
				t.Errorf("%s has no description", m.Name)
			}
			kind, attrs := kindOf(m.Data)
			got[m.Name] = fmt.Sprintf("%s %s: %s", kind, m.Unit, strings.Join(slices.Sorted(maps.Keys(attrs)), " "))
		}
	}
	for name, want := range instruments {
		if got[name] != want {
			t.Errorf("%s is %q, want %q", name, got[name], want)
		}
	}
	if len(got) != len(instruments) {
		t.Errorf("got  %v\nwant %v", got, instruments)
	}
}

// kindOf returns what an instrument is and the attributes of all its series.
func kindOf(data metricdata.Aggregation) (kind string, attrs map[string]bool) {
	attrs = make(map[string]bool)
	note := func(set attribute.Set) {
		for _, kv := range set.ToSlice() {
			attrs[string(kv.Key)] = true
		}
	}
	switch data := data.(type) {
	case metricdata.Histogram[float64]:
		kind = "histogram"
		for _, p := range data.DataPoints {
			note(p.Attributes)
		}
	case metricdata.Gauge[int64]:
		kind = "gauge"
		for _, p := range data.DataPoints {
			note(p.Attributes)
		}
	case metricdata.Sum[int64]:
		kind = "up-down counter"
		if data.IsMonotonic {
			kind = "counter"
		}
		for _, p := range data.DataPoints {
			note(p.Attributes)
		}
	default:
		kind = fmt.Sprintf("%T", data)
	}
	return kind, attrs
}
