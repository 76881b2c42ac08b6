package telemetry_test

import (
	"context"
	"testing"

	"go.opentelemetry.io/otel/trace"

	"github.com/headrace/headrace/interceptor/telemetry"
	"github.com/headrace/headrace/message"
)

// With LinkOnly the two sides are traces of their own that a link joins.
func TestLinkOnly(t *testing.T) {
	r := newRecorder()
	r.config.LinkMode = telemetry.LinkOnly
	h := message.Chain(orderFunc(nothing), telemetry.TraceSendWith[order](r.config), telemetry.TraceWith[order](r.config))
	ctx, root := r.Start(t.Context(), "root")
	if err := h.Handle(ctx, orderMessage{}); err != nil {
		t.Fatal(err)
	}
	root.End()
	send, process := r.span(t, "send"), r.span(t, "process")
	if !isChild(send, r.span(t, "root")) {
		t.Errorf("send has the parent %v", send.Parent)
	}
	if process.Parent.IsValid() || !linksTo(process, send.SpanContext) || process.SpanContext.TraceID() == send.SpanContext.TraceID() {
		t.Errorf("process has the parent %v and links %v", process.Parent, process.Links)
	}
}

// The sender's span has mostly ended when the message is handled, but not always: both
// must give the same trace, also when the message keeps a context of its own.
func TestLinkOnlyWithACreationContext(t *testing.T) {
	r := newRecorder()
	r.config.LinkMode = telemetry.LinkOnly
	h := message.Chain(orderFunc(nothing), telemetry.TraceSendWith[order](r.config), telemetry.TraceWith[order](r.config))
	if err := h.Handle(t.Context(), orderMessage{Header: header("traceparent", elsewhere)}); err != nil {
		t.Fatal(err)
	}
	if s := r.span(t, "process"); s.Parent.IsValid() || len(s.Links) != 1 || s.Links[0].SpanContext.SpanID().String() != forgedSpan {
		t.Errorf("parent %v, links %v", s.Parent, s.Links)
	}
}

// A span of its own that is under way, such as that of an HTTP request or a poll,
// stays the parent.
func TestLinkOnlyWithinASpan(t *testing.T) {
	r := newRecorder()
	r.config.LinkMode = telemetry.LinkOnly
	ctx, poll := r.Start(t.Context(), "poll")
	h := telemetry.TraceWith[order](r.config)(orderFunc(nothing))
	if err := h.Handle(ctx, orderMessage{Header: header("traceparent", elsewhere)}); err != nil {
		t.Fatal(err)
	}
	poll.End()
	if s := r.span(t, "process"); !isChild(s, r.span(t, "poll")) || len(s.Links) != 1 || s.Links[0].SpanContext.SpanID().String() != forgedSpan {
		t.Errorf("parent %v, links %v", s.Parent, s.Links)
	}
}

// The handshake's span, which the context of a session carries, is the parent of
// CONNECT alone; else all that a session ever sends would be one trace.
func TestHandshake(t *testing.T) {
	tests := map[string]struct {
		kind          message.Kind
		ended         bool
		parent, links bool
	}{
		"connect":              {message.KindConnect, false, true, false},
		"connect, it is over":  {message.KindConnect, true, false, true},
		"data":                 {message.KindData, false, false, false},
		"data, it is over":     {message.KindData, true, false, false},
		"subscribe":            {message.KindSubscribe, false, false, false},
		"acknowledge, it ends": {message.KindAck, true, false, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			r := newRecorder()
			ctx, handshake := r.Start(t.Context(), "GET /ws")
			defer handshake.End()
			if tt.ended {
				handshake.End()
			}
			m := message.Raw{Kind: tt.kind, Session: message.NewSession(nil, message.SessionInfo{Context: ctx})}
			out, inside := through(t, telemetry.TraceWith[[]byte](r.config), ctx, m)
			op := tt.kind.String()
			if tt.kind == message.KindData {
				op = "process"
			}
			s := r.span(t, op)
			if got := s.Parent.SpanID() == handshake.SpanContext().SpanID(); got != tt.parent || !got && s.Parent.IsValid() {
				t.Errorf("parent %v", s.Parent)
			}
			if got := linksTo(s, handshake.SpanContext()); got != tt.links {
				t.Errorf("links %v", s.Links)
			}
			if sc := trace.SpanContextFromContext(inside); !sc.Equal(s.SpanContext) || out.Kind != tt.kind {
				t.Errorf("inside %v", sc)
			}
		})
	}
}

// What settles a message links to the context in which that was created.
func TestSettlingLinks(t *testing.T) {
	r := newRecorder()
	m := message.Raw{Kind: message.KindNack, Header: header("traceparent", elsewhere)}
	through(t, telemetry.TraceWith[[]byte](r.config), t.Context(), m)
	if s := r.span(t, "nack"); s.Parent.IsValid() || len(s.Links) != 1 || s.Links[0].SpanContext.SpanID().String() != forgedSpan {
		t.Errorf("parent %v, links %v", s.Parent, s.Links)
	}
}

// An application that puts a remote span into ctx itself does not make an unreadable
// header readable.
func TestRemoteSpanInTheContext(t *testing.T) {
	r := newRecorder()
	remote := trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{1}, Remote: true, TraceFlags: trace.FlagsSampled})
	ctx := trace.ContextWithRemoteSpanContext(context.Background(), remote)
	out, _ := through(t, telemetry.TraceSendWith[[]byte](r.config), ctx, message.Raw{Header: header("traceparent", "nonsense")})
	s := r.span(t, "send")
	if s.Parent.SpanID() != remote.SpanID() || out.Header.Get("traceparent") != traceparentOf(s.SpanContext) {
		t.Errorf("parent %v, header %v", s.Parent, out.Header)
	}
}
