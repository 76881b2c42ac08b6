package interceptor_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"strings"
	"testing"

	"github.com/headrace/headrace/interceptor"
	"github.com/headrace/headrace/message"
)

// ctxKey marks the context that must reach the log handler.
type ctxKey struct{}

// ctxHandler adds the value under ctxKey to every record.
type ctxHandler struct{ slog.Handler }

func (h ctxHandler) Handle(ctx context.Context, r slog.Record) error {
	if v, ok := ctx.Value(ctxKey{}).(string); ok {
		r.AddAttrs(slog.String("ctx", v))
	}
	return h.Handler.Handle(ctx, r)
}

func TestLogWritesOneLinePerOutcome(t *testing.T) {
	tests := map[string]struct {
		handler     message.Handler[order]
		level, text string
		error       string
		stack       bool
	}{
		"success":        {handler: returning(nil), level: "DEBUG", text: "message handled"},
		"dropped":        {handler: returning(message.ErrDropped), level: "DEBUG", text: "message dropped", error: "dropped: message dropped"},
		"refused":        {handler: returning(message.Errorf(message.CodeDenied, "no")), level: "WARN", text: "message refused", error: "denied: no"},
		"failed":         {handler: returning(errors.New("broken")), level: "ERROR", text: "message failed", error: "broken"},
		"internal":       {handler: returning(message.Errorf(message.CodeInternal, "oops")), level: "ERROR", text: "message failed", error: "internal: oops"},
		"panic":          {handler: interceptor.Recover(orderFunc(explode)), level: "ERROR", text: "message failed", error: "panic: boom", stack: true},
		"authored panic": {handler: interceptor.Recover(orderFunc(func(context.Context, orderMessage) error { panic(message.Errorf(message.CodeDenied, "no")) })), level: "ERROR", text: "message failed", error: "panic: denied: no", stack: true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var buf bytes.Buffer
			logger := slog.New(ctxHandler{slog.NewJSONHandler(&buf, &slog.HandlerOptions{Level: slog.LevelDebug})})
			session := newSession()
			interceptor.Log[order](logger)(tt.handler).Handle(context.WithValue(t.Context(), ctxKey{}, "mine"), orderMessage{
				Kind:        message.KindSubscribe,
				Destination: "/orders",
				Session:     session,
				Header:      message.NewHeader(message.Field{Name: "token", Value: "SECRET-header"}),
				Payload:     order{"SECRET-payload"},
			})

			var line map[string]any
			if err := json.Unmarshal(buf.Bytes(), &line); err != nil {
				t.Fatalf("not exactly one line: %s", buf.String())
			}
			if strings.Contains(buf.String(), "SECRET") {
				t.Errorf("payload or header in the log: %s", buf.String())
			}
			if _, ok := line["duration"].(float64); !ok {
				t.Errorf("no duration in %v", line)
			}
			if stack, _ := line["stack"].(string); strings.Contains(stack, "goroutine") != tt.stack {
				t.Errorf("stack %q", stack)
			}
			if line["error"] == nil {
				line["error"] = ""
			}
			for key, want := range map[string]any{
				"level": tt.level, "msg": tt.text, "kind": "subscribe", "destination": "/orders",
				"session": session.ID(), "error": tt.error, "ctx": "mine",
			} {
				if line[key] != want {
					t.Errorf("%s = %v, want %v", key, line[key], want)
				}
			}
		})
	}
}

func TestLogTellsOfAPanicAndLetsItPass(t *testing.T) {
	var buf bytes.Buffer
	h := interceptor.Recover(interceptor.Log[order](slog.New(slog.NewTextHandler(&buf, nil)))(orderFunc(explode)))
	err := h.Handle(t.Context(), orderMessage{})
	var p *message.PanicError
	if !errors.As(err, &p) || p.Value != "boom" {
		t.Errorf("outcome %v", err)
	}
	if !strings.Contains(buf.String(), `level=ERROR msg="message failed"`) {
		t.Errorf("logged %q", buf.String())
	}
}

func TestLogPassesTheOutcomeOn(t *testing.T) {
	cause := errors.New("broken")
	for _, want := range []error{nil, cause} {
		h := interceptor.Log[order](slog.New(slog.DiscardHandler))(returning(want))
		if err := h.Handle(t.Context(), orderMessage{}); err != want {
			t.Errorf("outcome %v, want %v", err, want)
		}
	}
}

func TestLogUsesTheDefaultLoggerOfTheMoment(t *testing.T) {
	h := interceptor.Log[order](nil)(returning(nil)) // made before the default changes
	logged := captureDefaultLog(t, slog.LevelDebug)
	if err := h.Handle(t.Context(), orderMessage{Destination: "/orders"}); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(logged.String(), "destination=/orders") {
		t.Errorf("logged %q", logged)
	}
}

func TestNothingIsAllocated(t *testing.T) {
	quiet := slog.New(slog.NewTextHandler(io.Discard, &slog.HandlerOptions{Level: slog.LevelError + 1}))
	m := orderMessage{Destination: "/orders", Session: newSession()}
	tests := map[string]message.Handler[order]{
		"Around": message.Chain(returning(nil), interceptor.Around(func(ctx context.Context, m orderMessage, next message.Handler[order]) error {
			return next.Handle(ctx, m)
		})),
		"Recover":     interceptor.Recover(returning(nil)),
		"Log success": interceptor.Log[order](quiet)(returning(nil)),
		"Log failure": interceptor.Log[order](quiet)(returning(errors.New("broken"))),
		"Log refusal": interceptor.Log[order](quiet)(returning(message.Errorf(message.CodeDenied, "no"))),
		"Tap":         interceptor.Tap[order](returning(nil))(returning(nil)),
	}
	for name, h := range tests {
		t.Run(name, func(t *testing.T) {
			if n := testing.AllocsPerRun(100, func() { _ = h.Handle(t.Context(), m) }); n > 0 {
				t.Errorf("%v allocations", n)
			}
		})
	}
}
