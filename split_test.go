package headrace_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/headrace/headrace"
	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/channel"
	"github.com/headrace/headrace/handler"
	"github.com/headrace/headrace/message"
)

// deaf is the sink of a session that is told nothing, or cannot be.
type deaf struct{ err error }

func (d deaf) Deliver(context.Context, message.Raw) error { return d.err }
func (deaf) Close(error)                                  {}

// handled sends a message and waits for its outcome.
func handled(t *testing.T, n *headrace.Node, m message.Raw) error {
	t.Helper()
	done := make(chan error, 1)
	m.Done = message.NewCompletion(message.Handled, func(err error) { done <- err })
	m.Done.Release(n.Inbound.Handle(t.Context(), m))
	return receive(t, "the outcome", done)
}

// A session whose CONNECT fails is known to nobody; one that connects twice
// stays what it is.
func TestFailedConnect(t *testing.T) {
	n := headrace.New(headrace.Config{})
	defer n.Close()
	broken := errors.New("cannot be told")
	lost := message.NewSession(deaf{broken}, message.SessionInfo{Principal: message.User("lost")})
	if err := handled(t, n, message.Raw{Kind: message.KindConnect, Session: lost}); !errors.Is(err, broken) {
		t.Errorf("error %v", err)
	}
	if st := n.Stats(); st.Broker.Sessions != 0 || st.Users.Sessions != 0 || st.Users.Users != 0 {
		t.Errorf("known: %+v", st)
	}
	kim := message.NewSession(deaf{}, message.SessionInfo{Principal: message.User("kim")})
	for _, code := range []message.Code{"", message.CodeConflict} {
		err := handled(t, n, message.Raw{Kind: message.KindConnect, Session: kim})
		if code == "" && err != nil || code != "" && (err == nil || message.Public(err).Code != code) {
			t.Errorf("error %v, want %q", err, code)
		}
		if st := n.Stats(); st.Broker.Sessions != 1 || st.Users.Sessions != 1 {
			t.Errorf("known: %+v", st)
		}
	}
}

// The events of a session tell of all kinds of subscriptions, and of the session
// once.
func TestEventsOfUserSubscriptions(t *testing.T) {
	n := headrace.New(headrace.Config{})
	defer n.Close()
	handler.OnSubscribe(n.Router, "/once", func(context.Context, struct{}) (string, error) { return "x", nil })
	var got []string
	channel.SubscribeFunc(n.Events, func(_ context.Context, m message.Message[broker.Event]) error {
		got = append(got, fmt.Sprint(m.Payload.Kind, " ", m.Payload.Destination))
		return nil
	})
	kim := message.NewSession(deaf{}, message.SessionInfo{Principal: message.User("kim")})
	for _, m := range []message.Raw{
		{Kind: message.KindConnect},
		{Kind: message.KindSubscribe, Subscription: "1", Destination: "/user/queue/a"},
		{Kind: message.KindSubscribe, Subscription: "2", Destination: "/topic/a"},
		{Kind: message.KindSubscribe, Subscription: "3", Destination: "/app/once"},
		{Kind: message.KindUnsubscribe, Subscription: "1"},
		{Kind: message.KindUnsubscribe, Subscription: "2"},
		{Kind: message.KindUnsubscribe, Subscription: "3"},
		{Kind: message.KindUnsubscribe, Subscription: "3"},
		{Kind: message.KindDisconnect},
	} {
		m.Session = kim
		if err := handled(t, n, m); err != nil {
			t.Errorf("%s: %v", m.Kind, err)
		}
	}
	want := []string{
		"connect ", "connected ", "subscribe /user/queue/a", "subscribed /user/queue/a", "subscribe /topic/a", "subscribed /topic/a",
		"subscribe /app/once", "subscribed /app/once", "unsubscribed /user/queue/a", "unsubscribed /topic/a", "unsubscribed /app/once",
		"disconnected ", "unavailable ",
	}
	n.Close()
	if !slices.Equal(got, want) {
		t.Errorf("events %q, want %q", got, want)
	}
}
