package handler_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/headrace/headrace/handler"
	"github.com/headrace/headrace/message"
)

// routerOf returns a router of n routes and messages to all of them: one in
// four patterns is exact, the others have variables, wildcards or both.
func routerOf(n int) (*handler.Router, []message.Raw) {
	r, _ := newRouter(handler.Config{})
	nothing := func(context.Context, []byte) error { return nil }
	messages := make([]message.Raw, n)
	for i := range n {
		pattern := [...]string{"/area%d/list", "/area%d/{id}", "/area%d/{id}/items/*", "/area%d/{id}/**"}[i%4]
		dest := [...]string{"/app/area%d/list", "/app/area%d/77", "/app/area%d/77/items/5", "/app/area%d/77/a/b/c"}[i%4]
		handler.Consume(r, fmt.Sprintf(pattern, i), nothing)
		messages[i] = message.Raw{Destination: fmt.Sprintf(dest, i), Payload: []byte("payload")}
	}
	return r, messages
}

func BenchmarkRouter(b *testing.B) {
	for _, n := range []int{10, 1000} {
		b.Run(fmt.Sprintf("routes=%d", n), func(b *testing.B) {
			r, messages := routerOf(n)
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if err := r.Handle(b.Context(), messages[i%n]); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkRouterThousandToTen prints what routing among 1,000 routes costs
// relative to routing among 10: at most 1.5 times.
func BenchmarkRouterThousandToTen(b *testing.B) {
	small, few := routerOf(10)
	large, many := routerOf(1000)
	pass := func(r *handler.Router, messages []message.Raw) time.Duration {
		start := time.Now()
		for i := range 20_000 {
			_ = r.Handle(b.Context(), messages[i%len(messages)])
		}
		return time.Since(start)
	}
	reportRatio(b, func() time.Duration { return pass(large, many) }, func() time.Duration { return pass(small, few) })
}

// BenchmarkRouterJSONToEncodingJSON prints what JSON in and out through the
// router costs relative to the same with encoding/json alone.
func BenchmarkRouterJSONToEncodingJSON(b *testing.B) {
	r := handler.NewRouter(message.HandlerFunc[[]byte](func(context.Context, message.Raw) error { return nil }), handler.Config{})
	handler.Handle(r, "/trade/{symbol}", func(_ context.Context, in handler.Request[trade]) (trade, error) { return in.Payload, nil })
	m := message.Raw{Destination: "/app/trade/ACME", Payload: []byte(`{"Symbol":"ACME","Shares":100}`)}
	routed := func() time.Duration {
		start := time.Now()
		for range 5_000 {
			_ = r.Handle(b.Context(), m)
		}
		return time.Since(start)
	}
	alone := func() time.Duration {
		start := time.Now()
		for range 5_000 {
			var in trade
			_ = json.Unmarshal(m.Payload, &in)
			_, _ = json.Marshal(in)
		}
		return time.Since(start)
	}
	reportRatio(b, routed, alone)
}

// reportRatio reports the quartiles of a/b over interleaved pairs.
func reportRatio(bm *testing.B, a, b func() time.Duration) {
	a()
	b()
	var ratios []float64
	for bm.Loop() {
		ratios = ratios[:0]
		for range 21 {
			ratios = append(ratios, a().Seconds()/b().Seconds())
		}
	}
	slices.Sort(ratios)
	for name, at := range map[string]int{"q1": 5, "median": 10, "q3": 15} {
		bm.ReportMetric(ratios[at], name)
	}
}
