package telemetry

import (
	"cmp"
	"context"
	"errors"
	"strings"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/headrace/headrace/message"
)

// Config says where spans go and how their context travels.
type Config struct {
	// TracerProvider makes the spans. Zero (nil) means the global one,
	// otel.GetTracerProvider(), also when it is set later.
	TracerProvider trace.TracerProvider
	// Propagator writes and reads the context in the header. Zero (nil) means
	// the W3C trace context, without baggage: what a client sends as baggage
	// does not become the application's by default.
	Propagator propagation.TextMapPropagator
	// UserPrefix begins the destinations of users, of which names and attributes
	// show nothing else. It is the UserPrefix of the router. Zero means "/user".
	UserPrefix string
}

// Trace opens a span around the handling of each message, "process
// {destination}" of kind CONSUMER for data, as a child of the context in the
// message's header. It is mounted around a subscriber as it is, without a type
// argument, and uses the global tracer provider.
func Trace[T any](next message.Handler[T]) message.Handler[T] { return TraceWith[T](Config{})(next) }

// TraceSend opens a span around the sending of each message, "send
// {destination}" of kind PRODUCER, and puts its context into the message's
// header unless there is one already. It is mounted on the send side of a
// channel as it is, without a type argument, and uses the global tracer
// provider. Messages of another kind than [message.KindData] pass.
func TraceSend[T any](next message.Handler[T]) message.Handler[T] {
	return TraceSendWith[T](Config{})(next)
}

// TraceWith is [Trace] with a configuration.
func TraceWith[T any](c Config) message.Interceptor[T] {
	t := newTracing(c)
	return func(next message.Handler[T]) message.Handler[T] {
		return message.HandlerFunc[T](func(ctx context.Context, m message.Message[T]) error {
			ctx, span := t.start(t.origin(ctx, m.Header).nearest(), handling(m.Kind), m.Destination)
			return run(ctx, span, m, next)
		})
	}
}

// TraceSendWith is [TraceSend] with a configuration.
func TraceSendWith[T any](c Config) message.Interceptor[T] {
	t := newTracing(c)
	return func(next message.Handler[T]) message.Handler[T] {
		return message.HandlerFunc[T](func(ctx context.Context, m message.Message[T]) error {
			if m.Kind != message.KindData {
				return next.Handle(ctx, m)
			}
			op, origin := &send, t.origin(ctx, m.Header)
			created := origin.creation.IsValid()
			if created {
				op = &resend
			}
			ctx, span := t.start(origin.sender(), op, m.Destination)
			if !created {
				m.Header = t.inject(ctx, m.Header)
			}
			return run(ctx, span, m, next)
		})
	}
}

// tracing is what all messages of one mount share.
type tracing struct {
	tracer     trace.Tracer
	propagator propagation.TextMapPropagator
	fields     []string // the header names that the propagator reads
	userPrefix string   // without a slash at its end
}

func newTracing(c Config) *tracing {
	if c.TracerProvider == nil {
		c.TracerProvider = otel.GetTracerProvider()
	}
	if c.Propagator == nil {
		c.Propagator = propagation.TraceContext{}
	}
	return &tracing{
		tracer:     c.TracerProvider.Tracer(instrumentation, trace.WithSchemaURL(schemaURL)),
		propagator: c.Propagator,
		fields:     c.Propagator.Fields(),
		userPrefix: strings.TrimRight(cmp.Or(c.UserPrefix, "/user"), "/."),
	}
}

// start opens the span of op below p.
func (t *tracing) start(p parent, op *operation, destination string) (context.Context, trace.Span) {
	destination = t.lowCardinality(destination)
	options := make([]trace.SpanStartOption, 0, 3)
	options = append(options, op.kindOption, trace.WithAttributes(op.startAttributes(destination)...))
	if p.link.IsValid() {
		options = append(options, trace.WithLinks(trace.Link{SpanContext: p.link}))
	}
	return t.tracer.Start(p.ctx, op.spanName(destination), options...)
}

// run calls next within span and ends it.
func run[T any](ctx context.Context, span trace.Span, m message.Message[T], next message.Handler[T]) (err error) {
	if !span.IsRecording() {
		defer span.End()
		return next.Handle(ctx, m)
	}
	describe(span, &m)
	returned := false
	defer func() {
		if returned {
			conclude(span, err)
		} else { // a panic, which goes on
			fail(span, "handler panicked", message.CodeInternal)
		}
		span.End()
	}()
	err = next.Handle(ctx, m)
	returned = true
	return err
}

// conclude tells span how it ended.
func conclude(span trace.Span, err error) {
	switch {
	case err == nil:
	case errors.Is(err, message.ErrDropped):
		span.SetAttributes(droppedKey.Bool(true))
	default:
		fail(span, err.Error(), message.Public(err).Code)
	}
}

func fail(span trace.Span, why string, code message.Code) {
	span.SetStatus(codes.Error, why)
	span.SetAttributes(semconv.ErrorTypeKey.String(string(code)))
}
