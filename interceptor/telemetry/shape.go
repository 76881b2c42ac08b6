package telemetry

import (
	"maps"
	"strings"
	"sync"
	"sync/atomic"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
)

// shape is what the messages of one operation to one destination have in common. It
// is made once, because that is most of what a span costs that nobody records.
type shape struct {
	op       *operation
	name     string
	start    []trace.SpanStartOption // kind, and what samplers may want to know
	metered  attribute.KeyValue      // the destination, as metrics may show it, or none
	measured []attribute.KeyValue    // without error.type
	add      []metric.AddOption      // the same, for success
	record   []metric.RecordOption
}

type shapeKey struct {
	op          *operation
	destination string
}

// shapes are those of one mount. It keeps few: clients may send to any number of
// destinations.
type shapes struct {
	mu   sync.Mutex
	kept atomic.Pointer[map[shapeKey]*shape]
}

// maxShapes is how many shapes a mount keeps.
const maxShapes = 1024

// users stands for all destinations of users.
const users = "queue/*"

// shape returns that of a message.
func (t *tracing) shape(op *operation, destination string) *shape {
	if strings.HasPrefix(destination, t.userPrefix) {
		destination = t.userPrefix + users // whose it is does not count
	}
	key := shapeKey{op, destination}
	kept := t.shapes.kept.Load()
	if kept != nil {
		if s := (*kept)[key]; s != nil {
			return s
		}
		if len(*kept) >= maxShapes {
			return t.newShape(key)
		}
	}
	return t.keep(shapeKey{op, strings.Clone(destination)}) // it may be part of a frame
}

func (t *tracing) keep(key shapeKey) *shape {
	s := t.newShape(key)
	t.shapes.mu.Lock()
	defer t.shapes.mu.Unlock()
	more := make(map[shapeKey]*shape)
	if kept := t.shapes.kept.Load(); kept != nil {
		maps.Copy(more, *kept)
	}
	more[key] = s
	t.shapes.kept.Store(&more)
	return s
}

func (t *tracing) newShape(key shapeKey) *shape {
	shown, attrs, few := t.shown(key)
	fixed := key.op.attributes(&t.config)
	started := append(fixed[:len(fixed):len(fixed)], attrs...)
	s := &shape{op: key.op, name: key.op.spanName(shown), measured: fixed}
	s.start = []trace.SpanStartOption{trace.WithSpanKind(key.op.spanKind), trace.WithAttributes(started...)}
	if few && len(attrs) > 0 {
		s.metered = attrs[0]
		s.measured = append(fixed[:len(fixed):len(fixed)], s.metered)
	}
	set := metric.WithAttributeSet(attribute.NewSet(s.measured...))
	s.add, s.record = []metric.AddOption{set}, []metric.RecordOption{set}
	return s
}

// shown returns the destination as names show it, its attributes, the first of
// which metrics may have too, and whether they may.
func (t *tracing) shown(key shapeKey) (shown string, attrs []attribute.KeyValue, few bool) {
	dest := key.destination
	switch {
	case dest == "":
		return "", nil, false
	case dest == t.userPrefix+users:
		return dest, []attribute.KeyValue{semconv.MessagingDestinationTemplate(dest),
			semconv.MessagingDestinationTemporary(true), semconv.MessagingDestinationAnonymous(true)}, true
	case t.config.Template == nil:
		return dest, []attribute.KeyValue{semconv.MessagingDestinationName(dest)}, false
	}
	switch shown = t.config.Template(key.op.kind, dest); shown {
	case "":
		return "", nil, false
	case dest:
		return shown, []attribute.KeyValue{semconv.MessagingDestinationName(shown)}, true
	}
	return shown, []attribute.KeyValue{semconv.MessagingDestinationTemplate(shown)}, true
}

// failed returns what is measured of a failure.
func (s *shape) failed(code string) metric.MeasurementOption {
	attrs := append(s.measured[:len(s.measured):len(s.measured)], semconv.ErrorTypeKey.String(code))
	return metric.WithAttributeSet(attribute.NewSet(attrs...))
}
