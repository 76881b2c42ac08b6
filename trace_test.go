package headrace_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/propagation"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/headrace/headrace"
	"github.com/headrace/headrace/handler"
	"github.com/headrace/headrace/interceptor"
	"github.com/headrace/headrace/interceptor/telemetry"
	"github.com/headrace/headrace/message"
)

const (
	traceID     = "0af7651916cd43dd8448eb211c80319c"
	clientSpan  = "b7ad6b7169203331"
	traceparent = "00-" + traceID + "-" + clientSpan + "-01"
)

// The trace of a user's client goes through the node: each hop is a span of it, and
// subscribers are told of the span that published.
func TestTraceThroughTheNode(t *testing.T) {
	spans := tracetest.NewInMemoryExporter()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSyncer(spans))
	defer provider.Shutdown(t.Context())
	config := telemetry.Config{TracerProvider: provider}
	s := serve(t, setup{stomp: withUsers(), wire: func(n *headrace.Node) {
		n.Inbound.Intercept(telemetry.TraceSendWith[[]byte](config))
		n.Router.Use(telemetry.TraceWith[[]byte](config))
		n.BrokerChannel.Intercept(telemetry.TraceSendWith[[]byte](config))
		handler.Handle(n.Router, "/echo", echo)
	}})
	c := s.connectAs("kim")
	c.subscribe("echo", "/topic/echo")
	c.subscribe("x", "/topic/x")
	c.send("SEND\ndestination:/app/echo\ncontent-type:text/plain\nreceipt:r\ntraceparent:" + traceparent + "\n\nhello\x00")
	reply := c.wantMessage("echo", "hello")
	c.wantReceipt("r")

	var published string
	wantSpans(t, spans, map[string]string{
		"send /app/echo":    clientSpan,
		"process /app/echo": "send /app/echo",
		"send /topic/echo":  "process /app/echo",
	}, func(s tracetest.SpanStub) {
		if s.Name == "send /topic/echo" {
			published = fmt.Sprintf("00-%s-%s-01", traceID, s.SpanContext.SpanID())
		}
	})
	if got := reply.header["traceparent"]; got == "" || got != published {
		t.Errorf("the reply has traceparent %q, want that of the span that published it, %q", got, published)
	}

	// What goes to the broker directly keeps the client's.
	c.send("SEND\ndestination:/topic/x\ntraceparent:" + traceparent + "\ntracestate:k=v\\c1,l=w\n\nhello\x00")
	if f := c.wantMessage("x", "hello"); f.header["traceparent"] != traceparent || f.header["tracestate"] != "k=v:1,l=w" {
		t.Errorf("the message has %v, want %q", f.header, traceparent)
	}
	// Without one, a trace begins here.
	c.send(sendFrame("/topic/x", "", "new"))
	if f := c.wantMessage("x", "new"); f.header["traceparent"] == "" || strings.Contains(f.header["traceparent"], traceID) {
		t.Errorf("the message has traceparent %q, want a new one", f.header["traceparent"])
	}
}

// What anonymous clients send as their trace, and as baggage, reaches no subscriber:
// not through an endpoint, not through the broker.
func TestSec_S39_ForgedTrace(t *testing.T) {
	spans := tracetest.NewInMemoryExporter()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSyncer(spans))
	defer provider.Shutdown(t.Context())
	config := telemetry.Config{TracerProvider: provider}
	s := serve(t, setup{wire: func(n *headrace.Node) {
		n.Inbound.Intercept(telemetry.TraceSendWith[[]byte](config))
		n.Router.Use(telemetry.TraceWith[[]byte](config))
		n.BrokerChannel.Intercept(telemetry.TraceSendWith[[]byte](config), telemetry.TracePublish(config))
		n.Outbound.Intercept(telemetry.TraceDelivery(config))
		handler.Handle(n.Router, "/echo", echo, handler.CopyHeaders("traceparent", "baggage"))
		handler.OnSubscribe(n.Router, "/now", func(context.Context, struct{}) (string, error) { return "noon", nil })
	}})
	c := s.connect()
	c.subscribe("echo", "/topic/echo")
	forged := "content-type:text/plain\ntraceparent:" + traceparent + "\ntracestate:k=v\nbaggage:a=1\n\nhello\x00"
	c.send("SUBSCRIBE\nid:now\ndestination:/app/now\n" + forged[:strings.Index(forged, "\n\n")] + "\n\n\x00")
	got := []frame{c.wantMessage("now", "noon")}
	for _, to := range []string{"/app/echo", "/topic/echo"} {
		c.send("SEND\ndestination:" + to + "\n" + forged)
		got = append(got, c.wantMessage("echo", "hello"))
	}
	s.idle()
	for _, f := range got {
		sent := f.header["traceparent"]
		if sent == "" || strings.Contains(sent, traceID) || f.header["tracestate"] != "" || f.header["baggage"] != "" {
			t.Errorf("delivered with %v", f.header)
		}
	}
	for _, s := range spans.GetSpans() {
		if s.SpanContext.TraceID().String() == traceID || s.Parent.SpanID().String() == clientSpan {
			t.Errorf("%s is in the client's trace", s.Name)
		}
	}
}

// wantSpans waits for the spans of the client's trace and compares their
// parents: the name of another span, or an id.
func wantSpans(t *testing.T, spans *tracetest.InMemoryExporter, want map[string]string, see func(tracetest.SpanStub)) {
	t.Helper()
	var got tracetest.SpanStubs
	eventually(t, "the spans have ended", func() bool {
		got = slices.DeleteFunc(spans.GetSpans(), func(s tracetest.SpanStub) bool { return s.SpanContext.TraceID().String() != traceID })
		return len(got) >= len(want)
	})
	names := make(map[string]string)
	for _, s := range got {
		names[s.SpanContext.SpanID().String()] = s.Name
	}
	for _, s := range got {
		see(s)
		parent := s.Parent.SpanID().String()
		if name, ok := names[parent]; ok {
			parent = name
		}
		if parent != want[s.Name] {
			t.Errorf("span %q has the parent %q, want %q", s.Name, parent, want[s.Name])
		}
	}
	if len(got) != len(want) {
		t.Errorf("%d spans, want %d", len(got), len(want))
	}
}

// Whatever secrets a client sends, and whether it is let in or not: spans and metrics
// have none of them.
func TestSec_S12_SpansKeepSecrets(t *testing.T) {
	const secrets = "login:canary\npasscode:canary\nauthorization:Bearer canary\ncookie:id=canary\ntoken:canary\nhr-user:canary\nbaggage:key=canary\n"
	spans := tracetest.NewInMemoryExporter()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSyncer(spans))
	defer provider.Shutdown(t.Context())
	reader := sdkmetric.NewManualReader()
	config := telemetry.Config{
		TracerProvider: provider, MeterProvider: sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader)),
		EndUser: true, BodySize: true,
		Propagator: propagation.NewCompositeTextMapPropagator(propagation.TraceContext{}, propagation.Baggage{}),
	}
	check := func(_ context.Context, c interceptor.Credentials) (message.Principal, error) {
		if c.Session.RemoteAddr() == "" || c.Token != "canary" {
			return nil, nil
		}
		return message.User("kim"), nil
	}
	for _, header := range []string{"authorization", "x-other"} { // the one that is looked at, or none is found
		node := headrace.Config{
			Handling:   []message.RawInterceptor{telemetry.TraceWith[[]byte](config)},
			Publishing: []message.RawInterceptor{telemetry.TracePublish(config)},
			Gate:       []message.RawInterceptor{telemetry.TraceDelivery(config)},
		}
		s := serve(t, setup{node: node, wire: func(n *headrace.Node) {
			n.Inbound.Intercept(telemetry.Sessions(config), telemetry.TraceSendWith[[]byte](config),
				interceptor.Authenticate(interceptor.AuthenticateConfig{Check: check, TokenHeader: header}))
			handler.Handle(n.Router, "/echo", echo)
			handler.Consume(n.Router, "/denied", func(context.Context, []byte) error { return message.Errorf(message.CodeDenied, "no") })
		}})
		c := s.dial()
		c.send("CONNECT\naccept-version:1.2\nhost:h\n" + secrets + "\n\x00")
		if header != "authorization" {
			c.wantError("credentials are needed")
			continue
		}
		c.want("CONNECTED")
		c.send("SUBSCRIBE\nid:echo\ndestination:/topic/echo\nreceipt:s\n"+secrets+"\n\x00",
			"SEND\ndestination:/app/echo\ncontent-type:text/plain\n"+secrets+"\ncanary\x00",
			"SEND\ndestination:/app/denied\n"+secrets+"\ncanary\x00")
		c.wantReceipt("s")
		c.wantMessage("echo", "canary")
		c.wantError("no")
		s.idle()
	}
	var metrics metricdata.ResourceMetrics
	if err := reader.Collect(t.Context(), &metrics); err != nil {
		t.Fatal(err)
	}
	stubs := spans.GetSpans()
	if len(stubs) < 6 {
		t.Errorf("%d spans", len(stubs))
	}
	for _, s := range stubs {
		if text := fmt.Sprintf("%s %v %v %v %v", s.Name, s.Attributes, s.Events, s.Status, s.Links); strings.Contains(text, "canary") {
			t.Errorf("a span has a secret: %s", text)
		}
	}
	if text := fmt.Sprintf("%v", metrics); strings.Contains(text, "canary") {
		t.Errorf("a metric has a secret: %s", text)
	}
}

// A reply that an interceptor drops on its way to the broker passes three mounts, and is
// counted where it was dropped.
func TestDropIsCountedOnce(t *testing.T) {
	reader := sdkmetric.NewManualReader()
	config := telemetry.Config{MeterProvider: sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))}
	over := func(message.RawHandler) message.RawHandler {
		return message.HandlerFunc[[]byte](func(context.Context, message.Raw) error { return message.Drop("quota") })
	}
	s := serve(t, setup{node: headrace.Config{
		Handling:   []message.RawInterceptor{telemetry.TraceWith[[]byte](config)},
		Publishing: []message.RawInterceptor{telemetry.TracePublish(config), over},
	}, wire: func(n *headrace.Node) {
		n.Inbound.Intercept(telemetry.TraceSendWith[[]byte](config))
		n.BrokerChannel.Intercept(telemetry.TraceSendWith[[]byte](config))
		handler.Handle(n.Router, "/echo", echo)
	}})
	c := s.connect()
	c.send(sendFrame("/app/echo", "r", "hello"))
	c.want("ERROR")
	s.idle()
	var all metricdata.ResourceMetrics
	if err := reader.Collect(t.Context(), &all); err != nil {
		t.Fatal(err)
	}
	var drops []string
	for _, m := range all.ScopeMetrics[0].Metrics {
		if sum, ok := m.Data.(metricdata.Sum[int64]); ok && m.Name == "headrace.messages.dropped" {
			for _, p := range sum.DataPoints {
				op, _ := p.Attributes.Value("messaging.operation.name")
				by, _ := p.Attributes.Value("headrace.interceptor")
				drops = append(drops, fmt.Sprint(op.AsString(), " ", by.AsString(), " ", p.Value))
			}
		}
	}
	if !slices.Equal(drops, []string{"publish quota 1"}) {
		t.Errorf("drops %q", drops)
	}
}

// What is given to a relay has a span of its own, which names the broker.
func TestTraceToARelay(t *testing.T) {
	spans := tracetest.NewInMemoryExporter()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSyncer(spans))
	defer provider.Shutdown(t.Context())
	config := telemetry.Config{TracerProvider: provider}
	rabbit := config
	rabbit.System = "rabbitmq"
	beside := new(beside)
	relay := relayTo(beside, "/queue")
	relay.Sending = []message.RawInterceptor{telemetry.TraceRelay(rabbit)}
	s := serve(t, setup{stomp: withUsers(), node: headrace.Config{
		Relays:     []headrace.Relay{relay},
		Publishing: []message.RawInterceptor{telemetry.TracePublish(config)},
	}})
	c := s.connectAs("kim")
	c.subscribe("q", "/queue/a")
	c.send("SEND\ndestination:/queue/a\ntraceparent:" + traceparent + "\n\nhello\x00")
	if f := c.wantMessage("q", "hello"); f.header["traceparent"] != traceparent {
		t.Errorf("delivered with %q", f.header["traceparent"])
	}
	wantSpans(t, spans, map[string]string{"publish /queue/a": clientSpan, "relay /queue/a": "publish /queue/a"}, func(s tracetest.SpanStub) {
		if s.Name != "relay /queue/a" {
			return
		}
		linked := len(s.Links) == 1 && s.Links[0].SpanContext.SpanID().String() == clientSpan
		if system := s.Attributes[0].Value.AsString(); s.SpanKind != trace.SpanKindClient || !linked || system != "rabbitmq" {
			t.Errorf("kind %v, links %v, system %q", s.SpanKind, s.Links, system)
		}
	})
}
