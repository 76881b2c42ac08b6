package telemetry

import (
	"context"
	"strings"

	"go.opentelemetry.io/otel/trace"

	"github.com/headrace/headrace/message"
)

const (
	baggageField = "baggage"
	maxBaggage   = 8192 // bytes, of the W3C recommendation
)

// carrier lets a propagator read a header and collects what it writes. It gives out
// the first field of a name alone.
type carrier struct {
	header  message.Header
	baggage bool // may be read
	set     []message.Field
	room    [2]message.Field
}

func (c *carrier) Get(name string) string {
	if name == baggageField && !c.baggage {
		return ""
	}
	return c.header.Get(name)
}

func (c *carrier) Set(name, value string) {
	if c.set == nil {
		c.set = c.room[:0]
	}
	c.set = append(c.set, message.Field{Name: name, Value: value})
}

func (c *carrier) Keys() []string {
	keys := make([]string, 0, c.header.Len())
	for name := range c.header.All() {
		keys = append(keys, name)
	}
	return keys
}

// inject returns the header with the context of the span in ctx.
func (t *tracing) inject(ctx context.Context, header message.Header) message.Header {
	c := carrier{}
	t.config.Propagator.Inject(ctx, &c)
	if len(c.set) == 0 {
		return header
	}
	return header.WithAll(c.set...)
}

// found says which fields of a header are about traces.
type found struct{ context, baggage bool }

func (t *tracing) find(header message.Header) (f found) {
	for name := range header.All() {
		is := t.is(name)
		f.context, f.baggage = f.context || is.context, f.baggage || is.baggage
	}
	return f
}

// is says which a field is of. Case does not matter: we read the names as they are
// written, but who gets the message from an engine may not.
func (t *tracing) is(name string) (f found) {
	f.baggage = same(name, baggageField)
	for _, field := range t.fields {
		f.context = f.context || same(name, field)
	}
	return f
}

func same(name, field string) bool { return len(name) == len(field) && strings.EqualFold(name, field) }

// reading is what a header says about traces.
type reading struct {
	ctx      context.Context   // with what the header says
	creation trace.SpanContext // in which the message was created
	stranger trace.SpanContext // the same, as a client says that is not trusted
	baggage  bool              // ctx has that of the header
	drop     found             // what must not go on
}

// read reads a header. What a client sent counts as the config says, unless a mount
// before this one has put our own context in its place: then it is of the trace of
// here, the span in ctx, whose id no client can guess.
func (t *tracing) read(ctx context.Context, from *message.Session, here trace.SpanContext, header message.Header) reading {
	r := reading{ctx: ctx}
	f := t.find(header)
	if f == (found{}) {
		return r
	}
	r.baggage = f.baggage && (from == nil || t.config.RemoteBaggage) && len(header.Get(baggageField)) <= maxBaggage
	trusted := from == nil || f.context && t.trusts(from)
	var sc trace.SpanContext
	if r.baggage || f.context && (trusted || here.IsValid() || t.config.RemoteContext != Ignore) {
		r.ctx, sc = t.extract(ctx, header, r.baggage)
	}
	switch ours := here.IsValid() && sc.TraceID() == here.TraceID(); {
	case trusted || ours:
		r.creation = sc
		r.drop.baggage = f.baggage && !r.baggage && from != nil && !ours
	default:
		r.drop = found{context: f.context, baggage: f.baggage && !r.baggage}
		if t.config.RemoteContext != Ignore {
			r.stranger = sc
		}
	}
	return r
}

// extract returns ctx with what a header says, and the span context in it.
func (t *tracing) extract(ctx context.Context, header message.Header, baggage bool) (context.Context, trace.SpanContext) {
	if trace.SpanContextFromContext(ctx).IsRemote() { // else it would be taken for the header's
		ctx = trace.ContextWithSpanContext(ctx, trace.SpanContext{})
	}
	ctx = t.config.Propagator.Extract(ctx, &carrier{header: header, baggage: baggage})
	sc := trace.SpanContextFromContext(ctx)
	if !sc.IsRemote() { // there is none in the header that can be read
		return ctx, trace.SpanContext{}
	}
	return ctx, sc
}

// admit takes off a header what must not go on, and puts the context of the span in
// ctx in the place of another.
func (t *tracing) admit(ctx context.Context, header message.Header, drop found) message.Header {
	var names []string
	for name := range header.All() {
		if is := t.is(name); is.baggage && drop.baggage || is.context && drop.context {
			names = append(names, name)
		}
	}
	header = header.Without(names...)
	if drop.context {
		header = t.inject(ctx, header)
	}
	return header
}
