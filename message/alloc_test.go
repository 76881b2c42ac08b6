//go:build !race

package message_test

import (
	"context"
	"testing"

	"github.com/headrace/headrace/message"
)

// TestAllocations: what is done for every message costs no memory.
func TestAllocations(t *testing.T) {
	h := header("a", "1", "b", "2", "c", "3")
	same := h
	pass := func(next message.Handler[int]) message.Handler[int] {
		return message.HandlerFunc[int](func(ctx context.Context, m message.Message[int]) error { return next.Handle(ctx, m) })
	}
	var last message.Message[int]
	chain := message.Chain(message.HandlerFunc[int](func(_ context.Context, m message.Message[int]) error { last = m; return nil }), pass, pass, pass)
	m := message.Message[int]{Destination: "/d", Header: h}
	s := message.NewSession(&sink{}, message.SessionInfo{Attributes: map[string]any{"a": 1}})
	done := message.NewCompletion(message.Handled, func(error) {})
	ctx := t.Context()
	sum := 0
	for _, c := range []struct {
		name string
		most float64
		run  func()
	}{
		{"Lookup", 0, func() { sum += len(h.Get("c")) }},
		{"All", 0, func() {
			for name := range h.All() {
				sum += len(name)
			}
		}},
		{"Same", 0, func() { _ = h.Same(same) }},
		{"Without an unknown name", 0, func() { same = h.Without("d") }},
		{"With", 1, func() { same = h.With("d", "4") }},
		{"Without", 1, func() { same = h.Without("b") }},
		{"a chain of three interceptors", 0, func() { chain.Handle(ctx, m) }},
		{"WithPayload", 0, func() { sum += len(message.WithPayload(m, "x").Payload) }},
		{"Session reads", 0, func() { s.User(); s.Attribute("a"); _ = s.ID() }},
		{"Completion", 0, func() { done.Hold(); done.Release(nil) }},
		{"no Completion", 0, func() { last.Done.Hold(); last.Done.Reached(message.Handled); last.Done.Release(nil) }},
	} {
		if got := testing.AllocsPerRun(200, c.run); got > c.most {
			t.Errorf("%s: %v allocations, want at most %v", c.name, got, c.most)
		}
	}
}
