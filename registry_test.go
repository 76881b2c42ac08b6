package headrace_test

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/headrace/headrace"
	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/channel"
	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/message/destination"
	"github.com/headrace/headrace/messagetest"
)

// subscribers returns the ids of the sessions that subscribed to what a pattern
// matches.
func subscribers(n *headrace.Node, pattern string) []string {
	all := []string{}
	for s := range n.Users.Subscriptions(destination.MustParse(pattern, destination.Slash)) {
		all = append(all, s.SessionID)
	}
	slices.Sort(all)
	return all
}

// A node knows who is there and what each session subscribed to, at the broker and
// of its own, until it leaves.
func TestWhoIsThere(t *testing.T) {
	s := serve(t, setup{stomp: withUsers()})
	kim, nobody := s.dialAs("kim"), s.dial()
	kims, nobodys := kim.login(), nobody.login()
	kim.subscribe("1", "/topic/a")
	kim.subscribe("2", "/user/queue/x")
	nobody.subscribe("1", "/topic/*")
	user, ok := s.node.Users.User("kim")
	if !ok || len(user.Sessions) != 1 || user.Sessions[0].ID != kims || user.Sessions[0].Session.Transport() != "websocket" {
		t.Fatalf("kim is %v", user)
	}
	var held []string
	for _, sub := range user.Sessions[0].Subscriptions {
		held = append(held, sub.ID+" "+sub.Destination)
	}
	if want := []string{"1 /topic/a", "2 /user/queue/x"}; !slices.Equal(held, want) {
		t.Errorf("kim has %q, want %q", held, want)
	}
	both := []string{kims, nobodys}
	slices.Sort(both)
	if got := subscribers(s.node, "/topic/?"); !slices.Equal(got, both) {
		t.Errorf("subscribers %q, want %q", got, both)
	}
	kim.send("UNSUBSCRIBE\nid:1\nreceipt:u1\n\n\x00", "UNSUBSCRIBE\nid:2\nreceipt:u2\n\n\x00")
	kim.wantReceipt("u1")
	kim.wantReceipt("u2")
	if got := subscribers(s.node, "/**"); !slices.Equal(got, []string{nobodys}) {
		t.Errorf("subscribers %q, want the one who is left", got)
	}
	nobody.send("DISCONNECT\nreceipt:bye\n\n\x00")
	nobody.wantReceipt("bye")
	nobody.wantClosed()
	eventually(t, "nobody is left but kim", func() bool { return s.node.Stats().Users.Sessions == 1 })
	if got := subscribers(s.node, "/**"); len(got) != 0 {
		t.Errorf("subscribers %q after they left", got)
	}
}

// The server ends a session; the client and the listeners of events are told why.
func TestServerClosesASession(t *testing.T) {
	var d diary
	s := serve(t, setup{stomp: withUsers(), wire: d.wire})
	kim, other := s.dialAs("kim"), s.connectAs("kim")
	id := kim.login()
	kim.subscribe("1", "/topic/a")
	reason := message.Errorf(message.CodeDenied, "you are out")
	if !s.node.Users.Close(id, reason) {
		t.Fatal("the session is not known")
	}
	kim.wantError("you are out")
	eventually(t, "its end is told", func() bool {
		lines, why := d.of(id)
		return slices.Contains(lines, "disconnected") && errors.Is(why, reason)
	})
	if s.node.Users.Close(id, reason) {
		t.Error("the session is known after its end")
	}
	other.sync()
}

// Whoever is told of a subscription finds it, and not when he is told of its end;
// one that is refused is never there.
func TestRegistryIsAheadOfItsListeners(t *testing.T) {
	n := headrace.New(headrace.Config{})
	defer n.Close()
	var found, gone atomic.Int32
	channel.SubscribeFunc(n.Events, func(_ context.Context, m message.Message[broker.Event]) error {
		switch e := m.Payload; e.Kind {
		case broker.Subscribed:
			if s, ok := n.Users.Subscription(e.Session.ID(), e.Subscription); ok && s.Destination == e.Destination {
				found.Add(1)
			}
		case broker.Unsubscribed:
			if _, ok := n.Users.Subscription(e.Session.ID(), e.Subscription); !ok {
				gone.Add(1)
			}
		}
		return nil
	})
	kim := messagetest.Connect(t, n)
	for _, dest := range []string{"/topic/a", "/user/queue/a"} {
		kim.Unsubscribe(kim.Subscribe(dest))
	}
	if found.Load() != 2 || gone.Load() != 2 {
		t.Errorf("%d found and %d gone, want 2 each", found.Load(), gone.Load())
	}
	for _, dest := range []string{"/topic/{", "/user/queue/*"} {
		if _, err := kim.TrySubscribe(dest); err == nil {
			t.Errorf("%s was taken", dest)
		}
	}
	if got := subscribers(n, "/**"); len(got) != 0 {
		t.Errorf("subscribers %q of what was refused", got)
	}
}
