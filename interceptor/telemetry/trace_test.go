package telemetry_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
	"go.uber.org/goleak"

	"github.com/headrace/headrace/channel"
	"github.com/headrace/headrace/interceptor"
	"github.com/headrace/headrace/interceptor/telemetry"
	"github.com/headrace/headrace/message"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type order struct{}

type (
	orderMessage = message.Message[order]
	orderFunc    = message.HandlerFunc[order]
)

// recorder records the spans of one test.
type recorder struct {
	*tracetest.InMemoryExporter
	config telemetry.Config
	trace.Tracer
}

func newRecorder() recorder {
	exporter := tracetest.NewInMemoryExporter()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSyncer(exporter))
	return recorder{exporter, telemetry.Config{TracerProvider: provider}, provider.Tracer("test")}
}

// span returns the only span of this name.
func (r recorder) span(t *testing.T, name string) tracetest.SpanStub {
	t.Helper()
	var names []string
	for _, s := range r.GetSpans() {
		if s.Name == name {
			return s
		}
		names = append(names, s.Name)
	}
	t.Fatalf("no span %q among %q", name, names)
	return tracetest.SpanStub{}
}

func attributes(s tracetest.SpanStub) map[string]string {
	found := make(map[string]string)
	for _, kv := range s.Attributes {
		found[string(kv.Key)] = kv.Value.String()
	}
	return found
}

func isChild(child, parent tracetest.SpanStub) bool {
	return child.Parent.TraceID() == parent.SpanContext.TraceID() && child.Parent.SpanID() == parent.SpanContext.SpanID()
}

func linksTo(s tracetest.SpanStub, sc trace.SpanContext) bool {
	return len(s.Links) == 1 && s.Links[0].SpanContext.TraceID() == sc.TraceID() && s.Links[0].SpanContext.SpanID() == sc.SpanID()
}

func nothing(context.Context, orderMessage) error { return nil }

func TestSpansFormOneTraceAcrossAnExecutor(t *testing.T) {
	r := newRecorder()
	orders := channel.NewExecutorChannel(channel.Config[order]{Name: "orders"})
	orders.Intercept(telemetry.TraceSendWith[order](r.config))
	var inHandler trace.SpanContext
	orders.Subscribe(orderFunc(func(ctx context.Context, _ orderMessage) error {
		inHandler = trace.SpanContextFromContext(ctx)
		return nil
	}), interceptor.Recover, telemetry.TraceWith[order](r.config))

	ctx, root := r.Start(t.Context(), "root")
	if err := orders.Handle(ctx, orderMessage{Destination: "/orders"}); err != nil {
		t.Fatal(err)
	}
	root.End()
	if err := orders.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}

	send, process := r.span(t, "send /orders"), r.span(t, "process /orders")
	if !isChild(send, r.span(t, "root")) || !isChild(process, send) {
		t.Errorf("not root > send > process: %v, %v", send.Parent, process.Parent)
	}
	if send.SpanKind != trace.SpanKindProducer || process.SpanKind != trace.SpanKindConsumer {
		t.Errorf("kinds %v, %v", send.SpanKind, process.SpanKind)
	}
	if !inHandler.Equal(process.SpanContext) {
		t.Error("the handler's context does not hold the process span")
	}
}

func TestSpansFormOneTraceAcrossTheHeaderAlone(t *testing.T) {
	r := newRecorder()
	var wire message.Header
	send := telemetry.TraceSendWith[order](r.config)(orderFunc(func(_ context.Context, m orderMessage) error {
		wire = m.Header
		return nil
	}))
	header := message.NewHeader(message.Field{Name: "a", Value: "1"})
	if err := send.Handle(t.Context(), orderMessage{Destination: "/orders", Header: header}); err != nil {
		t.Fatal(err)
	}
	if wire.Get("traceparent") == "" || wire.Get("a") != "1" || header.Len() != 1 {
		t.Fatalf("header %v, before %v", wire, header)
	}
	process := telemetry.TraceWith[order](r.config)(orderFunc(nothing))
	if err := process.Handle(t.Context(), orderMessage{Destination: "/orders", Header: wire}); err != nil {
		t.Fatal(err)
	}
	if s := r.span(t, "process /orders"); !isChild(s, r.span(t, "send /orders")) || !s.Parent.IsRemote() || len(s.Links) > 0 {
		t.Errorf("parent %v, links %v", s.Parent, s.Links)
	}
}

func TestSpanWithoutATraceIsARoot(t *testing.T) {
	r := newRecorder()
	for name, i := range map[string]message.Interceptor[order]{
		"send":    telemetry.TraceSendWith[order](r.config),
		"process": telemetry.TraceWith[order](r.config),
	} {
		for _, header := range []message.Header{{}, message.NewHeader(message.Field{Name: "traceparent", Value: "nonsense"})} {
			r.Reset()
			if err := i(orderFunc(nothing)).Handle(t.Context(), orderMessage{Header: header}); err != nil {
				t.Fatal(err)
			}
			if s := r.span(t, name); s.Parent.IsValid() || len(s.Links) > 0 {
				t.Errorf("%s: parent %v, links %v", name, s.Parent, s.Links)
			}
		}
	}
}

func TestUnreadableContextInTheHeaderIsReplaced(t *testing.T) {
	r := newRecorder()
	ctx, root := r.Start(t.Context(), "root")
	defer root.End()
	var wire message.Header
	h := telemetry.TraceSendWith[order](r.config)(orderFunc(func(_ context.Context, m orderMessage) error {
		wire = m.Header
		return nil
	}))
	if err := h.Handle(ctx, orderMessage{Header: message.NewHeader(message.Field{Name: "traceparent", Value: "nonsense"})}); err != nil {
		t.Fatal(err)
	}
	s := r.span(t, "send")
	if s.SpanKind != trace.SpanKindProducer || !strings.Contains(wire.Get("traceparent"), s.SpanContext.SpanID().String()) {
		t.Errorf("kind %v, header %v", s.SpanKind, wire)
	}
}

const elsewhere = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

func TestParentsAndLinks(t *testing.T) {
	remote := message.NewHeader(message.Field{Name: "traceparent", Value: elsewhere}, message.Field{Name: "tracestate", Value: "k=v:1"})
	tests := map[string]struct {
		mount    func(telemetry.Config) message.Interceptor[order]
		ambient  bool
		name     string
		isRemote bool // the parent is the header's context
		links    int
		kind     trace.SpanKind
	}{
		"process, header":          {telemetry.TraceWith[order], false, "process", true, 0, trace.SpanKindConsumer},
		"process, header, ambient": {telemetry.TraceWith[order], true, "process", false, 1, trace.SpanKindConsumer},
		"send, header":             {telemetry.TraceSendWith[order], false, "send", true, 0, trace.SpanKindClient},
		"send, header, ambient":    {telemetry.TraceSendWith[order], true, "send", false, 1, trace.SpanKindClient},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			r := newRecorder()
			ctx, parent := t.Context(), trace.SpanContext{}
			if tt.ambient {
				var root trace.Span
				ctx, root = r.Start(ctx, "root")
				defer root.End()
				parent = root.SpanContext()
			}
			h := tt.mount(r.config)(orderFunc(func(_ context.Context, m orderMessage) error {
				if !m.Header.Same(remote) {
					t.Errorf("the header became %v", m.Header)
				}
				return nil
			}))
			if err := h.Handle(ctx, orderMessage{Header: remote}); err != nil {
				t.Fatal(err)
			}
			s := r.span(t, tt.name)
			link := parent
			if tt.isRemote != (s.Parent.TraceID().String() == "0af7651916cd43dd8448eb211c80319c") {
				t.Errorf("parent %v", s.Parent)
			}
			if !tt.isRemote {
				link = s.Links[0].SpanContext
				if s.Parent.SpanID() != parent.SpanID() || link.SpanID().String() != "b7ad6b7169203331" {
					t.Errorf("parent %v, link %v", s.Parent, link)
				}
			}
			if len(s.Links) != tt.links || tt.links > 0 && !linksTo(s, link) {
				t.Errorf("links %v", s.Links)
			}
			if s.SpanKind != tt.kind {
				t.Errorf("kind %v", s.SpanKind)
			}
			if tt.isRemote && s.SpanContext.TraceState().String() != "k=v:1" {
				t.Errorf("trace state %q", s.SpanContext.TraceState())
			}
		})
	}
}

// A stage between sender and handler has the nearer span of the same trace.
func TestNearerSpanOfTheSameTraceIsTheParent(t *testing.T) {
	r := newRecorder()
	h := message.Chain(orderFunc(nothing),
		telemetry.TraceSendWith[order](r.config),
		interceptor.Around(func(ctx context.Context, m orderMessage, next message.Handler[order]) error {
			ctx, span := r.Start(ctx, "between")
			defer span.End()
			return next.Handle(ctx, m)
		}),
		telemetry.TraceWith[order](r.config))
	if err := h.Handle(t.Context(), orderMessage{}); err != nil {
		t.Fatal(err)
	}
	s := r.span(t, "process")
	if !isChild(s, r.span(t, "between")) || !linksTo(s, r.span(t, "send").SpanContext) {
		t.Errorf("parent %v, links %v", s.Parent, s.Links)
	}
}

func TestAttributes(t *testing.T) {
	r := newRecorder()
	session := message.NewSession(nil, message.SessionInfo{})
	h := telemetry.TraceWith[order](r.config)(orderFunc(nothing))
	if err := h.Handle(t.Context(), orderMessage{
		Destination:  "/orders",
		Subscription: "sub-1",
		Session:      session,
		Header: message.NewHeader(
			message.Field{Name: message.HeaderMessageID, Value: "m-1"},
			message.Field{Name: message.HeaderCorrelationID, Value: "c-1"},
			message.Field{Name: "token", Value: "SECRET"}),
	}); err != nil {
		t.Fatal(err)
	}
	s := r.span(t, "process /orders")
	want := map[string]string{
		"messaging.system":                        "headrace",
		"messaging.operation.name":                "process",
		"messaging.operation.type":                "process",
		"messaging.destination.name":              "/orders",
		"messaging.destination.subscription.name": "sub-1",
		"messaging.message.id":                    "m-1",
		"messaging.message.conversation_id":       "c-1",
		"headrace.session.id":                     session.ID(),
	}
	got := attributes(s)
	for key, value := range want {
		if got[key] != value {
			t.Errorf("%s = %q, want %q", key, got[key], value)
		}
	}
	if len(got) != len(want) {
		t.Errorf("attributes %v", got)
	}
	if s.InstrumentationScope.SchemaURL == "" {
		t.Error("no schema URL")
	}
}

// startSampler remembers what a sampler is told.
type startSampler struct{ attributes []attribute.KeyValue }

func (s *startSampler) ShouldSample(p sdktrace.SamplingParameters) sdktrace.SamplingResult {
	s.attributes = p.Attributes
	return sdktrace.SamplingResult{Decision: sdktrace.RecordAndSample}
}

func (s *startSampler) Description() string { return "startSampler" }

func TestSamplersSeeTheirAttributes(t *testing.T) {
	var sampler startSampler
	provider := sdktrace.NewTracerProvider(sdktrace.WithSampler(&sampler))
	h := telemetry.TraceSendWith[order](telemetry.Config{TracerProvider: provider})(orderFunc(nothing))
	if err := h.Handle(t.Context(), orderMessage{Destination: "/orders"}); err != nil {
		t.Fatal(err)
	}
	got := attribute.NewSet(sampler.attributes...)
	for _, key := range []attribute.Key{"messaging.system", "messaging.operation.name", "messaging.operation.type", "messaging.destination.name"} {
		if !got.HasValue(key) {
			t.Errorf("%s is missing at the start", key)
		}
	}
}

func TestKinds(t *testing.T) {
	tests := map[string]struct {
		kind message.Kind
		span trace.SpanKind
		op   string
	}{
		"process /a":     {message.KindData, trace.SpanKindConsumer, "process"},
		"connect /a":     {message.KindConnect, trace.SpanKindServer, ""},
		"subscribe /a":   {message.KindSubscribe, trace.SpanKindInternal, ""},
		"unsubscribe /a": {message.KindUnsubscribe, trace.SpanKindInternal, ""},
		"ack /a":         {message.KindAck, trace.SpanKindClient, "settle"},
		"nack /a":        {message.KindNack, trace.SpanKindClient, "settle"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			r := newRecorder()
			m := orderMessage{Kind: tt.kind, Destination: "/a"}
			if err := telemetry.TraceWith[order](r.config)(orderFunc(nothing)).Handle(t.Context(), m); err != nil {
				t.Fatal(err)
			}
			if s := r.span(t, name); s.SpanKind != tt.span || attributes(s)["messaging.operation.type"] != tt.op {
				t.Errorf("kind %v, attributes %v", s.SpanKind, attributes(s))
			}
			if tt.kind == message.KindData {
				return
			}
			r.Reset()
			if err := telemetry.TraceSendWith[order](r.config)(orderFunc(nothing)).Handle(t.Context(), m); err != nil || len(r.GetSpans()) > 0 {
				t.Errorf("sending a control message: %v, spans %v", err, r.GetSpans())
			}
		})
	}
}

func TestUserDestinationsAreNeverShown(t *testing.T) {
	tests := map[string]struct{ prefix, destination, want string }{
		"default":         {"", "/user/ann/queue/orders", "/user/queue/*"},
		"another prefix":  {"/me", "/me/ann/queue/orders", "/me/queue/*"},
		"slash at end":    {"/me/", "/me/ann/queue/orders", "/me/queue/*"},
		"only the prefix": {"/me", "/user/guide", "/user/guide"},
		"another segment": {"", "/users/all", "/users/all"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			r := newRecorder()
			r.config.UserPrefix = tt.prefix
			h := message.Chain(orderFunc(nothing), telemetry.TraceSendWith[order](r.config), telemetry.TraceWith[order](r.config))
			if err := h.Handle(t.Context(), orderMessage{Destination: tt.destination}); err != nil {
				t.Fatal(err)
			}
			for _, operation := range []string{"send ", "process "} {
				got := attributes(r.span(t, operation+tt.want))
				if got["messaging.destination.name"]+got["messaging.destination.template"] != tt.want {
					t.Errorf("attributes %v", got)
				}
			}
		})
	}
}

func TestOutcomes(t *testing.T) {
	tests := map[string]struct {
		outcome   orderFunc
		status    codes.Code
		errorType string
		dropped   string
	}{
		"success": {nothing, codes.Unset, "", ""},
		"refused": {func(context.Context, orderMessage) error { return message.Errorf(message.CodeDenied, "no") }, codes.Error, "denied", ""},
		"failed":  {func(context.Context, orderMessage) error { return errors.New("broken") }, codes.Error, "internal", ""},
		"dropped": {func(context.Context, orderMessage) error { return message.ErrDropped }, codes.Unset, "", "true"},
		"panic":   {func(context.Context, orderMessage) error { panic("boom") }, codes.Error, "internal", ""},
	}
	for name, tt := range tests {
		for side, mount := range map[string]func(telemetry.Config) message.Interceptor[order]{
			"send": telemetry.TraceSendWith[order], "process": telemetry.TraceWith[order],
		} {
			t.Run(name+"/"+side, func(t *testing.T) {
				r := newRecorder()
				err := message.Chain(tt.outcome, interceptor.Recover, mount(r.config)).Handle(t.Context(), orderMessage{})
				if (err == nil) != (name == "success") {
					t.Errorf("outcome %v", err)
				}
				s := r.span(t, side)
				if got := attributes(s); s.Status.Code != tt.status || got["error.type"] != tt.errorType || got["headrace.dropped"] != tt.dropped {
					t.Errorf("status %v, attributes %v", s.Status, got)
				}
			})
		}
	}
}
