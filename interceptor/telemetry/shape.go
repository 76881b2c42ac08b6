package telemetry

import (
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"
)

// shape is what the messages of one operation to one destination have in common. It
// is made once, because that is most of what a span costs that nobody records.
type shape struct {
	op      *operation
	name    string
	start   []trace.SpanStartOption // kind, and what samplers may want to know
	metered attribute.KeyValue      // the destination, as metrics may show it, or none
	fixed   []attribute.KeyValue    // what all of the operation have: of what failed metrics show no more
	add     []metric.AddOption      // what counters have, of what went well
	record  []metric.RecordOption   // the same of durations
}

// shapeKey tells shapes apart.
type shapeKey struct {
	op    *operation
	shown string
	as    showing
}

// showing says what is shown of a destination.
type showing uint8

const (
	nothing showing = iota
	name
	template
	user // a template that stands for all destinations of users
)

// shapes are those of one mount. It keeps few: clients may send to any number of
// destinations.
type shapes struct {
	mu   sync.Mutex
	kept atomic.Pointer[map[shapeKey]*shape]
}

// maxShapes is how many shapes a mount keeps.
const maxShapes = 512

// shape returns that of a message.
func (t *tracing) shape(op *operation, destination string) *shape {
	shown, as := t.show(op, destination)
	key := shapeKey{op, shown, as}
	kept := t.shapes.kept.Load()
	if s := (*kept)[key]; s != nil {
		return s
	}
	if len(*kept) >= maxShapes {
		return t.newShape(key)
	}
	key.shown = strings.Clone(shown) // it may be part of a frame
	return t.keep(key)
}

// show returns what names and attributes show of a destination.
func (t *tracing) show(op *operation, destination string) (string, showing) {
	switch {
	case destination == "":
		return "", nothing
	case strings.HasPrefix(destination, t.userPrefix):
		return t.users, user
	case t.config.Template == nil:
		return destination, name
	}
	switch shown := t.config.Template(op.kind, destination); shown {
	case "":
		return "", nothing
	case destination:
		return shown, name
	default:
		return shown, template
	}
}

func (t *tracing) keep(key shapeKey) *shape {
	s := t.newShape(key)
	t.shapes.mu.Lock()
	defer t.shapes.mu.Unlock()
	more := maps.Clone(*t.shapes.kept.Load())
	more[key] = s
	t.shapes.kept.Store(&more)
	return s
}

func (t *tracing) newShape(key shapeKey) *shape {
	fixed := key.op.attributes(&t.config)
	s := &shape{op: key.op, name: key.op.spanName(key.shown), fixed: fixed}
	dest := destinationAttributes(key)
	s.start = []trace.SpanStartOption{trace.WithSpanKind(key.op.spanKind), trace.WithAttributes(slices.Concat(fixed, dest)...)}
	if len(dest) > 0 && (key.as != name || t.config.Template != nil) {
		s.metered = dest[0]
	}
	// Few series: how long sending takes does not depend on where to, and how often a
	// handler was called is in the histogram of how long that took.
	plain, shown := set(fixed), set(fixed)
	if s.metered.Valid() {
		shown = set(fixed, s.metered)
	}
	s.add, s.record = []metric.AddOption{shown}, []metric.RecordOption{plain}
	if key.op.consumes {
		s.add, s.record = []metric.AddOption{plain}, []metric.RecordOption{shown}
	}
	return s
}

func set(attrs []attribute.KeyValue, more ...attribute.KeyValue) metric.MeasurementOption {
	return metric.WithAttributeSet(attribute.NewSet(slices.Concat(attrs, more)...)) // which sorts what it is given
}
