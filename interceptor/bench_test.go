package interceptor_test

import (
	"context"
	"io"
	"log/slog"
	"testing"
	"time"

	"github.com/headrace/headrace/channel"
	"github.com/headrace/headrace/interceptor"
	"github.com/headrace/headrace/message"
)

// BenchmarkInterceptors has each interceptor alone around a handler that does
// nothing. Subtract "none".
func BenchmarkInterceptors(b *testing.B) {
	quiet := slog.New(slog.NewTextHandler(io.Discard, nil))
	loud := slog.New(slog.NewTextHandler(io.Discard, &slog.HandlerOptions{Level: slog.LevelDebug}))
	executor := channel.NewExecutor(channel.Config[order]{})
	defer executor.Close()
	mounts := []struct {
		name string
		i    message.Interceptor[order]
	}{
		{"none", func(next message.Handler[order]) message.Handler[order] { return next }},
		{"Around", interceptor.Around(func(ctx context.Context, m orderMessage, next message.Handler[order]) error {
			return next.Handle(ctx, m)
		})},
		{"Recover", interceptor.Recover[order]},
		{"Log/disabled", interceptor.Log[order](quiet)},
		{"Log/enabled", interceptor.Log[order](loud)},
		{"Timeout", interceptor.Timeout[order](time.Minute)},
		{"Tap", interceptor.Tap[order](returning(nil))},
		{"Ordered", interceptor.Ordered[order](executor, nil)},
	}
	for _, mount := range mounts {
		b.Run(mount.name, func(b *testing.B) {
			h := message.Chain(message.Handler[order](returning(nil)), mount.i)
			ctx, m := b.Context(), orderMessage{Destination: "/orders"}
			b.ReportAllocs()
			for b.Loop() {
				if err := h.Handle(ctx, m); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
