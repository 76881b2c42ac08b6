package telemetry_test

import (
	"context"
	"testing"

	"go.opentelemetry.io/otel/trace"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/channel"
	"github.com/headrace/headrace/interceptor/telemetry"
	"github.com/headrace/headrace/message"
)

// hub is a broker with everything mounted.
type hub struct {
	recorder
	publish   message.RawHandler
	outbound  *channel.DirectChannel[[]byte]
	delivered []message.Raw
}

const listeners = 5

func newHub(t *testing.T, change func(*telemetry.Config)) *hub {
	t.Helper()
	h := &hub{recorder: newRecorder(), outbound: new(channel.DirectChannel[[]byte])}
	if change != nil {
		change(&h.config)
	}
	h.outbound.Intercept(telemetry.TraceDelivery(h.config))
	channel.SubscribeFunc(h.outbound, func(_ context.Context, m message.Raw) error {
		if m.Kind == message.KindData {
			h.delivered = append(h.delivered, m)
		}
		return nil
	})
	b := broker.NewMemory(h.outbound, broker.Config{})
	t.Cleanup(b.Close)
	for range listeners {
		s := sessionOf("")
		for _, m := range []message.Raw{{Kind: message.KindConnect}, {Kind: message.KindSubscribe, Subscription: "1", Destination: "/topic/news"}} {
			m.Session = s
			if err := b.Handle(t.Context(), m); err != nil {
				t.Fatal(err)
			}
		}
	}
	h.publish = message.Chain[[]byte](b, telemetry.TracePublish(h.config))
	return h
}

// A broadcast is one span, and all of its deliveries share one header, with the
// context of that span or of the one that sent the message.
func TestBroadcastIsOneSpan(t *testing.T) {
	for _, sent := range []bool{false, true} {
		h := newHub(t, nil)
		creator := "publish /topic/news"
		if sent {
			h.publish = message.Chain(h.publish, telemetry.TraceSendWith[[]byte](h.config))
			creator = "send /topic/news"
		}
		if err := h.publish.Handle(t.Context(), message.Raw{Destination: "/topic/news"}); err != nil {
			t.Fatal(err)
		}
		s := h.span(t, "publish /topic/news")
		if got := attributes(s)["headrace.fanout.count"]; got != "5" || s.SpanKind != trace.SpanKindInternal {
			t.Errorf("fan-out %q, kind %v", got, s.SpanKind)
		}
		if sent && !isChild(s, h.span(t, creator)) {
			t.Errorf("publish has the parent %v", s.Parent)
		}
		if got, want := len(h.GetSpans()), map[bool]int{false: 1, true: 2}[sent]; got != want {
			t.Errorf("%d spans, want %d", got, want)
		}
		for _, m := range h.delivered {
			if m.Header.Get("traceparent") != traceparentOf(h.span(t, creator).SpanContext) || !m.Header.Same(h.delivered[0].Header) {
				t.Errorf("delivered with %v", m.Header)
			}
		}
		if len(h.delivered) != listeners {
			t.Errorf("%d deliveries", len(h.delivered))
		}
	}
}

func TestDeliverySpans(t *testing.T) {
	h := newHub(t, func(c *telemetry.Config) { c.DeliverySpans = true })
	if err := h.publish.Handle(t.Context(), message.Raw{Destination: "/topic/news"}); err != nil {
		t.Fatal(err)
	}
	publish, n := h.span(t, "publish /topic/news"), 0
	for _, s := range h.GetSpans() {
		if s.Name != "deliver /topic/news" {
			continue
		}
		n++
		if !isChild(s, publish) || s.SpanKind != trace.SpanKindInternal || attributes(s)["messaging.destination.subscription.name"] != "1" {
			t.Errorf("%v %v, parent %v", s.SpanKind, attributes(s), s.Parent)
		}
	}
	if n != listeners {
		t.Errorf("%d spans, want %d", n, listeners)
	}
	for _, m := range h.delivered {
		if !m.Header.Same(h.delivered[0].Header) {
			t.Error("a delivery has a header of its own, and must be encoded for itself")
		}
	}
}

// What a client sends to a topic is delivered with our context, not with that of a
// client which is not trusted.
func TestBroadcastOfAStranger(t *testing.T) {
	h := newHub(t, nil)
	m := message.Raw{Destination: "/topic/news", Session: sessionOf(""), Header: header("traceparent", elsewhere)}
	if err := h.publish.Handle(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	for _, m := range h.delivered {
		if got := m.Header.Get("traceparent"); got != traceparentOf(h.span(t, "publish /topic/news").SpanContext) {
			t.Errorf("delivered with %q", got)
		}
	}
}

// What is sent to a client past the broker has the context of the span it was sent
// in; a context that it has stays.
func TestDirectReplyHasAContext(t *testing.T) {
	h := newHub(t, nil)
	ctx, root := h.Start(t.Context(), "root")
	defer root.End()
	for _, m := range []message.Raw{
		{Destination: "/app/positions", Subscription: "1"},
		{Destination: "/app/positions", Subscription: "1", Header: header("traceparent", elsewhere)},
		{Kind: message.KindError},
	} {
		if err := h.outbound.Handle(ctx, m); err != nil {
			t.Fatal(err)
		}
	}
	for i, want := range []string{traceparentOf(root.SpanContext()), elsewhere} {
		if got := h.delivered[i].Header.Get("traceparent"); got != want {
			t.Errorf("message %d has %q, want %q", i, got, want)
		}
	}
}

// What a broker published keeps the header that all of its deliveries share, also where
// it has no context.
func TestDeliveryKeepsThePublishedHeader(t *testing.T) {
	h := newHub(t, nil)
	ctx, root := h.Start(t.Context(), "root")
	defer root.End()
	published := header(message.HeaderMessageID, "1")
	if err := h.outbound.Handle(ctx, message.Raw{Destination: "/topic/news", Subscription: "1", Header: published}); err != nil {
		t.Fatal(err)
	}
	if got := h.delivered[0].Header; !got.Same(published) {
		t.Errorf("delivered with %v, want the header as it was", got)
	}
}

func TestPublishLetsOtherKindsPass(t *testing.T) {
	r := newRecorder()
	for _, mount := range []message.RawInterceptor{telemetry.TracePublish(r.config), telemetry.TraceRelay(r.config), telemetry.TraceDelivery(r.config)} {
		out, _ := through(t, mount, t.Context(), message.Raw{Kind: message.KindSubscribe, Destination: "/topic/news"})
		if out.Kind != message.KindSubscribe || out.Header.Len() > 0 || len(r.GetSpans()) > 0 {
			t.Errorf("%v, spans %v", out, r.GetSpans())
		}
	}
}
