//go:build !race

package broker_test

import (
	"context"
	"testing"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/message"
)

// TestPublishAllocations: what a publication costs does not grow with its
// subscribers, however the broker treats it, unless they acknowledge: its id and its
// header. Keeping it costs no more once a history is full.
func TestPublishAllocations(t *testing.T) {
	history := broker.History{Messages: 10}
	for _, tc := range []struct {
		name, pattern string
		rules         []broker.Rule
	}{
		{"a topic", "/topic/a", nil},
		{"a pattern", "/topic/*", nil},
		{"rules", "/topic/a", []broker.Rule{
			{Prefix: "/queue", Mode: broker.Queue}, {Prefix: "/topic/b", History: history},
			{Prefix: "/topic", NoPatterns: true, Acks: broker.Acks{Prefetch: 8}, Backlog: broker.Backlog{Messages: 100}, Receipts: message.Accepted},
		}},
		{"a history", "/topic/a", []broker.Rule{{Prefix: "/topic", History: history}}},
		{"a history without an age", "/topic/a", []broker.Rule{{Prefix: "/topic", History: broker.History{Messages: 10, Age: -1}}}},
		{"a history and patterns", "/topic/*", []broker.Rule{{Prefix: "/topic", History: history}}},
		{"retained", "/topic/a", []broker.Rule{{Prefix: "/topic", Retain: true}}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			ctx, m := t.Context(), message.Raw{Destination: "/topic/a", Payload: []byte("x")}
			taken := 0
			discard := message.HandlerFunc[[]byte](func(_ context.Context, m message.Raw) error {
				if m.Kind == message.KindData {
					taken++
				}
				return nil
			})
			measure := func(subscribers int) float64 {
				b := broker.NewMemory(discard, broker.Config{Rules: tc.rules})
				defer b.Close()
				o := ops{t, b}
				for range subscribers {
					c := newClient("")
					o.connect(c)
					o.must(o.subscribe(c, "1", tc.pattern))
				}
				for range 20 { // until the history is full
					o.must(o.do(m))
				}
				taken = 0
				return testing.AllocsPerRun(100, func() { _ = b.Handle(ctx, m) })
			}
			none, many := measure(0), measure(100)
			if many != none || none > 2 {
				t.Errorf("%v allocations without subscribers, %v with 100, want 2", none, many)
			}
			if want := 101 * 100; taken != want { // AllocsPerRun runs once more
				t.Errorf("%d deliveries, want %d", taken, want)
			}
		})
	}
}

// TestSubscriptionMemory bounds what an exact subscription takes beside its strings.
func TestSubscriptionMemory(t *testing.T) {
	for _, shape := range shapes {
		if each := memoryOfSubscriptions(t, 20_000, shape.dest); each > 300 {
			t.Errorf("%s: %.0f bytes for each subscription, want at most 300", shape.name, each)
		}
	}
}
