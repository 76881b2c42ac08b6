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
	"github.com/headrace/headrace/message/destination"
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

	o.must(o.send("/user/kim/queue/y", "only where it was asked for"))
	wantLines(t, kim1, "u /user/queue/y only where it was asked for")
	wantLines(t, kim2)

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

// TestUsersDots: what follows the prefix may be of one segment only, which dots
// divide. A slash stands behind the prefix, and behind the name.
func TestUsersDots(t *testing.T) {
	for _, prefix := range []string{"/user", "user."} {
		u := broker.NewUsers(outbound, broker.UsersConfig{
			Prefix:    prefix,
			Separator: destination.Dot,
			Rules:     []broker.Rule{{Prefix: strings.Trim(prefix, ".") + "/jms.queue", Acks: broker.Acks{Prefetch: 1}}},
		})
		defer u.Stop()
		o := ops{t, u}
		c := newClient("kim.lee")
		o.connect(c)
		at := strings.Trim(prefix, ".")
		o.must(o.subscribe(c, "1", at+"/jms.queue.call"))
		o.must(o.send(at+"/kim.lee/jms.queue.call", "x"))
		wantLines(t, c, "1 "+at+"/jms.queue.call x")
		o.must(o.subscribeAs(c, "2", at+"/jms.queue.ack", "client"))
		o.must(o.subscribeAs(c, "3", at+"/jms.queues", "client"))
		for _, dest := range []string{"jms.queue.ack", "jms.queue.ack", "jms.queues", "jms.queues"} {
			o.must(o.send(at+"/kim.lee/"+dest, "x"))
		}
		wantLines(t, c, "2 "+at+"/jms.queue.ack x", "3 "+at+"/jms.queues x", "3 "+at+"/jms.queues x")
		wantCode(t, o.subscribe(c, "4", at+".jms.queue"), message.CodeInvalid)
		wantCode(t, o.send(at+".kim.lee/jms.queue", "x"), message.CodeInvalid)
	}
}

func TestUsersRefuse(t *testing.T) {
	u := broker.NewUsers(outbound, broker.UsersConfig{MaxSubscriptions: 1})
	o := ops{t, u}
	c := newClient("kim")
	wantCode(t, o.subscribe(c, "1", "/user/queue/x"), message.CodeInvalid)
	o.connect(c)
	if c.got != nil {
		t.Errorf("connect was answered with %v", c.got)
	}
	wantCode(t, o.subscribe(c, "", "/user/queue/x"), message.CodeInvalid)
	for _, dest := range []string{"/user/queue/*", "/user/queue/?", "/user/{name}/x", "/user/queue/x}"} {
		wantCode(t, o.subscribe(c, "1", dest), message.CodeDenied)
	}
	for _, dest := range []string{"", "/topic/x", "/user", "/user/", "/username/queue/x", "/user.queue.x"} {
		wantCode(t, o.subscribe(c, "1", dest), message.CodeInvalid)
	}
	o.must(o.subscribe(c, "1", "/user/queue/x"))
	wantCode(t, o.subscribe(c, "1", "/user/queue/y"), message.CodeConflict)
	wantCode(t, o.subscribe(c, "2", "/user/queue/y"), message.CodeFull)
	for _, dest := range []string{"", "/topic/x", "/user", "/user/kim", "/user/kim/", "/user//queue/x", "/user/%zz/queue/x"} {
		wantCode(t, o.send(dest, "x"), message.CodeInvalid)
	}
	long := o.subscribe(c, "2", "/users/"+strings.Repeat("x", 1000))
	if long == nil || len(long.Error()) > 300 {
		t.Errorf("%v quotes all that the client wrote", long)
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
	want := []string{
		"subscribe true 1/user/queue/a", "subscribed true 1/user/queue/a",
		"subscribe true 1/user/queue/a", // which is refused
		"unsubscribed true 1/user/queue/a",
	}
	if !slices.Equal(got, want) {
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

// What a session has not acknowledged of what users are sent ends with it.
func TestUsersForgetWhatIsNotAcknowledged(t *testing.T) {
	u := broker.NewUsers(outbound, broker.UsersConfig{})
	defer u.Stop()
	o, c := ops{t, u}, newClient("kim")
	o.connect(c)
	o.must(o.subscribeAs(c, "1", "/user/queue/x", "client"))
	o.must(o.send("/user/kim/queue/x", "1"))
	o.must(o.disconnect(c))
	if s := u.Stats(); s.Queues != 0 || s.Bytes != 0 || s.Dropped["gone"] != 1 {
		t.Errorf("left behind: %+v", s)
	}
}
