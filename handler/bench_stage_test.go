package handler_test

import (
	"context"
	"testing"
	"time"

	"github.com/headrace/headrace/handler"
	"github.com/headrace/headrace/message"
)

func discard[T any](context.Context, message.Message[T]) error { return nil }

// BenchmarkStage sends one message through each stage; the anchor is the
// handler behind them.
func BenchmarkStage(b *testing.B) {
	end := message.HandlerFunc[int](discard[int])
	batch := handler.Batch(handler.BatchConfig{Wait: time.Hour}, message.HandlerFunc[[]int](discard[[]int]))
	defer batch.Close()
	for _, bb := range []struct {
		name string
		h    message.Handler[int]
	}{
		{"anchor", end},
		{"Filter", handler.Filter(func(message.Message[int]) bool { return true }, end)},
		{"Transform", handler.Transform(func(_ context.Context, i int) (int, error) { return i, nil }, end)},
		{"Switch", handler.Switch(func(message.Message[int]) int { return 1 }, map[int]message.Handler[int]{1: end}, nil)},
		{"Batch", batch},
	} {
		b.Run(bb.name, func(b *testing.B) {
			b.ReportAllocs()
			ctx := context.Background()
			for i := 0; b.Loop(); i++ {
				if err := bb.h.Handle(ctx, message.Message[int]{Payload: i}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func TestStageAllocations(t *testing.T) {
	if raceEnabled {
		return // the race detector allocates
	}
	end := message.HandlerFunc[int](discard[int])
	for name, h := range map[string]message.Handler[int]{
		"Filter":    handler.Filter(func(message.Message[int]) bool { return true }, end),
		"Transform": handler.Transform(func(_ context.Context, i int) (int, error) { return i, nil }, end),
		"Switch":    handler.Switch(func(message.Message[int]) int { return 1 }, map[int]message.Handler[int]{1: end}, nil),
	} {
		ctx := t.Context()
		if got := testing.AllocsPerRun(100, func() { h.Handle(ctx, message.Message[int]{Payload: 1}) }); got != 0 {
			t.Errorf("%s: %v allocations, want none", name, got)
		}
	}
}
