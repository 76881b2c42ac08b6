package telemetry_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/baggage"
	"go.opentelemetry.io/otel/propagation"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/headrace/headrace/interceptor/telemetry"
	"github.com/headrace/headrace/message"
)

const (
	forgedTrace = "0af7651916cd43dd8448eb211c80319c"
	forgedSpan  = "b7ad6b7169203331"
)

func header(nameValues ...string) message.Header {
	var fields []message.Field
	for i := 0; i < len(nameValues); i += 2 {
		fields = append(fields, message.Field{Name: nameValues[i], Value: nameValues[i+1]})
	}
	return message.NewHeader(fields...)
}

func sessionOf(user string) *message.Session {
	var info message.SessionInfo
	if user != "" {
		info.Principal = message.User(user)
	}
	return message.NewSession(nil, info)
}

// edges are the mounts that see what clients send.
var edges = map[string]func(telemetry.Config) message.RawInterceptor{
	"send":    telemetry.TraceSendWith[[]byte],
	"process": telemetry.TraceWith[[]byte],
	"publish": telemetry.TracePublish,
}

// through sends m through a mount and returns what came out, and the context there.
func through(t *testing.T, mount message.RawInterceptor, ctx context.Context, m message.Raw) (out message.Raw, inside context.Context) {
	t.Helper()
	h := mount(message.HandlerFunc[[]byte](func(ctx context.Context, m message.Raw) error {
		out, inside = m, ctx
		return nil
	}))
	if err := h.Handle(ctx, m); err != nil {
		t.Fatal(err)
	}
	return out, inside
}

// What a client sends as its context is the parent of nothing, and goes nowhere,
// unless the config trusts it.
func TestForgedContext(t *testing.T) {
	tests := []struct {
		policy        telemetry.RemoteContext
		user          string
		parent, links bool // of the forged context
	}{
		{telemetry.TrustUsers, "", false, true},
		{telemetry.TrustUsers, "kim", true, false},
		{telemetry.Trust, "", true, false},
		{telemetry.Link, "", false, true},
		{telemetry.Link, "kim", false, true},
		{telemetry.Ignore, "", false, false},
		{telemetry.Ignore, "kim", false, false},
	}
	for _, tt := range tests {
		for name, mount := range edges {
			for _, mode := range []telemetry.LinkMode{telemetry.ParentAndLink, telemetry.LinkOnly} {
				t.Run(fmt.Sprint(tt.policy, tt.user, name, mode), func(t *testing.T) {
					r := newRecorder()
					r.config.RemoteContext, r.config.LinkMode = tt.policy, mode
					m := message.Raw{Session: sessionOf(tt.user), Header: header("a", "1", "traceparent", elsewhere, "tracestate", "k=v:1")}
					out, _ := through(t, mount(r.config), t.Context(), m)
					s := r.span(t, name)
					parent, links := tt.parent, tt.links
					if parent && mode == telemetry.LinkOnly && name == "process" {
						parent, links = false, true
					}
					if got := s.Parent.SpanID().String() == forgedSpan; got != parent {
						t.Errorf("parent %v", s.Parent)
					}
					if !parent && (s.Parent.IsValid() || s.SpanContext.TraceID().String() == forgedTrace || s.SpanContext.TraceState().Len() > 0) {
						t.Errorf("span %v below %v", s.SpanContext, s.Parent)
					}
					if got := len(s.Links) == 1 && s.Links[0].SpanContext.SpanID().String() == forgedSpan; got != links || !links && len(s.Links) > 0 {
						t.Errorf("links %v", s.Links)
					}
					if tt.parent { // trusted: it is the message's and stays
						if !out.Header.Same(m.Header) {
							t.Errorf("the header became %v", out.Header)
						}
						return
					}
					if got := out.Header.Get("traceparent"); got != traceparentOf(s.SpanContext) || out.Header.Get("tracestate") != "" || out.Header.Get("a") != "1" {
						t.Errorf("the header became %v, want the context of %v", out.Header, s.SpanContext)
					}
				})
			}
		}
	}
}

func traceparentOf(sc trace.SpanContext) string {
	return fmt.Sprintf("00-%s-%s-%s", sc.TraceID(), sc.SpanID(), sc.TraceFlags())
}

// However the names are written: what an engine carries may be read by somebody to whom
// case does not matter.
func TestForgedContextInAnyCase(t *testing.T) {
	for name, mount := range edges {
		for _, field := range []string{"Traceparent", "TRACESTATE", "Baggage"} {
			r := newRecorder()
			out, _ := through(t, mount(r.config), t.Context(), message.Raw{Session: sessionOf(""), Header: header("a", "1", field, elsewhere)})
			if _, there := out.Header.Lookup(field); there || out.Header.Get("a") != "1" {
				t.Errorf("%s: %v goes on", name, out.Header)
			}
		}
	}
}

// Within a span of the application as well: that is the parent, and what is ignored is
// no link either.
func TestForgedContextWithinASpan(t *testing.T) {
	for policy, links := range map[telemetry.RemoteContext]int{telemetry.Link: 1, telemetry.Ignore: 0} {
		for name, mount := range edges {
			r := newRecorder()
			r.config.RemoteContext = policy
			ctx, root := r.Start(t.Context(), "root")
			out, _ := through(t, mount(r.config), ctx, message.Raw{Session: sessionOf("kim"), Header: header("traceparent", elsewhere)})
			root.End()
			s := r.span(t, name)
			if !isChild(s, r.span(t, "root")) || len(s.Links) != links || out.Header.Get("traceparent") != traceparentOf(s.SpanContext) {
				t.Errorf("%v, %s: parent %v, links %v, header %v", policy, name, s.Parent, s.Links, out.Header)
			}
		}
	}
}

// Without an SDK nothing of the client's goes on either.
func TestForgedContextWithoutAnSDK(t *testing.T) {
	for name, mount := range edges {
		c := telemetry.Config{TracerProvider: noop.NewTracerProvider()}
		m := message.Raw{Session: sessionOf(""), Header: header("a", "1", "traceparent", elsewhere)}
		out, ctx := through(t, mount(c), t.Context(), m)
		if sc := trace.SpanContextFromContext(ctx); sc.IsValid() || out.Header.Len() != 1 {
			t.Errorf("%s: span context %v, header %v", name, sc, out.Header)
		}
	}
}

// The context that the first mount puts in the place of a client's is ours for all
// that come after it, on another goroutine as well.
func TestForgedContextIsReplacedOnce(t *testing.T) {
	for _, policy := range []telemetry.RemoteContext{telemetry.Link, telemetry.Ignore} {
		r := newRecorder()
		r.config.RemoteContext = policy
		m := orderMessage{Destination: "/a", Session: sessionOf(""), Header: header("traceparent", elsewhere, "baggage", "a=1")}
		h := message.Chain(orderFunc(nothing), telemetry.TraceSendWith[order](r.config), telemetry.TraceWith[order](r.config), telemetry.TraceSendWith[order](r.config))
		if err := h.Handle(t.Context(), m); err != nil {
			t.Fatal(err)
		}
		var sends []tracetest.SpanStub
		for _, s := range r.GetSpans() {
			if s.Name == "send /a" {
				sends = append(sends, s)
			}
		}
		inner, outer, process := sends[0], sends[1], r.span(t, "process /a")
		if !isChild(process, outer) || !isChild(inner, process) || outer.Parent.IsValid() {
			t.Errorf("%v: %v > %v > %v", policy, outer.SpanContext, process.Parent, inner.Parent)
		}
		if outer.SpanKind != trace.SpanKindProducer || inner.SpanKind != trace.SpanKindClient {
			t.Errorf("%v: kinds %v, %v", policy, outer.SpanKind, inner.SpanKind)
		}
	}
}

// The sampling decision of a client counts only where it is trusted: it can neither
// fill the exporter nor hide.
func TestForgedSamplingDecision(t *testing.T) {
	for flags, base := range map[string]sdktrace.Sampler{"01": sdktrace.NeverSample(), "00": sdktrace.AlwaysSample()} {
		exporter := tracetest.NewInMemoryExporter()
		c := telemetry.Config{TracerProvider: sdktrace.NewTracerProvider(sdktrace.WithSyncer(exporter), sdktrace.WithSampler(sdktrace.ParentBased(base)))}
		m := message.Raw{Session: sessionOf(""), Header: header("traceparent", "00-"+forgedTrace+"-"+forgedSpan+"-"+flags)}
		through(t, telemetry.TraceWith[[]byte](c), t.Context(), m)
		if got, want := len(exporter.GetSpans()), map[string]int{"01": 0, "00": 1}[flags]; got != want {
			t.Errorf("flags %s: %d spans, want %d", flags, got, want)
		}
	}
}

func TestBaggage(t *testing.T) {
	both := propagation.NewCompositeTextMapPropagator(propagation.TraceContext{}, propagation.Baggage{})
	big := "a=" + strings.Repeat("x", 8191)
	tests := map[string]struct {
		propagator propagation.TextMapPropagator
		allowed    bool
		client     bool
		value      string
		taken      bool
		goesOn     bool
	}{
		"of a client":              {both, false, true, "a=1", false, false},
		"of a client, never read":  {nil, false, true, "a=1", false, false},
		"of a client, allowed":     {both, true, true, "a=1", true, true},
		"of a client, too long":    {both, true, true, big, false, false},
		"of the application":       {both, false, false, "a=1", true, true},
		"of the application, long": {both, false, false, big, false, true},
	}
	for name, tt := range tests {
		for edge, mount := range edges {
			for _, context := range []string{"", elsewhere} {
				t.Run(name+"/"+edge+context, func(t *testing.T) {
					r := newRecorder()
					r.config.Propagator, r.config.RemoteBaggage = tt.propagator, tt.allowed
					m := message.Raw{Header: header("baggage", tt.value, "baggage", "b=2")}
					if context != "" {
						m.Header = m.Header.With("traceparent", context)
					}
					if tt.client {
						m.Session = sessionOf("kim")
					}
					out, ctx := through(t, mount(r.config), t.Context(), m)
					bag := baggage.FromContext(ctx)
					if got := bag.Member("a").Value() == "1"; got != tt.taken || bag.Member("b").Value() != "" {
						t.Errorf("baggage %v", bag)
					}
					if _, ok := out.Header.Lookup("baggage"); ok != tt.goesOn {
						t.Errorf("header %v", out.Header)
					}
					if context != "" && out.Header.Get("traceparent") != context {
						t.Errorf("the context of a user became %v", out.Header)
					}
				})
			}
		}
	}
}
