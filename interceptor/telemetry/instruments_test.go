package telemetry_test

import (
	"context"
	"fmt"
	"iter"
	"maps"
	"slices"
	"testing"

	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"

	"github.com/headrace/headrace/channel"
	"github.com/headrace/headrace/interceptor"
	"github.com/headrace/headrace/interceptor/telemetry"
	"github.com/headrace/headrace/message"
)

// instruments are all metrics, with their kinds and units: those of the semantic
// conventions for messaging as these have them, and our own.
var instruments = map[string]string{
	"messaging.client.operation.duration": "histogram s",
	"messaging.process.duration":          "histogram s",
	"messaging.client.sent.messages":      "counter {message}",
	"messaging.client.consumed.messages":  "counter {message}",

	"headrace.sessions.active":           "up-down counter {session}",
	"headrace.sessions.closed":           "counter {session}",
	"headrace.frames":                    "counter {frame}",
	"headrace.subscriptions.active":      "up-down counter {subscription}",
	"headrace.channel.queue.depth":       "gauge {message}",
	"headrace.channel.queue.wait":        "histogram s",
	"headrace.channel.rejected":          "counter {message}",
	"headrace.channel.dropped":           "counter {message}",
	"headrace.outbound.buffer.bytes":     "up-down counter By",
	"headrace.outbound.dropped.messages": "counter {message}",
	"headrace.messages.dropped":          "counter {message}",
	"headrace.handler.panics":            "counter {panic}",
	"headrace.relay.connections":         "up-down counter {connection}",
	"headrace.relay.available":           "gauge 1",
}

// TestInstruments: there are these metrics and no others.
func TestInstruments(t *testing.T) {
	r, c := newMeter()
	c.Channel = "inbound"
	stop, err := telemetry.Observe(c, telemetry.Readings{
		Channels:      func() []channel.Stats { return []channel.Stats{{Name: "inbound"}} },
		Subscriptions: iter.Seq[string](slices.Values([]string{"/topic/news"})),
		Adapters:      func() []telemetry.AdapterReading { return []telemetry.AdapterReading{{Name: "json"}} },
		Relays:        func() []telemetry.RelayReading { return []telemetry.RelayReading{{Name: "rabbitmq"}} },
	})
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	h := message.Chain(message.RawHandler(message.HandlerFunc[[]byte](func(_ context.Context, m message.Raw) error {
		switch m.Destination {
		case "/drops":
			return message.ErrDropped
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
			got[m.Name] = fmt.Sprint(kindOf(m.Data), " ", m.Unit)
		}
	}
	if !maps.Equal(got, instruments) {
		t.Errorf("got  %v\nwant %v", got, instruments)
	}
}

func kindOf(data metricdata.Aggregation) string {
	switch data := data.(type) {
	case metricdata.Histogram[float64]:
		return "histogram"
	case metricdata.Gauge[int64]:
		return "gauge"
	case metricdata.Sum[int64]:
		if data.IsMonotonic {
			return "counter"
		}
		return "up-down counter"
	}
	return fmt.Sprintf("%T", data)
}
