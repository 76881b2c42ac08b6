package telemetry_test

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"strings"
	"testing"
	"testing/slogtest"

	"github.com/headrace/headrace/interceptor/telemetry"
)

func TestLogHandlerIsAHandler(t *testing.T) {
	var buf bytes.Buffer
	slogtest.Run(t, func(*testing.T) slog.Handler {
		buf.Reset()
		return telemetry.LogHandler(slog.NewJSONHandler(&buf, nil))
	}, func(t *testing.T) map[string]any { return parsed(t, &buf) })
}

func parsed(t *testing.T, buf *bytes.Buffer) map[string]any {
	t.Helper()
	line := make(map[string]any)
	if err := json.Unmarshal(buf.Bytes(), &line); err != nil {
		t.Fatal(err)
	}
	buf.Reset()
	return line
}

// Lines within a span say which, on the outermost level, once.
func TestLogHandlerTellsOfTheSpan(t *testing.T) {
	r := newRecorder()
	ctx, span := r.Start(t.Context(), "root")
	defer span.End()
	sc := span.SpanContext()
	var buf bytes.Buffer
	plain := slog.New(telemetry.LogHandler(slog.NewJSONHandler(&buf, nil)))
	for name, log := range map[string]*slog.Logger{
		"plain":            plain,
		"attrs":            plain.With("a", 1),
		"group":            plain.WithGroup("g"),
		"attrs and groups": plain.With("a", 1).WithGroup("g").With("b", 2).WithGroup("h"),
	} {
		log.InfoContext(ctx, "within", "c", 3)
		text := buf.String()
		line := parsed(t, &buf)
		if line["trace_id"] != sc.TraceID().String() || line["span_id"] != sc.SpanID().String() || strings.Count(text, "trace_id") != 1 {
			t.Errorf("%s: %s", name, text)
		}
		if name == "attrs and groups" {
			g, _ := line["g"].(map[string]any)
			h, _ := g["h"].(map[string]any)
			if line["a"] != 1.0 || g["b"] != 2.0 || h["c"] != 3.0 {
				t.Errorf("attributes are elsewhere: %s", text)
			}
		}
		log.InfoContext(context.Background(), "without", "c", 3)
		if line := parsed(t, &buf); line["trace_id"] != nil || line["span_id"] != nil {
			t.Errorf("%s: a line without a span says %v", name, line)
		}
	}
}

func TestLogHandlerAsksForTheLevel(t *testing.T) {
	var buf bytes.Buffer
	log := slog.New(telemetry.LogHandler(slog.NewTextHandler(&buf, &slog.HandlerOptions{Level: slog.LevelWarn})))
	log.WithGroup("g").Info("no")
	if buf.Len() > 0 {
		t.Errorf("logged %s", buf.String())
	}
}
