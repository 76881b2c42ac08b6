package handler_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/headrace/headrace/handler"
	"github.com/headrace/headrace/message"
)

// routerOf returns a router of n routes and a thousand messages to all of them,
// a quarter to each sort of pattern: one sort is exact, the others have
// variables, wildcards or both.
func routerOf(n int) (*handler.Router, []message.Raw) {
	r, _ := newRouter(handler.Config{})
	nothing := func(context.Context, []byte) error { return nil }
	for i := range n {
		pattern := [...]string{"/area%d/list", "/area%d/{id}", "/area%d/{id}/items/*", "/area%d/{id}/**"}[i%4]
		handler.Consume(r, fmt.Sprintf(pattern, i), nothing)
	}
	messages := make([]message.Raw, 1000)
	for i := range messages {
		sort := i % 4
		dest := [...]string{"/app/area%d/list", "/app/area%d/77", "/app/area%d/77/items/5", "/app/area%d/77/a/b/c"}[sort]
		ofSort := (n + 3 - sort) / 4
		messages[i] = message.Raw{Destination: fmt.Sprintf(dest, i/4%ofSort*4+sort), Payload: []byte("payload")}
	}
	return r, messages
}

func BenchmarkRouter(b *testing.B) {
	for _, n := range []int{10, 1000} {
		b.Run(fmt.Sprintf("routes=%d", n), func(b *testing.B) {
			r, messages := routerOf(n)
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if err := r.Handle(b.Context(), messages[i%len(messages)]); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkRouterThousandToTen prints what routing among 1,000 routes costs
// relative to routing among 10, at most 1.5 times: to ten of the thousand, which
// is what the router adds for the others, and to all of them, which adds what
// the processor waits for a thousand different endpoints and destinations.
func BenchmarkRouterThousandToTen(b *testing.B) {
	small, few := routerOf(10)
	large, many := routerOf(1000)
	pass := func(r *handler.Router, messages []message.Raw) func() time.Duration {
		return func() time.Duration {
			start := time.Now()
			for i := range 20_000 {
				_ = r.Handle(b.Context(), messages[i%len(messages)])
			}
			return time.Since(start)
		}
	}
	b.Run("to=ten", func(b *testing.B) { reportRatio(b, pass(large, few), pass(small, few)) })
	b.Run("to=all", func(b *testing.B) { reportRatio(b, pass(large, many), pass(small, few)) })
}

// reportRatio reports the quartiles of a/b over interleaved pairs.
func reportRatio(bm *testing.B, a, b func() time.Duration) {
	a()
	b()
	var ratios []float64
	for bm.Loop() {
		ratios = ratios[:0]
		for range 101 {
			ratios = append(ratios, a().Seconds()/b().Seconds())
		}
	}
	slices.Sort(ratios)
	for name, at := range map[string]int{"q1": 25, "median": 50, "q3": 75} {
		bm.ReportMetric(ratios[at], name)
	}
}
