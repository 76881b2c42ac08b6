package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
)

// Trace is one that is finished, as the page and the terminal show it.
type Trace struct {
	ID    string    `json:"id"`
	Start time.Time `json:"start"`
	Took  float64   `json:"took"`  // in milliseconds
	Spans []Span    `json:"spans"` // a tree: each is followed by its children, in the order of their starts
}

// Span is a part of a Trace.
type Span struct {
	Service    string            `json:"service"`
	Name       string            `json:"name"`
	Kind       string            `json:"kind"`
	Engine     string            `json:"engine"` // over which the message goes, if it leaves the node
	Depth      int               `json:"depth"`  // how many spans it is within
	Start      float64           `json:"start"`  // in milliseconds, since that of the trace
	Took       float64           `json:"took"`   // in milliseconds
	Failed     bool              `json:"failed"`
	Attributes map[string]string `json:"attributes"`
}

// newTrace returns the trace that spans, at least one, belong to.
func newTrace(spans []sdktrace.ReadOnlySpan) Trace {
	spans = slices.SortedFunc(slices.Values(spans), func(a, b sdktrace.ReadOnlySpan) int {
		return a.StartTime().Compare(b.StartTime())
	})
	t := Trace{ID: spans[0].SpanContext().TraceID().String(), Start: spans[0].StartTime()}
	here, children := map[trace.SpanID]bool{}, map[trace.SpanID][]sdktrace.ReadOnlySpan{}
	for _, s := range spans {
		here[s.SpanContext().SpanID()] = true
		children[s.Parent().SpanID()] = append(children[s.Parent().SpanID()], s)
		t.Took = max(t.Took, milliseconds(s.EndTime().Sub(t.Start)))
	}
	for _, s := range spans {
		if !here[s.Parent().SpanID()] { // it has none, or that is of a client
			t.add(s, children, 0)
		}
	}
	return t
}

// add adds a span and all that are within it.
func (t *Trace) add(s sdktrace.ReadOnlySpan, children map[trace.SpanID][]sdktrace.ReadOnlySpan, depth int) {
	service, _ := s.Resource().Set().Value(semconv.ServiceNameKey)
	texts := attributes(s.Attributes())
	t.Spans = append(t.Spans, Span{
		Service:    service.AsString(),
		Name:       s.Name(),
		Kind:       s.SpanKind().String(),
		Engine:     engine(texts),
		Depth:      depth,
		Start:      milliseconds(s.StartTime().Sub(t.Start)),
		Took:       milliseconds(s.EndTime().Sub(s.StartTime())),
		Failed:     s.Status().Code == codes.Error,
		Attributes: texts,
	})
	for _, child := range children[s.SpanContext().SpanID()] {
		t.add(child, children, depth+1)
	}
}

// attributes returns them as text, of which clients may have written some.
func attributes(all []attribute.KeyValue) map[string]string {
	texts := make(map[string]string, len(all))
	for _, a := range all {
		texts[string(a.Key)] = fmt.Sprintf("%.100s", a.Value.String())
	}
	return texts
}

func engine(attributes map[string]string) string {
	if system := attributes["messaging.system"]; system != "headrace" {
		return system
	}
	return ""
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// print writes a line for each span: when it began, how long it took, where, and
// within which others.
func (t Trace) print(to io.Writer) {
	var text strings.Builder
	fmt.Fprintf(&text, "\ntrace %s, %d spans, %.2f ms\n", t.ID, len(t.Spans), t.Took)
	for _, s := range t.Spans {
		line := fmt.Sprintf("%8.2f %8.2f ms  %-6s  %s%s", s.Start, s.Took, s.Service, strings.Repeat("  ", s.Depth), s.Name)
		if s.Engine != "" {
			line += " (" + s.Engine + ")"
		}
		fmt.Fprintln(&text, line)
	}
	io.WriteString(to, text.String())
}
