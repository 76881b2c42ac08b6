package broker_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/message/destination"
)

// observe tells users what a session did, as brokers do.
func observe(u *broker.Users, kind broker.EventKind, c *client, id, dest string) {
	e := broker.Event{Kind: kind, Subscription: id, Destination: dest}
	if c != nil {
		e.Session = c.Session
	}
	_ = u.Observe(context.Background(), message.Message[broker.Event]{Session: e.Session, Payload: e})
}

// lines are subscriptions as "user id destination".
func lines(u *broker.Users, pattern string) []string {
	all := []string{}
	for s := range u.Subscriptions(destination.MustParse(pattern, destination.Slash)) {
		all = append(all, fmt.Sprintf("%s %s %s", s.User, s.ID, s.Destination))
	}
	slices.Sort(all)
	return all
}

// ids returns the ids of sessions.
func ids(sessions []broker.SessionView) []string {
	all := make([]string, len(sessions))
	for i, s := range sessions {
		all[i] = s.ID
	}
	return all
}

// names returns the names of all users with how many sessions each has.
func names(u *broker.Users) []string {
	all := []string{}
	for user := range u.All() {
		all = append(all, fmt.Sprint(user.Name, " ", len(user.Sessions)))
	}
	slices.Sort(all)
	return all
}

// TestUsersAll: a user with several sessions is one user, there as long as the
// last of them; who is nobody is a session and no user.
func TestUsersAll(t *testing.T) {
	u := broker.NewUsers(outbound, broker.UsersConfig{})
	o := ops{t, u}
	kim := []*client{newClient("kim"), newClient("kim"), newClient("kim")}
	lee, nobody := newClient("lee"), newClient("")
	for _, c := range append(kim, lee, nobody) {
		o.connect(c)
	}
	if got, want := names(u), []string{"kim 3", "lee 1"}; !slices.Equal(got, want) {
		t.Errorf("users %q, want %q", got, want)
	}
	user, ok := u.User("kim")
	if want := []string{kim[0].ID(), kim[1].ID(), kim[2].ID()}; !ok || user.Name != "kim" || !slices.Equal(ids(user.Sessions), want) {
		t.Errorf("user %v, %v, want the sessions as they connected", user, ok)
	}
	if all := slices.Collect(u.Sessions()); len(all) != 5 || !slices.Contains(ids(all), nobody.ID()) {
		t.Errorf("sessions %q, want all five", ids(all))
	}
	if s := u.Stats(); s.Users != 2 || s.Sessions != 5 {
		t.Errorf("stats %+v", s)
	}
	for range u.All() {
		break // a loop may end early
	}
	o.must(o.disconnect(kim[0]))
	o.must(o.disconnect(kim[2]))
	if user, ok := u.User("kim"); !ok || !slices.Equal(ids(user.Sessions), []string{kim[1].ID()}) {
		t.Errorf("user %v, %v, want the session that is left", user, ok)
	}
	o.must(o.disconnect(kim[1]))
	if _, ok := u.User("kim"); ok || !slices.Equal(names(u), []string{"lee 1"}) {
		t.Errorf("users %q without kim", names(u))
	}
}

// TestUsersUnknown: who looks up what is not there is told so.
func TestUsersUnknown(t *testing.T) {
	u := broker.NewUsers(outbound, broker.UsersConfig{})
	o := ops{t, u}
	unnamed := newClient("")
	unnamed.SetUser(message.User(""))
	o.connect(unnamed)
	for _, id := range []string{"", "kim", unnamed.ID()[1:]} {
		if s, ok := u.Session(id); ok || s.Session != nil {
			t.Errorf("session %q: %v", id, s)
		}
		if user, ok := u.User(id); ok || user.Sessions != nil {
			t.Errorf("user %q: %v", id, user)
		}
		if _, ok := u.Subscription(id, "1"); ok {
			t.Errorf("session %q has a subscription", id)
		}
		if u.Close(id, nil) {
			t.Errorf("session %q was closed", id)
		}
	}
	if _, ok := u.Subscription(unnamed.ID(), "1"); ok {
		t.Error("a subscription that is not there")
	}
}

// TestUsersSubscriptions: subscriptions are found by their destinations, whoever
// holds them, as the clients wrote them.
func TestUsersSubscriptions(t *testing.T) {
	u := broker.NewUsers(outbound, broker.UsersConfig{})
	o := ops{t, u}
	kim, lee, nobody := newClient("kim"), newClient("lee"), newClient("")
	for _, c := range []*client{kim, lee, nobody} {
		o.connect(c)
	}
	for _, s := range []struct {
		c        *client
		id, dest string
	}{
		{kim, "1", "/topic/a"}, {kim, "2", "/topic/*"}, {kim, "3", "/user/queue/x"},
		{lee, "1", "/topic/b/c"}, {lee, "2", "/app/number"}, {nobody, "1", "/topic/a"},
	} {
		observe(u, broker.Subscribed, s.c, s.id, s.dest)
	}
	for _, tc := range []struct {
		pattern string
		want    []string
	}{
		{"/topic/a", []string{" 1 /topic/a", "kim 1 /topic/a"}},
		{"/topic/?", []string{" 1 /topic/a", "kim 1 /topic/a", "kim 2 /topic/*"}},
		{"/topic/**", []string{" 1 /topic/a", "kim 1 /topic/a", "kim 2 /topic/*", "lee 1 /topic/b/c"}},
		{"/{prefix}/queue/x", []string{"kim 3 /user/queue/x"}},
		{"/app/**", []string{"lee 2 /app/number"}},
		{"/topic/b", []string{}},
	} {
		if got := lines(u, tc.pattern); !slices.Equal(got, tc.want) {
			t.Errorf("%s: %q, want %q", tc.pattern, got, tc.want)
		}
	}
	if s, ok := u.Session(kim.ID()); !ok || !slices.Equal(s.Subscriptions, []broker.SubscriptionView{
		{ID: "1", Destination: "/topic/a", SessionID: kim.ID(), User: "kim", Session: kim.Session},
		{ID: "2", Destination: "/topic/*", SessionID: kim.ID(), User: "kim", Session: kim.Session},
		{ID: "3", Destination: "/user/queue/x", SessionID: kim.ID(), User: "kim", Session: kim.Session},
	}) {
		t.Errorf("session %v, %v", s, ok)
	}
	if s, ok := u.Subscription(lee.ID(), "2"); !ok || s.Session != lee.Session || s.ID != "2" || s.Destination != "/app/number" {
		t.Errorf("subscription %v, %v", s, ok)
	}
	for range u.Subscriptions(destination.MustParse("/**", destination.Slash)) {
		break
	}
	observe(u, broker.Unsubscribed, kim, "2", "/topic/*")
	o.must(o.disconnect(nobody))
	if got, want := lines(u, "/topic/?"), []string{"kim 1 /topic/a"}; !slices.Equal(got, want) {
		t.Errorf("after they left: %q, want %q", got, want)
	}
}

// TestUsersObserveAnyOrder compares Users with a model while events come in any
// order: those of sessions that are not there, or no more, leave nothing.
func TestUsersObserveAnyOrder(t *testing.T) {
	kinds := []broker.EventKind{
		broker.Connect, broker.Connected, broker.Subscribe, broker.Subscribed, broker.Subscribed, broker.Subscribed,
		broker.Unsubscribed, broker.Disconnected, broker.Available, broker.Unavailable,
	}
	rapid.Check(t, func(rt *rapid.T) {
		u := broker.NewUsers(outbound, broker.UsersConfig{})
		o := ops{t, u}
		clients := []*client{newClient("kim"), newClient("kim"), newClient("")}
		model := map[*client]map[string]string{}
		for range rapid.IntRange(1, 40).Draw(rt, "steps") {
			c := rapid.SampledFrom(clients).Draw(rt, "client")
			held, there := model[c]
			switch rapid.IntRange(0, 5).Draw(rt, "op") {
			case 0:
				if err := o.do(message.Raw{Kind: message.KindConnect, Session: c.Session}); (err == nil) == there {
					rt.Fatalf("connect: %v", err)
				}
				if !there {
					model[c] = map[string]string{}
				}
			case 1:
				o.must(o.disconnect(c))
				delete(model, c)
			case 2:
				observe(u, rapid.SampledFrom(kinds).Draw(rt, "kind"), nil, "1", "/topic/nobody's")
			default:
				kind := rapid.SampledFrom(kinds).Draw(rt, "kind")
				id := rapid.SampledFrom([]string{"1", "2"}).Draw(rt, "id")
				dest := rapid.SampledFrom([]string{"/topic/a", "/topic/b"}).Draw(rt, "destination")
				observe(u, kind, c, id, dest)
				switch {
				case there && kind == broker.Subscribed:
					held[id] = dest
				case kind == broker.Unsubscribed:
					delete(held, id)
				}
			}
			for _, c := range clients {
				var got map[string]string
				if s, ok := u.Session(c.ID()); ok {
					got = map[string]string{}
					for _, sub := range s.Subscriptions {
						got[sub.ID] = sub.Destination
					}
				}
				if !maps.Equal(got, model[c]) || (got == nil) != (model[c] == nil) {
					rt.Fatalf("session has %v, want %v", got, model[c])
				}
			}
		}
	})
}

// TestUsersChangeWhileTheyAreLookedAt: whoever looks may do as he likes meanwhile,
// and sees all that stay.
func TestUsersChangeWhileTheyAreLookedAt(t *testing.T) {
	u := broker.NewUsers(outbound, broker.UsersConfig{})
	o := ops{t, u}
	const stay = 20
	for i := range stay {
		c := newClient(fmt.Sprint("stays", i))
		o.connect(c)
		observe(u, broker.Subscribed, c, "1", "/topic/stays")
	}
	look := func() {
		seen := map[string]bool{}
		for user := range u.All() {
			guest := newClient("guest")
			o.connect(guest)
			o.must(o.disconnect(guest))
			if strings.HasPrefix(user.Name, "stays") {
				seen[user.Name] = true
			}
		}
		if len(seen) != stay {
			t.Errorf("%d users, want the %d that stay", len(seen), stay)
		}
		found := 0
		for s := range u.Subscriptions(destination.MustParse("/topic/stays", destination.Slash)) {
			observe(u, broker.Subscribed, &client{Session: s.Session}, "2", "/topic/other")
			found++
		}
		if found != stay {
			t.Errorf("%d subscriptions, want the %d that stay", found, stay)
		}
	}
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range 50 {
				c := newClient("comes and goes")
				o.connect(c)
				observe(u, broker.Subscribed, c, "1", "/topic/a")
				o.must(o.disconnect(c))
				observe(u, broker.Subscribed, c, "2", "/topic/a")
			}
		})
		all.Go(look)
	}
	all.Wait()
	if got := len(slices.Collect(u.Sessions())); got != stay {
		t.Errorf("%d sessions, want %d", got, stay)
	}
	if left := lines(u, "/topic/a"); len(left) != 0 {
		t.Errorf("left behind: %q", left)
	}
}

// TestUsersGoWhileTheyAreLookedAt: who has left is not seen any more.
func TestUsersGoWhileTheyAreLookedAt(t *testing.T) {
	u := broker.NewUsers(outbound, broker.UsersConfig{})
	o := ops{t, u}
	kim, lee := newClient("kim"), newClient("lee")
	o.connect(kim)
	o.connect(lee)
	seen := 0
	for range u.All() {
		o.must(o.disconnect(kim))
		o.must(o.disconnect(lee))
		seen++
	}
	if seen != 1 {
		t.Errorf("%d users, want the first alone", seen)
	}
}

// farewells is the sink of a session that notes why it was closed.
type farewells struct{ reasons []error }

func (*farewells) Deliver(context.Context, message.Raw) error { return nil }
func (f *farewells) Close(reason error)                       { f.reasons = append(f.reasons, reason) }

func TestUsersClose(t *testing.T) {
	u := broker.NewUsers(outbound, broker.UsersConfig{})
	o := ops{t, u}
	f := new(farewells)
	kim, other := message.NewSession(f, message.SessionInfo{Principal: message.User("kim")}), newClient("kim")
	o.connect(&client{Session: kim})
	o.connect(other)
	reason := errors.New("you are out")
	if u.Close("kim", reason) {
		t.Error("a user's name passed for a session's id")
	}
	if !u.Close(kim.ID(), reason) || !u.Close(kim.ID(), nil) {
		t.Error("the session is said not to be there")
	}
	if kim.Reason() != reason || !slices.Equal(f.reasons, []error{reason}) {
		t.Errorf("closed with %v", f.reasons)
	}
	select {
	case <-other.Done():
		t.Error("another session of the user was closed")
	default:
	}
	o.must(o.disconnect(&client{Session: kim}))
	if u.Close(kim.ID(), reason) {
		t.Error("the session is said to be there still")
	}
}
