package telemetry

import (
	"context"
	"log/slog"
	"slices"

	"go.opentelemetry.io/otel/trace"
)

// LogHandler returns a handler that adds trace_id and span_id to the records that
// are logged within a span, on the outermost level whatever groups there are.
//
//	logger := slog.New(telemetry.LogHandler(slog.NewJSONHandler(os.Stderr, nil)))
func LogHandler(h slog.Handler) slog.Handler { return &logHandler{outer: h, inner: h} }

type logHandler struct {
	outer slog.Handler                      // as it is outside of all groups
	steps []func(slog.Handler) slog.Handler // from there to inner
	inner slog.Handler
}

func (h *logHandler) Enabled(ctx context.Context, level slog.Level) bool {
	return h.inner.Enabled(ctx, level)
}

func (h *logHandler) Handle(ctx context.Context, r slog.Record) error {
	sc := trace.SpanContextFromContext(ctx)
	if !sc.IsValid() {
		return h.inner.Handle(ctx, r)
	}
	ids := []slog.Attr{slog.String("trace_id", sc.TraceID().String()), slog.String("span_id", sc.SpanID().String())}
	if len(h.steps) == 0 {
		r = r.Clone()
		r.AddAttrs(ids...)
		return h.inner.Handle(ctx, r)
	}
	to := h.outer.WithAttrs(ids)
	for _, step := range h.steps {
		to = step(to)
	}
	return to.Handle(ctx, r)
}

func (h *logHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	if len(h.steps) == 0 {
		return LogHandler(h.inner.WithAttrs(attrs))
	}
	return h.within(func(to slog.Handler) slog.Handler { return to.WithAttrs(attrs) })
}

func (h *logHandler) WithGroup(name string) slog.Handler {
	if name == "" {
		return h
	}
	return h.within(func(to slog.Handler) slog.Handler { return to.WithGroup(name) })
}

func (h *logHandler) within(step func(slog.Handler) slog.Handler) slog.Handler {
	return &logHandler{outer: h.outer, steps: append(slices.Clip(h.steps), step), inner: step(h.inner)}
}
