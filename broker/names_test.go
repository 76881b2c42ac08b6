package broker_test

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/message"
)

// oddNames are names of users that mean something elsewhere, or look like one
// another.
var oddNames = []string{
	"", "kim", "Kim", "kim ", " kim", "kim\x00", "kim\n", "kim/queue/x", "kim%2Fqueue", "k%69m", "ki\u200bm",
	"кim", "kіm", "ｋｉｍ", "é", "e\u0301", "ﬁ", "fi", "İ", "ı", "ß", "ss", "한글", "\u202ekim", "\xff", "\ufffd",
	"/", "//", "a/b", "a\u2215b", "a／b", "a%2Fb", "a%2fb", "a%252Fb", "%2F", "%2f", "%", "%%", "%zz", "%00", "a+b", "a b",
	".", "..", "../kim", "a/../kim", "./kim", "~", "*", "**", "?", ".*", "[a-z]", "{user}", "{}", "{user:.*}", "#", ":", ";", "queue", "user",
	strings.Repeat("n", 1024), strings.Repeat("n", 1023), strings.Repeat("/", 1024), strings.Repeat("%2F", 341) + "/",
}

// oddName draws one of them, or one that is made of their parts.
var oddName = rapid.OneOf(
	rapid.SampledFrom(oddNames),
	rapid.Custom(func(rt *rapid.T) string {
		return strings.Join(rapid.SliceOfN(rapid.SampledFrom([]string{"/", "%", "2F", "2f", "25", ".", "..", "*", "{", "}", "k", "к", "\u0301", "\x00"}), 1, 6).Draw(rt, "parts"), "")
	}),
	rapid.String(),
)

// escaper writes a name as a part of a destination.
var escaper = strings.NewReplacer("%", "%25", "/", "%2F")

// crowd are users of odd names, two sessions each, with a subscription each.
type crowd struct {
	ops
	users   *broker.Users
	clients map[string][]*client // by user
}

func newCrowd(t *testing.T, names []string) *crowd {
	users := broker.NewUsers(outbound, broker.UsersConfig{})
	c := &crowd{ops: ops{t, users}, users: users, clients: make(map[string][]*client)}
	for _, name := range names {
		for range 2 {
			one := newClient("")
			one.SetUser(message.User(name)) // an empty name, too
			c.connect(one)
			c.must(c.subscribe(one, "s", "/user/queue/x"))
			c.clients[name] = append(c.clients[name], one)
		}
	}
	return c
}

// gotBy returns the names of the users of whom all sessions got a message, and
// complains where not all of them did, or not once.
func (c *crowd) gotBy(t rapid.TB) (names []string) {
	for name, sessions := range c.clients {
		got := make([]string, len(sessions))
		for i, s := range sessions {
			got[i] = strings.Join(s.take(), ", ")
		}
		if got[0] != got[1] || got[0] != "" && got[0] != "s /user/queue/x m" {
			t.Fatalf("the sessions of %q got %q", name, got)
		}
		if got[0] != "" {
			names = append(names, name)
		}
	}
	return names
}

// TestUsersNames: what is sent to a user reaches the sessions whose principal has
// exactly this name, whatever it holds, and they are found under it. Nobody is
// called "".
func TestUsersNames(t *testing.T) {
	check := func(rt rapid.TB, names []string) {
		c := newCrowd(t, names)
		for _, name := range names {
			err := c.send("/user/"+escaper.Replace(name)+"/queue/x", "m")
			user, found := c.users.User(name)
			if name == "" {
				if got := c.gotBy(rt); err == nil || got != nil || found {
					rt.Fatalf("sent to nobody: %v, got by %q, known %v", err, got, found)
				}
				continue
			}
			if got := c.gotBy(rt); err != nil || !slices.Equal(got, []string{name}) {
				rt.Fatalf("sent to %q: %v, got by %q", name, err, got)
			}
			if want := []string{c.clients[name][0].ID(), c.clients[name][1].ID()}; !found || !slices.Equal(ids(user.Sessions), want) {
				rt.Fatalf("looked for %q, found %v", name, user)
			}
		}
	}
	check(t, oddNames)
	rapid.Check(t, func(rt *rapid.T) { check(rt, rapid.SliceOfNDistinct(oddName, 1, 6, rapid.ID).Draw(rt, "names")) })
}

// TestUsersAnyDestination: however a destination is written, it reaches at most
// the user whose name it is once its percent signs are resolved.
func TestUsersAnyDestination(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		c := newCrowd(t, rapid.SliceOfNDistinct(oddName, 1, 6, rapid.ID).Draw(rt, "names"))
		dest := "/user/" + oddName.Draw(rt, "name") + rapid.SampledFrom([]string{"/queue/x", "/queue%2Fx", "queue/x", "/../queue/x", "//queue/x"}).Draw(rt, "rest")
		err := c.send(dest, "m")
		got := c.gotBy(rt)
		segment, rest, _ := strings.Cut(strings.TrimPrefix(dest, "/user/"), "/")
		name, bad := url.PathUnescape(segment)
		var want []string
		if _, there := c.clients[name]; there && bad == nil && name != "" && rest == "queue/x" {
			want = []string{name}
		}
		if !slices.Equal(got, want) || want != nil && err != nil {
			rt.Fatalf("sent to %q: %v, got by %q, want %q", dest, err, got, want)
		}
	})
}

// TestUsersNamesOfSessions: the id of a session is no name to take over: neither
// its own messages nor its queues are the impostor's.
func TestUsersNamesOfSessions(t *testing.T) {
	o := ops{t, broker.NewUsers(outbound, broker.UsersConfig{})}
	victim, other := newClient(""), newClient("kim")
	impostors := []*client{newClient(victim.ID()), newClient(other.ID())}
	for _, c := range append(impostors, victim, other) {
		o.connect(c)
		o.must(o.subscribe(c, "s", "/user/queue/x"))
	}
	for i, c := range []*client{victim, other} {
		o.must(o.send("/user/"+c.ID()+"/queue/x", fmt.Sprint(i)))
		wantLines(t, c, fmt.Sprint("s /user/queue/x ", i))
	}
	for _, c := range impostors {
		wantLines(t, c)
	}
}

// TestUsersUnsubscribeOwn: a subscription is ended by the session that has it and
// by no other, not even one of the same user or with the same id, and not by the
// end of another.
func TestUsersUnsubscribeOwn(t *testing.T) {
	u := broker.NewUsers(outbound, broker.UsersConfig{})
	o := ops{t, u}
	kim, again, mallory, same, stranger := newClient("kim"), newClient("kim"), newClient("mallory"), newClient("lee"), newClient("kim")
	for _, c := range []*client{kim, again, mallory, same} {
		o.connect(c)
	}
	o.must(o.subscribe(kim, "s", "/user/queue/x"))
	o.must(o.subscribe(same, "s", "/user/queue/x"))
	observe(u, broker.Subscribed, kim, "s", "/user/queue/x")
	for _, c := range []*client{again, mallory, same, stranger} {
		o.must(o.unsubscribe(c, "s"))
		observe(u, broker.Unsubscribed, c, "s", "/user/queue/x")
		o.must(o.disconnect(c))
		o.must(o.send("/user/kim/queue/x", "m"))
		wantLines(t, kim, "s /user/queue/x m")
		wantLines(t, c)
		if got := lines(u, "/user/**"); !slices.Equal(got, []string{"kim s /user/queue/x"}) {
			t.Errorf("known are %q", got)
		}
	}
}
