package telemetry

import (
	"context"

	"go.opentelemetry.io/otel/trace"

	"github.com/headrace/headrace/message"
)

// lineage is what a new span hangs from and links to.
type lineage struct {
	ctx     context.Context // holds the parent
	links   []trace.Link
	created bool  // the message has a context that it was created in
	drop    found // what of the header must not go on
}

// lineage finds the parent of a span of op for a message that a session sent, or
// the application if it is nil.
//
// The span in ctx is the nearest and so the parent. If there is none it is the one
// that the message was created in. The handshake of the session, whose context all
// of its messages have, is the parent of nothing but CONNECT, and that only while
// it lasts: else a session would be one trace.
func (t *tracing) lineage(ctx context.Context, from *message.Session, header message.Header, op *operation) lineage {
	ambient := trace.SpanFromContext(ctx)
	here, handshake := ambient.SpanContext(), trace.SpanContext{}
	if from != nil && here.IsValid() && here.Equal(trace.SpanContextFromContext(from.Context())) {
		here, handshake = handshake, here
	}
	r := t.read(ctx, from, here, header)
	l := lineage{ctx: r.ctx, created: r.creation.IsValid(), drop: r.drop}
	if !r.baggage {
		l.ctx = ctx
	}
	connects, apart := op.kind == message.KindConnect, op.consumes && t.config.LinkMode == LinkOnly
	sender := apart && (here.SpanID() == r.creation.SpanID() || ctx.Value(senderKey) == here.SpanID())
	parent := ambient
	switch {
	case here.IsValid() && !sender, connects && handshake.IsValid() && ambient.IsRecording():
	case l.created && !apart && !op.settles:
		l.ctx, parent = r.ctx, trace.SpanFromContext(r.ctx)
	default:
		parent = noSpan
	}
	is := parent.SpanContext()
	if !trace.SpanContextFromContext(l.ctx).Equal(is) {
		l.ctx = trace.ContextWithSpan(l.ctx, parent)
	}
	l.link(is, r.creation)
	l.link(is, r.stranger)
	if !l.created {
		l.link(is, here)
	}
	if connects {
		l.link(is, handshake)
	}
	return l
}

var noSpan = trace.SpanFromContext(context.Background())

// contextKey is a key of what goes from one mount to another in ctx.
type contextKey uint8

const (
	// senderKey has the id of the span that sent the message, for LinkOnly: it may
	// not have ended when the message is handled.
	senderKey     contextKey = iota
	queuedKey                // a *queued
	deliveriesKey            // a *fanout
)

// link adds a link, unless it is the parent.
func (l *lineage) link(parent, to trace.SpanContext) {
	if to.IsValid() && to.SpanID() != parent.SpanID() {
		l.links = append(l.links, trace.Link{SpanContext: to})
	}
}
