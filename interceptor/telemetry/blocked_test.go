//go:build !race

package telemetry_test

import (
	"context"
	"testing"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/headrace/headrace/internal/pairs"
	"github.com/headrace/headrace/message"
)

// gate is an exporter that takes nothing until it is open.
type gate struct{ open chan struct{} }

func (g gate) ExportSpans(context.Context, []sdktrace.ReadOnlySpan) error { <-g.open; return nil }
func (g gate) Shutdown(context.Context) error                             { return nil }

// An exporter that hangs slows nobody down and takes no memory: spans that find no
// room are dropped.
func TestReliability_R31_BlockedExporter(t *testing.T) {
	const calls = 1000
	load := func(g gate) func() {
		provider := sdktrace.NewTracerProvider(sdktrace.WithBatcher(g))
		t.Cleanup(func() { _ = provider.Shutdown(context.Background()) })
		h := traced(provider, message.Handler[order](orderFunc(nothing)))
		return func() {
			for range calls {
				if err := h.Handle(t.Context(), benchMessage); err != nil {
					t.Error(err)
				}
			}
		}
	}
	free, stuck := gate{make(chan struct{})}, gate{make(chan struct{})}
	close(free.open)
	running, blocked := load(free), load(stuck)
	t.Cleanup(func() { close(stuck.open) }) // before the providers end
	for range 5 {
		blocked() // fills the queue
	}
	before := heap()
	result := pairs.Compare("blocked/running", 21, calls, blocked, running)
	if result.Ratio > 1.5 {
		t.Errorf("a blocked exporter slows messages down: %v", result)
	}
	if grown := heap() - before; grown > 16<<20 {
		t.Errorf("%d bytes more after %d messages", grown, 21*calls)
	}
}
