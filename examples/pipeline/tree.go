package main

import (
	"context"
	"fmt"
	"strings"
	"sync"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// tree is an exporter that keeps the spans and prints them as trees.
type tree struct {
	mu    sync.Mutex
	spans []sdktrace.ReadOnlySpan
}

func (t *tree) ExportSpans(_ context.Context, spans []sdktrace.ReadOnlySpan) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.spans = append(t.spans, spans...)
	return nil
}

func (t *tree) Shutdown(context.Context) error { return nil }

func (t *tree) print() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, s := range t.spans {
		if !s.Parent().SpanID().IsValid() {
			fmt.Printf("trace %s\n", s.SpanContext().TraceID())
			t.branch(s, 1)
		}
	}
}

func (t *tree) branch(s sdktrace.ReadOnlySpan, depth int) {
	line := fmt.Sprintf("%s%s (%s) %s", strings.Repeat("  ", depth), s.Name(), s.SpanKind(), s.Status().Description)
	fmt.Println(strings.TrimRight(line, " "))
	for _, child := range t.children(s.SpanContext()) {
		t.branch(child, depth+1)
	}
}

func (t *tree) children(parent trace.SpanContext) []sdktrace.ReadOnlySpan {
	var found []sdktrace.ReadOnlySpan
	for _, s := range t.spans {
		if s.Parent().SpanID() == parent.SpanID() {
			found = append(found, s)
		}
	}
	return found
}
