package main

import (
	"strings"
	"testing"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// TestRun: the pipeline drains by itself, and every order has its trace.
func TestRun(t *testing.T) {
	var traces tree
	if err := run(t.Context(), &traces); err != nil {
		t.Fatal(err)
	}
	roots := traces.named(func(s sdktrace.ReadOnlySpan) bool {
		return s.Name() == "send orders" && !s.Parent().SpanID().IsValid()
	})
	if roots != 5 {
		t.Errorf("%d traces for 5 orders", roots)
	}
	invoices := traces.named(func(s sdktrace.ReadOnlySpan) bool {
		return strings.HasPrefix(s.Name(), "process invoices") && s.Parent().SpanID().IsValid()
	})
	if invoices != 3 {
		t.Errorf("%d invoices were processed in the traces of their orders, want 3", invoices)
	}
}

// named counts the spans that f picks.
func (t *tree) named(f func(sdktrace.ReadOnlySpan) bool) (n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, s := range t.spans {
		if f(s) {
			n++
		}
	}
	return n
}
