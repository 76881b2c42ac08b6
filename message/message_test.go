package message_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/headrace/headrace/message"
)

func TestKindString(t *testing.T) {
	for kind, want := range map[message.Kind]string{
		message.KindData:        "data",
		message.KindConnect:     "connect",
		message.KindConnected:   "connected",
		message.KindSubscribe:   "subscribe",
		message.KindUnsubscribe: "unsubscribe",
		message.KindDisconnect:  "disconnect",
		message.KindAck:         "ack",
		message.KindNack:        "nack",
		message.KindBegin:       "begin",
		message.KindCommit:      "commit",
		message.KindAbort:       "abort",
		message.KindError:       "error",
		message.KindError + 1:   "unknown",
		255:                     "unknown",
	} {
		if got := kind.String(); got != want {
			t.Errorf("Kind(%d) = %q, want %q", kind, got, want)
		}
	}
	if (message.Message[int]{}).Kind != message.KindData {
		t.Error("the zero message is not data")
	}
}

func TestReserved(t *testing.T) {
	for name, want := range map[string]bool{
		message.HeaderMessageID:         true,
		message.ReservedPrefix + "node": true,
		message.ReservedPrefix:          true,
		message.HeaderContentType:       false,
		message.HeaderReplyTo:           false,
		message.HeaderCorrelationID:     false,
		"hr":                            false,
		"x-hr-node":                     false,
		"":                              false,
	} {
		if got := message.Reserved(name); got != want {
			t.Errorf("Reserved(%q) = %v, want %v", name, got, want)
		}
	}
}

func TestWithPayload(t *testing.T) {
	s := message.NewSession(&sink{}, message.SessionInfo{})
	h := header("a", "1")
	done := message.NewCompletion(message.Handled, func(error) {})
	m := message.Message[int]{Kind: message.KindAck, Destination: "/d", Subscription: "s", Session: s, Header: h, Payload: 7, Done: done}
	got := message.WithPayload(m, "seven")
	if got.Kind != message.KindAck || got.Destination != "/d" || got.Subscription != "s" || got.Session != s ||
		!got.Header.Same(h) || got.Payload != "seven" || got.Done != done {
		t.Errorf("WithPayload = %+v", got)
	}
}

// TestMessageIsValue: who changes the message he was handed changes his copy.
func TestMessageIsValue(t *testing.T) {
	change := message.HandlerFunc[int](func(_ context.Context, m message.Message[int]) error {
		m.Header = m.Header.With("a", "2")
		m.Destination = "/elsewhere"
		return nil
	})
	m := message.Message[int]{Destination: "/here", Header: header("a", "1")}
	if err := change.Handle(t.Context(), m); err != nil || m.Header.Get("a") != "1" || m.Destination != "/here" {
		t.Errorf("err %v, the sender's message became %+v", err, m)
	}
}

// TestChainOrder: the first interceptor sees a message first and its outcome last.
func TestChainOrder(t *testing.T) {
	var steps []string
	step := func(name string) message.Interceptor[int] {
		return func(next message.Handler[int]) message.Handler[int] {
			return message.HandlerFunc[int](func(ctx context.Context, m message.Message[int]) error {
				steps = append(steps, "before "+name)
				err := next.Handle(ctx, m)
				steps = append(steps, "after "+name)
				return err
			})
		}
	}
	failed := errors.New("failed")
	handler := message.HandlerFunc[int](func(context.Context, message.Message[int]) error {
		steps = append(steps, "handle")
		return failed
	})
	if err := message.Chain(handler, step("1"), step("2")).Handle(t.Context(), message.Message[int]{}); err != failed {
		t.Errorf("err = %v, want the handler's", err)
	}
	if want := []string{"before 1", "before 2", "handle", "after 2", "after 1"}; !slices.Equal(steps, want) {
		t.Errorf("steps = %v, want %v", steps, want)
	}
	steps = nil
	message.Chain(handler).Handle(t.Context(), message.Message[int]{})
	if !slices.Equal(steps, []string{"handle"}) {
		t.Errorf("steps without interceptors = %v", steps)
	}
}

// TestChainGeneric: a generic function is an interceptor without a type argument.
func TestChainGeneric(t *testing.T) {
	called := false
	h := message.HandlerFunc[int](func(context.Context, message.Message[int]) error { called = true; return nil })
	if err := message.Chain[int](h, refuse).Handle(t.Context(), message.Message[int]{}); !errors.Is(err, message.ErrDropped) || called {
		t.Errorf("err = %v, called = %v", err, called)
	}
}

// refuse drops everything, whatever its type.
func refuse[T any](message.Handler[T]) message.Handler[T] {
	return message.HandlerFunc[T](func(context.Context, message.Message[T]) error { return message.ErrDropped })
}

// TestWhoSeesHeaders: what a client may say and is shown of the reserved names.
func TestWhoSeesHeaders(t *testing.T) {
	for _, tt := range []struct {
		name                      string
		onSend, onSubscribe, back bool
	}{
		{"color", true, true, true},
		{message.HeaderTransaction, true, true, true},
		{message.HeaderMessageID, false, false, false},
		{message.HeaderAck, false, false, false},
		{message.HeaderDeliveries, false, false, true},
		{message.HeaderDeadFrom, false, false, true},
		{message.HeaderOffset, false, true, true},
		{message.HeaderEpoch, false, true, true},
		{message.HeaderRecovered, false, false, true},
		{message.ReservedPrefix + "user", false, false, false},
	} {
		if got := message.FromClient(message.KindData, tt.name); got != tt.onSend {
			t.Errorf("a client may send %s: %v, want %v", tt.name, got, tt.onSend)
		}
		if got := message.FromClient(message.KindSubscribe, tt.name); got != tt.onSubscribe {
			t.Errorf("a client may subscribe with %s: %v, want %v", tt.name, got, tt.onSubscribe)
		}
		if got := message.ToClient(tt.name); got != tt.back {
			t.Errorf("a client is shown %s: %v, want %v", tt.name, got, tt.back)
		}
	}
}
