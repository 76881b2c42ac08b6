package broker_test

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/message"
)

func TestUsersDeliver(t *testing.T) {
	o := ops{t, broker.NewUsers(outbound, broker.UsersConfig{})}
	kim1, kim2, lee, nobody := newClient("kim"), newClient("kim"), newClient("lee"), newClient("")
	for _, c := range []*client{kim1, kim2, lee, nobody} {
		o.connect(c)
		o.must(o.subscribe(c, "s", "/user/queue/x"))
	}
	o.must(o.subscribe(kim1, "t", "/user/queue/x"))
	o.must(o.subscribe(kim1, "u", "/user/queue/y"))

	o.must(o.send("/user/kim/queue/x", "1"))
	wantLines(t, kim1, "s /user/queue/x 1", "t /user/queue/x 1")
	wantLines(t, kim2, "s /user/queue/x 1")
	wantLines(t, lee)
	wantLines(t, nobody)

	o.must(o.send("/user/"+nobody.ID()+"/queue/x", "2"))
	o.must(o.send("/user/"+kim2.ID()+"/queue/x", "3"))
	wantLines(t, kim1)
	wantLines(t, kim2, "s /user/queue/x 3")
	wantLines(t, nobody, "s /user/queue/x 2")

	o.must(o.unsubscribe(kim1, "s"))
	o.must(o.disconnect(kim2))
	o.must(o.send("/user/kim/queue/x", "4"))
	wantLines(t, kim1, "t /user/queue/x 4")
	wantLines(t, kim2)
}

// TestUsersNames: a name reaches the sessions of exactly that user, whatever it
// holds.
func TestUsersNames(t *testing.T) {
	names := []string{"a/b", "a%2Fb", "..", "a b", "queue", "한글", ".*", "*", strings.Repeat("n", 1024), "a", "%"}
	o := ops{t, broker.NewUsers(outbound, broker.UsersConfig{})}
	escape := strings.NewReplacer("%", "%25", "/", "%2F").Replace
	clients := map[string]*client{}
	for _, n := range names {
		clients[n] = newClient(n)
		o.connect(clients[n])
		o.must(o.subscribe(clients[n], "s", "/user/queue/x"))
	}
	for _, n := range names {
		o.must(o.send("/user/"+escape(n)+"/queue/x", "m"))
		for other, c := range clients {
			if other == n {
				wantLines(t, c, "s /user/queue/x m")
			} else {
				wantLines(t, c)
			}
		}
	}
}

// TestUsersImpostor: whoever names himself like a session does not get what is
// sent to that session.
func TestUsersImpostor(t *testing.T) {
	o := ops{t, broker.NewUsers(outbound, broker.UsersConfig{})}
	victim := newClient("")
	impostor := newClient(victim.ID())
	for _, c := range []*client{impostor, victim} {
		o.connect(c)
		o.must(o.subscribe(c, "s", "/user/queue/x"))
	}
	o.must(o.send("/user/"+victim.ID()+"/queue/x", "secret"))
	wantLines(t, victim, "s /user/queue/x secret")
	wantLines(t, impostor)
}

func TestUsersRefuse(t *testing.T) {
	u := broker.NewUsers(outbound, broker.UsersConfig{MaxSubscriptions: 1})
	o := ops{t, u}
	c := newClient("kim")
	wantCode(t, o.subscribe(c, "1", "/user/queue/x"), message.CodeInvalid)
	o.connect(c)
	wantCode(t, o.subscribe(c, "", "/user/queue/x"), message.CodeInvalid)
	wantCode(t, o.subscribe(c, "1", "/user/queue/*"), message.CodeDenied)
	for _, dest := range []string{"/user", "/username/queue/x", "/user.queue.x"} {
		wantCode(t, o.subscribe(c, "1", dest), message.CodeInvalid)
	}
	o.must(o.subscribe(c, "1", "/user/queue/x"))
	wantCode(t, o.subscribe(c, "1", "/user/queue/y"), message.CodeConflict)
	wantCode(t, o.subscribe(c, "2", "/user/queue/y"), message.CodeFull)
	for _, dest := range []string{"/user", "/user/kim", "/user/kim/", "/user//queue/x", "/user/%zz/queue/x"} {
		wantCode(t, o.send(dest, "x"), message.CodeInvalid)
	}
	o.must(o.send("/user/nobody/queue/x", "x"))
	o.must(o.disconnect(c))
	wantCode(t, o.subscribe(c, "2", "/user/queue/y"), message.CodeInvalid)
	if s := u.Stats(); s.Unresolved != 1 || s.Sessions != 0 || s.Users != 0 {
		t.Errorf("stats %+v", s)
	}
}

// TestUsersConnectTwice: the second CONNECT is refused and changes nothing.
func TestUsersConnectTwice(t *testing.T) {
	u := broker.NewUsers(outbound, broker.UsersConfig{})
	o := ops{t, u}
	c := newClient("kim")
	o.connect(c)
	o.must(o.subscribe(c, "1", "/user/queue/x"))
	wantCode(t, o.do(message.Raw{Kind: message.KindConnect, Session: c.Session}), message.CodeConflict)
	o.must(o.send("/user/kim/queue/x", "m"))
	wantLines(t, c, "1 /user/queue/x m")
	o.must(o.disconnect(c))
	o.must(o.send("/user/kim/queue/x", "m"))
	wantLines(t, c)
	if s := u.Stats(); s.Sessions != 0 || s.Users != 0 {
		t.Errorf("left behind: %+v", s)
	}
}

func TestUsersCompleteAtStored(t *testing.T) {
	o := ops{t, broker.NewUsers(outbound, broker.UsersConfig{})}
	c := newClient("kim")
	o.connect(c)
	for _, m := range []message.Raw{
		{Kind: message.KindSubscribe, Session: c.Session, Subscription: "1", Destination: "/user/queue/a"},
		{Destination: "/user/kim/queue/a"},
	} {
		done := false
		m.Done = message.NewCompletion(message.Stored, func(err error) { done = err == nil })
		o.must(o.do(m))
		if !done {
			t.Errorf("%s was not completed at Stored", m.Kind)
		}
	}
}

func TestUsersEvents(t *testing.T) {
	var got []string
	events := message.HandlerFunc[broker.Event](func(_ context.Context, m message.Message[broker.Event]) error {
		e := m.Payload
		got = append(got, fmt.Sprint(e.Kind, " ", e.Session.ID() == m.Session.ID(), " ", e.Subscription, e.Destination))
		panic("a listener")
	})
	o := ops{t, broker.NewUsers(outbound, broker.UsersConfig{Events: events, Logger: slog.New(slog.DiscardHandler)})}
	c := newClient("kim")
	o.connect(c)
	o.must(o.subscribe(c, "1", "/user/queue/a"))
	_ = o.subscribe(c, "1", "/user/queue/a")
	o.must(o.unsubscribe(c, "1"))
	o.must(o.unsubscribe(c, "1"))
	o.must(o.disconnect(c))
	if want := []string{"2 true 1/user/queue/a", "3 true 1/user/queue/a"}; !slices.Equal(got, want) {
		t.Errorf("events %q, want %q", got, want)
	}
}

func TestUsersPrefix(t *testing.T) {
	for _, prefix := range []string{"/me", "/me/"} {
		o := ops{t, broker.NewUsers(outbound, broker.UsersConfig{Prefix: prefix})}
		c := newClient("kim")
		o.connect(c)
		o.must(o.subscribe(c, "1", "/me/queue/a"))
		o.must(o.send("/me/kim/queue/a", "x"))
		wantLines(t, c, "1 /me/queue/a x")
	}
}
