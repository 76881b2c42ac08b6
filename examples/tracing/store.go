package main

import (
	"context"
	"slices"
	"sync"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

const (
	maxTraces = 10 // that are kept, the newest
	maxSpans  = 60 // of each
	// quiet is how long a trace has no span that runs before it counts as finished: its
	// message may be on its way to another node.
	quiet = 200 * time.Millisecond
)

// store is a span processor that keeps the newest traces and tells when one is
// finished. Its methods may be called from any goroutine.
type store struct {
	mu     sync.Mutex
	traces []*record // oldest first
}

// record is what is known of one trace.
type record struct {
	id      trace.TraceID
	spans   []sdktrace.ReadOnlySpan // that ended
	running int
	changed time.Time // when a span ended last, zero once the trace is told
}

func newStore() *store { return &store{} }

// OnStart counts a span that runs.
func (s *store) OnStart(_ context.Context, span sdktrace.ReadWriteSpan) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.find(span.SpanContext().TraceID())
	if r == nil {
		r = &record{id: span.SpanContext().TraceID()}
		s.traces = append(s.traces, r)
		s.traces = s.traces[max(0, len(s.traces)-maxTraces):]
	}
	r.running++
}

// OnEnd keeps a span, unless its trace was forgotten or has too many.
func (s *store) OnEnd(span sdktrace.ReadOnlySpan) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.find(span.SpanContext().TraceID())
	if r == nil {
		return
	}
	r.running--
	r.changed = time.Now()
	if len(r.spans) < maxSpans {
		r.spans = append(r.spans, span)
	}
}

// Shutdown does nothing: run ends with its context.
func (s *store) Shutdown(context.Context) error { return nil }

// ForceFlush does nothing.
func (s *store) ForceFlush(context.Context) error { return nil }

func (s *store) find(id trace.TraceID) *record {
	i := slices.IndexFunc(s.traces, func(r *record) bool { return r.id == id })
	if i < 0 {
		return nil
	}
	return s.traces[i]
}

// run calls tell for each trace that is finished, until ctx ends. One that goes on
// afterwards is told again.
func (s *store) run(ctx context.Context, tell func(Trace)) {
	tick := time.NewTicker(quiet / 4)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			for _, t := range s.finished() {
				tell(t)
			}
		case <-ctx.Done():
			return
		}
	}
}

// finished returns the traces that were not told yet.
func (s *store) finished() (all []Trace) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.traces {
		if r.running == 0 && !r.changed.IsZero() && time.Since(r.changed) >= quiet {
			r.changed = time.Time{}
			all = append(all, newTrace(r.spans))
		}
	}
	return all
}

// all is what a subscription to /app/traces begins with: the traces that were told.
func (s *store) all(context.Context, struct{}) ([]Trace, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := []Trace{}
	for _, r := range s.traces {
		if r.running == 0 && r.changed.IsZero() {
			all = append(all, newTrace(r.spans))
		}
	}
	return all, nil
}
