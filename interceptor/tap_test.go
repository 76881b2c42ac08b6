package interceptor_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/headrace/headrace/interceptor"
	"github.com/headrace/headrace/message"
)

// captureDefaultLog makes a buffer the target of slog.Default for one test.
func captureDefaultLog(t *testing.T, level slog.Level) *bytes.Buffer {
	var buf bytes.Buffer
	old := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(&buf, &slog.HandlerOptions{Level: level})))
	t.Cleanup(func() { slog.SetDefault(old) })
	return &buf
}

func TestTapSeesACopyFirst(t *testing.T) {
	var seen []string
	done := message.NewCompletion(message.Handled, func(error) {})
	tap := orderFunc(func(_ context.Context, m orderMessage) error {
		if m.Done != nil {
			t.Error("the tap holds the completion")
		}
		seen = append(seen, "tap "+m.Payload.symbol)
		m.Destination = "/elsewhere"
		return nil
	})
	h := message.Chain(orderFunc(func(_ context.Context, m orderMessage) error {
		if m.Done != done || m.Destination != "/orders" {
			t.Errorf("the handler saw %+v", m)
		}
		seen = append(seen, "handler "+m.Payload.symbol)
		return nil
	}), interceptor.Tap(message.Handler[order](tap)))

	m := orderMessage{Destination: "/orders", Payload: order{"ACME"}, Done: done}
	if err := h.Handle(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(seen, ", "); got != "tap ACME, handler ACME" {
		t.Error(got)
	}
}

func TestTapFailureNeverAffectsTheMessage(t *testing.T) {
	tests := map[string]struct {
		tap orderFunc
		log string
	}{
		"error":   {returning(errors.New("broken")), "broken"},
		"panic":   {explode, "boom"},
		"dropped": {returning(message.ErrDropped), ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			logged := captureDefaultLog(t, slog.LevelDebug)
			handled := false
			h := interceptor.Tap[order](tt.tap)(orderFunc(func(context.Context, orderMessage) error {
				handled = true
				return nil
			}))
			if err := h.Handle(t.Context(), orderMessage{Destination: "/orders"}); err != nil || !handled {
				t.Errorf("outcome %v, handled %v", err, handled)
			}
			if tt.log == "" && logged.Len() > 0 || !strings.Contains(logged.String(), tt.log) {
				t.Errorf("logged %q", logged)
			}
		})
	}
}

func TestTapNeedsAHandler(t *testing.T) {
	mustPanic(t, func() { interceptor.Tap[order](nil) })
}
