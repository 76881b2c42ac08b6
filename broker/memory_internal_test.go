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
	if _, err := b.keep(j, late, defaultRule, message.AckAuto); !errors.Is(err, errNotConnected) {
		t.Errorf("error %v", err)
	}
	if n := b.index.Len(); n != 0 {
		t.Errorf("%d subscriptions are left", n)
	}
}

// connected returns a broker with a session that is connected, and a function that
// sends for it.
func connected(t *testing.T, rules ...Rule) (b *Memory, s *message.Session, handle func(message.Raw)) {
	t.Helper()
	b = NewMemory(message.HandlerFunc[[]byte](func(context.Context, message.Raw) error { return nil }), Config{Rules: rules})
	t.Cleanup(b.Close)
	s = message.NewSession(nowhere{}, message.SessionInfo{})
	handle = func(m message.Raw) {
		t.Helper()
		if err := b.Handle(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	handle(message.Raw{Kind: message.KindConnect, Session: s})
	return b, s, handle
}

var individually = message.Header{}.With(message.HeaderAckMode, "client-individual")

// TestLateUnsubscribe: an UNSUBSCRIBE that took its subscription before the
// DISCONNECT, and goes on after it, keeps nothing that was delivered in between.
func TestLateUnsubscribe(t *testing.T) {
	b, s, handle := connected(t, Rule{Prefix: "/queue", Mode: Queue, Acks: Acks{Deadline: -1}})
	handle(message.Raw{Kind: message.KindSubscribe, Session: s, Subscription: "1", Destination: "/queue/a", Header: individually})
	c := b.client(s)
	e, _ := c.take("1")
	handle(message.Raw{Kind: message.KindDisconnect, Session: s})
	next := message.NewSession(nowhere{}, message.SessionInfo{})
	handle(message.Raw{Kind: message.KindConnect, Session: next})
	handle(message.Raw{Kind: message.KindSubscribe, Session: next, Subscription: "1", Destination: "/queue/a"})
	handle(message.Raw{Destination: "/queue/a"})
	if b.Stats().Bytes == 0 {
		t.Fatal("the other one got it")
	}
	b.remove(e)
	if n := b.Stats().Bytes; n != 0 {
		t.Errorf("%d bytes wait, and somebody is there who takes them", n)
	}
}

// TestLatePublish: a publication that found a subscription before its UNSUBSCRIBE,
// and goes on after it, leaves nothing, though something is to be settled still.
func TestLatePublish(t *testing.T) {
	b, s, handle := connected(t)
	handle(message.Raw{Kind: message.KindSubscribe, Session: s, Subscription: "1", Destination: "/topic/a", Header: individually})
	handle(message.Raw{Destination: "/topic/a"})
	for found := range b.index.Match("/topic/a") {
		handle(message.Raw{Kind: message.KindUnsubscribe, Session: s, Subscription: "1"})
		b.store.post(t.Context(), message.Raw{Destination: "/topic/a"}, found)
	}
	handle(message.Raw{Kind: message.KindAck, Session: s, Header: message.Header{}.With(message.HeaderAck, b.delivery.ackID(1))})
	if stats := b.Stats(); stats.Bytes != 0 || stats.Queues != 0 || s.Reason() != nil {
		t.Errorf("stats %+v, want nothing left", stats)
	}
}
