//go:build !race

package telemetry_test

import (
	"context"
	"runtime"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/propagation"

	"github.com/headrace/headrace/interceptor/telemetry"
	"github.com/headrace/headrace/message"
)

// Trace allocates no more often than the calls of the API do that it stands for.
func TestTraceAllocatesLessThanTheAPI(t *testing.T) {
	for name, p := range providers {
		count := func(h message.Handler[order]) float64 {
			return testing.AllocsPerRun(100, func() { _ = h.Handle(context.Background(), benchMessage) })
		}
		if ours, theirs := count(traced(p, orderFunc(nothing))), count(bare(p, orderFunc(nothing))); ours > theirs {
			t.Errorf("%s: %v allocations, the bare calls have %v", name, ours, theirs)
		}
	}
}

// 64 headers of 8 KB of baggage cost less than 64 KB, whatever is taken from
// clients: one header at most is read.
func TestBaggageFlood(t *testing.T) {
	fields := []message.Field{{Name: "traceparent", Value: elsewhere}}
	for range 64 {
		fields = append(fields, message.Field{Name: "baggage", Value: strings.Repeat("k=v;p=1,", 1000)[:7999]})
	}
	m := message.Raw{Session: sessionOf("kim"), Header: message.NewHeader(fields...)}
	for name, mount := range edges {
		for _, allowed := range []bool{false, true} {
			h := mount(telemetry.Config{
				Propagator:    propagation.NewCompositeTextMapPropagator(propagation.TraceContext{}, propagation.Baggage{}),
				RemoteBaggage: allowed,
			})(message.HandlerFunc[[]byte](func(context.Context, message.Raw) error { return nil }))
			const n = 100
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			for range n {
				if err := h.Handle(t.Context(), m); err != nil {
					t.Fatal(err)
				}
			}
			runtime.ReadMemStats(&after)
			if each := (after.TotalAlloc - before.TotalAlloc) / n; each > 64<<10 {
				t.Errorf("%s, allowed %v: %d bytes for each message", name, allowed, each)
			}
		}
	}
}
