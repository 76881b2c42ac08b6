package telemetry

import (
	"context"

	"go.opentelemetry.io/otel/trace"

	"github.com/headrace/headrace/message"
)

// carrier lets a propagator read and write a header.
type carrier struct{ header *message.Header }

func (c carrier) Get(key string) string { return c.header.Get(key) }

func (c carrier) Set(key, value string) { *c.header = c.header.With(key, value) }

func (c carrier) Keys() []string {
	keys := make([]string, 0, c.header.Len())
	for name := range c.header.All() {
		keys = append(keys, name)
	}
	return keys
}

// origin is where a message comes from.
type origin struct {
	ctx      context.Context   // with what the header carries
	ambient  trace.Span        // the span that was in the context
	creation trace.SpanContext // the one in the header, invalid when there is none
}

// parent is what a new span hangs from.
type parent struct {
	ctx  context.Context   // holds the parent
	link trace.SpanContext // the other one, invalid when there is none
}

// origin reads the header.
func (t *tracing) origin(ctx context.Context, header message.Header) origin {
	o := origin{ctx: ctx, ambient: trace.SpanFromContext(ctx)}
	if !t.present(header) {
		return o
	}
	o.ctx = t.extract(ctx, header)
	// A header that cannot be read leaves the ambient span, which is not remote.
	if sc := trace.SpanContextFromContext(o.ctx); sc.IsRemote() {
		o.creation = sc
	}
	return o
}

func (t *tracing) present(header message.Header) bool {
	for _, name := range t.fields {
		if _, ok := header.Lookup(name); ok {
			return true
		}
	}
	return false
}

func (t *tracing) extract(ctx context.Context, header message.Header) context.Context {
	return t.propagator.Extract(ctx, carrier{&header})
}

func (t *tracing) inject(ctx context.Context, header message.Header) message.Header {
	t.propagator.Inject(ctx, carrier{&header})
	return header
}

// sender returns the parent of a span that sends: the ambient span if there is
// one.
func (o origin) sender() parent {
	return o.parent(o.ambient.SpanContext().IsValid())
}

// nearest returns the parent of a span that handles: the ambient span when it
// is of the message's trace.
func (o origin) nearest() parent {
	return o.parent(o.ambient.SpanContext().TraceID() == o.creation.TraceID())
}

func (o origin) parent(ambient bool) parent {
	here := o.ambient.SpanContext()
	switch {
	case !o.creation.IsValid():
		return parent{ctx: o.ctx}
	case here.SpanID() == o.creation.SpanID():
		return parent{ctx: trace.ContextWithSpan(o.ctx, o.ambient)}
	case ambient:
		return parent{ctx: trace.ContextWithSpan(o.ctx, o.ambient), link: o.creation}
	default:
		return parent{ctx: o.ctx, link: here}
	}
}
