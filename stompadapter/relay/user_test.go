package relay_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/headrace/headrace/messagetest"
	"github.com/headrace/headrace/stompadapter/frame"
	"github.com/headrace/headrace/stompadapter/relay"
)

// alike are destinations of users that are written with the same words.
var alike = []string{
	"/queue/secret.x", "/queue.secret/x", "/queue/secret/x", "/queue/secret%2Fx", "/queue/secret%2Ex", "/queue%2Fsecret/x", "/queue.secret.x/x",
	"/exchange/amq.direct/queue.secret.x", "/exchange/amq.direct/queue/secret.x", "/exchange/amq.direct/queue%2Fsecret.x",
	"/exchange/amq.direct/queue%252Fsecret.x", "/exchange/amq.direct/queue.secret/x", "/exchange/amq.direct//queue/secret.x",
}

// No two destinations of a user are one, and what is sent to one is for who subscribed to it.
func TestSec_S15_EachDestinationIsItsOwn(t *testing.T) {
	bubble(t, relay.Config{}, func(s *site) {
		c := s.connect(messagetest.User("ada"))
		seen := make(map[string]string)
		for _, destination := range alike {
			c.Subscribe("/user" + destination)
			s.want(destination, s.do(text("/user/ada"+destination, "x")), nil)
			subscribed, sent := s.fake.peer(1).got(frame.Subscribe), s.fake.peer(0).got(frame.Send)
			at := subscribed[len(subscribed)-1].Header.Get(frame.HeaderDestination)
			if to := sent[len(sent)-1].Header.Get(frame.HeaderDestination); to != at {
				t.Errorf("%s is subscribed to at %s, and sent to %s", destination, at, to)
			}
			for _, form := range []string{at, strings.ReplaceAll(at, "%2F", "/")} { // as RabbitMQ reads it
				if other := seen[form]; other != "" && other != destination {
					t.Errorf("%s and %s are both %s", destination, other, form)
				}
				seen[form] = destination
			}
		}
	})
}

// Who is named like another one's session gets nothing that is for it, wherever that is.
func TestSec_S16_NamesThatAreSessions(t *testing.T) {
	const remote = "session-of-another-node"
	var local string
	users := map[string][]string{remote: {remote}, "ada": {"ada-1", "ada-2"}}
	bubble(t, relay.Config{Sessions: func(name string) []string { return users[name] }}, func(s *site) {
		local = s.connect().Session().ID()
		for _, name := range []string{remote, local, "ada"} {
			id := s.connect(messagetest.User(name)).Session().ID()
			want := []string{name}
			if name == "ada" {
				want = []string{id, "ada-1", "ada-2"}
			}
			before := len(s.fake.peer(0).got(frame.Send))
			s.want(name, s.do(text("/user/"+name+"/queue/a", "x")), nil)
			var got []string
			for _, f := range s.fake.peer(0).got(frame.Send)[before:] {
				_, to, _ := strings.Cut(f.Header.Get(frame.HeaderDestination), "-user")
				got = append(got, to)
			}
			slices.Sort(got)
			slices.Sort(want)
			if !slices.Equal(got, want) {
				t.Errorf("what is for %q goes to %q, want %q", name, got, want)
			}
		}
	})
}

// A user's destination is his own at the broker too, however it is written.
func ownKeys(t *testing.T, c relay.Config) {
	b := start(t, c)
	ada := messagetest.Connect(t, b, messagetest.User("ada"))
	for _, destination := range alike {
		ada.Subscribe("/user" + destination)
	}
	for _, destination := range alike {
		if err := publish(t.Context(), b, "/user/ada"+destination, destination); err != nil {
			t.Fatal(err)
		}
		if m := ada.Next(t); m.Destination != "/user"+destination || string(m.Payload) != destination {
			t.Errorf("what is sent to %s comes to %s", m.Payload, m.Destination)
		}
	}
	ada.Refute(t)
}
