package telemetry_test

import (
	"context"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	metricnoop "go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/propagation"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/headrace/headrace/interceptor/telemetry"
	"github.com/headrace/headrace/internal/pairs"
	"github.com/headrace/headrace/message"
)

// providers are the three that the speed of Trace is measured with.
var providers = map[string]trace.TracerProvider{
	"noop":       noop.NewTracerProvider(),
	"sampledout": sdktrace.NewTracerProvider(sdktrace.WithSampler(sdktrace.NeverSample())),
	"recorded":   sdktrace.NewTracerProvider(),
}

// bareCarrier is the least that a propagator needs to read and write a header.
type bareCarrier struct{ header *message.Header }

func (c bareCarrier) Get(name string) string   { return c.header.Get(name) }
func (c bareCarrier) Set(name, value string)   { *c.header = c.header.With(name, value) }
func (c bareCarrier) Keys() []string           { return nil }
func (c bareCarrier) Values(n string) []string { return []string{c.header.Get(n)} }

// bareStart is what an application writes without Trace: the call of the API with
// the same name, kind and attributes.
func bareStart(ctx context.Context, tracer trace.Tracer, name, op string, kind trace.SpanKind, m orderMessage) (context.Context, trace.Span) {
	ctx, span := tracer.Start(ctx, name+" "+m.Destination, trace.WithSpanKind(kind), trace.WithAttributes(
		attribute.String("messaging.system", "headrace"),
		attribute.String("messaging.operation.name", name),
		attribute.String("messaging.operation.type", op),
		attribute.String("messaging.destination.name", m.Destination)))
	if span.IsRecording() {
		span.SetAttributes(attribute.String("messaging.message.id", m.Header.Get("message-id")))
	}
	return ctx, span
}

// bare sends and handles with the calls of the API alone.
func bare(p trace.TracerProvider, next message.Handler[order]) message.Handler[order] {
	tracer, w3c := p.Tracer("bare"), propagation.TraceContext{}
	handle := orderFunc(func(ctx context.Context, m orderMessage) error {
		header := m.Header
		ctx, span := bareStart(w3c.Extract(ctx, bareCarrier{&header}), tracer, "process", "process", trace.SpanKindConsumer, m)
		defer span.End()
		return next.Handle(ctx, m)
	})
	return orderFunc(func(ctx context.Context, m orderMessage) error {
		header := m.Header
		sent, span := bareStart(ctx, tracer, "send", "send", trace.SpanKindProducer, m)
		defer span.End()
		w3c.Inject(sent, bareCarrier{&header})
		m.Header = header
		return handle.Handle(ctx, m) // as behind a queue: not within the span
	})
}

// traced does the same with Trace.
func traced(p trace.TracerProvider, next message.Handler[order]) message.Handler[order] {
	c := telemetry.Config{TracerProvider: p, MeterProvider: metricnoop.NewMeterProvider()}
	background := context.Background()
	return message.Chain(next, telemetry.TraceSendWith[order](c),
		func(next message.Handler[order]) message.Handler[order] {
			return orderFunc(func(_ context.Context, m orderMessage) error { return next.Handle(background, m) })
		}, telemetry.TraceWith[order](c))
}

var benchMessage = orderMessage{Destination: "/orders", Header: message.NewHeader(
	message.Field{Name: "content-type", Value: "application/json"},
	message.Field{Name: "message-id", Value: "1"})}

// BenchmarkTrace has the cost of sending and handling a message.
func BenchmarkTrace(b *testing.B) {
	for name, p := range providers {
		for kind, h := range map[string]message.Handler[order]{"bare": bare(p, orderFunc(nothing)), "Trace": traced(p, orderFunc(nothing))} {
			b.Run(name+"/"+kind, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					_ = h.Handle(context.Background(), benchMessage)
				}
			})
		}
	}
}

// BenchmarkTraceRatio has Trace against the bare calls in interleaved pairs; "x-bare" is
// asked to be at most 1.3.
func BenchmarkTraceRatio(b *testing.B) {
	for name, p := range providers {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				r := ratio(p, 41, 2000)
				b.ReportMetric(r.Ratio, "x-bare")
				b.Log(r)
			}
		})
	}
}

// ratio compares Trace with the bare calls.
func ratio(p trace.TracerProvider, n, calls int) pairs.Result {
	run := func(h message.Handler[order]) func() {
		return func() {
			for range calls {
				_ = h.Handle(context.Background(), benchMessage)
			}
		}
	}
	return pairs.Compare("Trace/bare", n, calls, run(traced(p, orderFunc(nothing))), run(bare(p, orderFunc(nothing))))
}
