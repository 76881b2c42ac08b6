package interceptor_test

import (
	"context"
	"errors"
	"testing"

	"github.com/headrace/headrace/interceptor"
	"github.com/headrace/headrace/message"
)

func TestAroundChangesTheMessageAndTheOutcome(t *testing.T) {
	cause := errors.New("broken")
	var seen orderMessage
	h := message.Chain(orderFunc(func(_ context.Context, m orderMessage) error {
		seen = m
		return cause
	}), interceptor.Around(func(ctx context.Context, m orderMessage, next message.Handler[order]) error {
		m.Destination = "/changed"
		return message.Errorf(message.CodeUnavailable, "later").WithCause(next.Handle(ctx, m))
	}))

	err := h.Handle(t.Context(), orderMessage{Destination: "/orders", Payload: order{"ACME"}})
	if seen.Destination != "/changed" || seen.Payload.symbol != "ACME" {
		t.Errorf("the handler saw %+v", seen)
	}
	if !errors.Is(err, cause) || message.Public(err).Code != message.CodeUnavailable {
		t.Errorf("outcome %v", err)
	}
}

func TestAroundVetoesByNotCallingNext(t *testing.T) {
	for _, veto := range []error{nil, message.ErrDropped, message.Errorf(message.CodeDenied, "no")} {
		h := message.Chain(orderFunc(func(context.Context, orderMessage) error {
			t.Error("the handler was called")
			return nil
		}), interceptor.Around(func(context.Context, orderMessage, message.Handler[order]) error { return veto }))
		if err := h.Handle(t.Context(), orderMessage{}); !errors.Is(err, veto) {
			t.Errorf("veto %v: outcome %v", veto, err)
		}
	}
}

func TestAroundNeedsAFunction(t *testing.T) {
	mustPanic(t, func() { interceptor.Around[order](nil) })
}
