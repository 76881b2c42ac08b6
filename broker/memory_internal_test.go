package broker

import (
	"context"
	"errors"
	"testing"

	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/message/destination"
)

type nowhere struct{}

func (nowhere) Deliver(context.Context, message.Raw) error { return nil }
func (nowhere) Close(error)                                {}

// TestLateSubscribe: a SUBSCRIBE that found its client before the DISCONNECT, and
// goes on after it, leaves nothing.
func TestLateSubscribe(t *testing.T) {
	b := NewMemory(message.HandlerFunc[[]byte](func(context.Context, message.Raw) error { return nil }), Config{})
	s := message.NewSession(nowhere{}, message.SessionInfo{})
	if err := b.Handle(t.Context(), message.Raw{Kind: message.KindConnect, Session: s}); err != nil {
		t.Fatal(err)
	}
	found := b.client(s)
	if err := b.Handle(t.Context(), message.Raw{Kind: message.KindDisconnect, Session: s}); err != nil {
		t.Fatal(err)
	}
	late := message.Raw{Kind: message.KindSubscribe, Session: s, Subscription: "1", Destination: "/topic/a"}
	j := &join{client: found, pattern: destination.MustParse("/topic/a", destination.Slash)}
	if _, err := b.keep(j, late, defaultRule, ackAuto); !errors.Is(err, errNotConnected) {
		t.Errorf("error %v", err)
	}
	if n := b.index.Len(); n != 0 {
		t.Errorf("%d subscriptions are left", n)
	}
}
