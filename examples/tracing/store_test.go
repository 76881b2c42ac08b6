package main

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/attribute"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// told runs a store in a bubble, and returns how many spans each trace had that it
// told, in order.
func told(t *testing.T, spans func(*store, trace.Tracer)) (counts []int) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		ctx, stop := context.WithCancel(t.Context())
		go s.run(ctx, func(t Trace) { counts = append(counts, len(t.Spans)) })
		spans(s, sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(s)).Tracer("test"))
		time.Sleep(2 * quiet)
		stop()
		synctest.Wait()
	})
	return counts
}

// A trace is told when it has been quiet, once, and again if it goes on.
func TestStoreTellsWhatIsFinished(t *testing.T) {
	counts := told(t, func(_ *store, tracer trace.Tracer) {
		ctx, root := tracer.Start(context.Background(), "root")
		_, child := tracer.Start(ctx, "child")
		child.End()
		time.Sleep(3 * quiet) // root runs
		root.End()
		time.Sleep(quiet / 2) // its message is on its way
		_, next := tracer.Start(ctx, "next node")
		next.End()
		time.Sleep(3 * quiet)
		_, late := tracer.Start(ctx, "late")
		late.End()
	})
	if got := fmt.Sprint(counts); got != "[3 4]" {
		t.Errorf("told traces of %s spans, want [3 4]", got)
	}
}

// However many spans and traces there are, a few are kept.
func TestStoreIsBounded(t *testing.T) {
	counts := told(t, func(s *store, tracer trace.Tracer) {
		_, forgotten := tracer.Start(context.Background(), "forgotten")
		for range 3 * maxTraces {
			ctx, root := tracer.Start(context.Background(), "root")
			for range 2 * maxSpans {
				_, child := tracer.Start(ctx, "child")
				child.SetAttributes(attribute.String("key", strings.Repeat("x", 1000)))
				child.End()
			}
			root.End()
		}
		forgotten.End()
		time.Sleep(2 * quiet)
		all, _ := s.all(context.Background(), struct{}{})
		if len(all) != maxTraces {
			t.Errorf("%d traces are kept, want %d", len(all), maxTraces)
		}
		if text := all[0].Spans[0].Attributes["key"]; len(text) != 100 {
			t.Errorf("an attribute has %d characters, want 100", len(text))
		}
	})
	if len(counts) != maxTraces {
		t.Errorf("%d traces were told, want %d", len(counts), maxTraces)
	}
	for _, n := range counts {
		if n != maxSpans {
			t.Errorf("a trace has %d spans, want %d", n, maxSpans)
		}
	}
}
