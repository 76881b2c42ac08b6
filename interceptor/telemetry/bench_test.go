package telemetry_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/headrace/headrace/interceptor/telemetry"
	"github.com/headrace/headrace/message"
)

var noopConfig = telemetry.Config{TracerProvider: noop.NewTracerProvider()}

// readOnly is the least a propagator needs to read a header.
type readOnly struct{ *message.Header }

func (readOnly) Set(string, string) {}
func (readOnly) Keys() []string     { return nil }

// bare is what an application writes without Trace: the calls of the API with
// the same name, kind and attributes.
func bare(next message.Handler[order]) message.Handler[order] {
	tracer := noopConfig.TracerProvider.Tracer("bare")
	return orderFunc(func(ctx context.Context, m orderMessage) error {
		ctx = propagation.TraceContext{}.Extract(ctx, readOnly{&m.Header})
		ctx, span := tracer.Start(ctx, "process "+m.Destination,
			trace.WithSpanKind(trace.SpanKindConsumer),
			trace.WithAttributes(
				attribute.String("messaging.system", "headrace"),
				attribute.String("messaging.operation.name", "process"),
				attribute.String("messaging.operation.type", "process"),
				attribute.String("messaging.destination.name", m.Destination)))
		defer span.End()
		return next.Handle(ctx, m)
	})
}

func handlers() map[string]message.Handler[order] {
	return map[string]message.Handler[order]{
		"none":  orderFunc(nothing),
		"bare":  bare(orderFunc(nothing)),
		"Trace": telemetry.TraceWith[order](noopConfig)(orderFunc(nothing)),
		"Send":  telemetry.TraceSendWith[order](noopConfig)(orderFunc(nothing)),
	}
}

var benchMessages = map[string]orderMessage{
	"rootless": {Destination: "/orders"},
	"header": {Destination: "/orders", Header: message.NewHeader(
		message.Field{Name: "content-type", Value: "application/json"},
		message.Field{Name: "traceparent", Value: elsewhere})},
}

// BenchmarkNoop has the cost without an SDK.
func BenchmarkNoop(b *testing.B) {
	for kind, m := range benchMessages {
		for name, h := range handlers() {
			b.Run(kind+"/"+name, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					_ = h.Handle(b.Context(), m)
				}
			})
		}
	}
}

// BenchmarkNoopRatio has Trace against the bare calls in interleaved pairs.
func BenchmarkNoopRatio(b *testing.B) {
	const calls = 20_000
	hs := handlers()
	for kind, m := range benchMessages {
		b.Run(kind, func(b *testing.B) {
			clock := func(h message.Handler[order]) time.Duration {
				start := time.Now()
				for range calls {
					_ = h.Handle(b.Context(), m)
				}
				return time.Since(start)
			}
			var ratios []float64
			for b.Loop() {
				ratios = append(ratios, float64(clock(hs["Trace"]))/float64(clock(hs["bare"])))
			}
			slices.Sort(ratios)
			n := len(ratios)
			b.ReportMetric(ratios[n/2], "x-bare")
			b.Logf("%d pairs, quartiles %.2f %.2f %.2f", n, ratios[n/4], ratios[n/2], ratios[3*n/4])
		})
	}
}
