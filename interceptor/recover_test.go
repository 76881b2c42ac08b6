package interceptor_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/headrace/headrace/channel"
	"github.com/headrace/headrace/interceptor"
	"github.com/headrace/headrace/message"
)

func explode(context.Context, orderMessage) error { panic("boom") }

func TestRecoverIsMountedWithoutTypeArgument(t *testing.T) {
	var orders channel.DirectChannel[order]
	orders.Subscribe(orderFunc(explode), interceptor.Recover)

	err := orders.Handle(t.Context(), orderMessage{})
	var p *message.PanicError
	if !errors.As(err, &p) {
		t.Fatalf("outcome %v", err)
	}
	if p.Value != "boom" || !strings.Contains(string(p.Stack), "explode") {
		t.Errorf("panic %v with stack %s", p.Value, p.Stack)
	}
	if code := message.Public(err).Code; code != message.CodeInternal {
		t.Errorf("a client is told %q", code)
	}
}

func TestRecoverPassesOutcomesOn(t *testing.T) {
	cause := errors.New("broken")
	for _, want := range []error{nil, cause} {
		if err := interceptor.Recover(returning(want)).Handle(t.Context(), orderMessage{}); err != want {
			t.Errorf("outcome %v, want %v", err, want)
		}
	}
}

func TestRecoverCatchesANilPanic(t *testing.T) {
	h := interceptor.Recover(orderFunc(func(context.Context, orderMessage) error { panic(nil) }))
	if err := h.Handle(t.Context(), orderMessage{}); err == nil {
		t.Error("panic(nil) became success")
	}
}
