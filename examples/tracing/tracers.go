package main

import (
	"context"
	"errors"
	"strings"
	"time"

	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
)

// tracers make the spans. Two nodes and a client are three services, though here they
// share a process.
type tracers struct{ west, east, client *sdktrace.TracerProvider }

// newTracers returns tracers whose spans go to traces, and to a collector if otlp is
// its URL. The nodes record what clients begin, and so neither the connects of pages,
// which have no trace context, nor the traces that they are shown.
func newTracers(ctx context.Context, otlp string, traces sdktrace.SpanProcessor) (t tracers, err error) {
	ofClients := sdktrace.ParentBased(sdktrace.NeverSample())
	for _, service := range []struct {
		provider **sdktrace.TracerProvider
		name     string
		sampler  sdktrace.Sampler
	}{
		{&t.west, "west", ofClients},
		{&t.east, "east", ofClients},
		{&t.client, "client", sdktrace.AlwaysSample()},
	} {
		*service.provider = sdktrace.NewTracerProvider(
			sdktrace.WithResource(resource.NewSchemaless(semconv.ServiceName(service.name))),
			sdktrace.WithSampler(service.sampler),
			sdktrace.WithSpanProcessor(traces),
		)
		if otlp == "" {
			continue
		}
		collector, err := otlptracehttp.New(ctx, otlptracehttp.WithEndpointURL(strings.TrimSuffix(otlp, "/")+"/v1/traces"))
		if err != nil {
			return t, err
		}
		(*service.provider).RegisterSpanProcessor(sdktrace.NewBatchSpanProcessor(collector))
	}
	return t, nil
}

// shutdown sends what the collector has not got yet.
func (t tracers) shutdown() error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	return errors.Join(t.west.Shutdown(ctx), t.east.Shutdown(ctx), t.client.Shutdown(ctx))
}
