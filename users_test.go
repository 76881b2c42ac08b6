package headrace_test

import (
	"context"
	"strings"
	"testing"

	"github.com/headrace/headrace"
	"github.com/headrace/headrace/handler"
)

// secrets wires what answers the user, and what answers the session.
func secrets(n *headrace.Node) {
	handler.Handle(n.Router, "/user", echo, handler.SendToUser("/queue/mine"))
	handler.Handle(n.Router, "/session", echo, handler.SendToSession("/queue/mine"))
}

func TestUserDestinations(t *testing.T) {
	s := serve(t, setup{stomp: withUsers(), wire: secrets})
	anonymous := s.dial()
	id := anonymous.login()
	kim1, kim2, lee := s.connectAs("kim"), s.connectAs("kim"), s.connectAs("lee")
	everybody := []*client{kim1, kim2, lee, anonymous}
	for _, c := range everybody {
		c.subscribe("own", "/user/queue/mine")
	}
	for _, tc := range []struct {
		name string
		send func()
		want []*client
	}{
		{"reply to the user", func() { kim1.send(sendFrame("/app/user", "", "hello")) }, []*client{kim1, kim2}},
		{"reply to the session", func() { kim1.send(sendFrame("/app/session", "", "hello")) }, []*client{kim1}},
		{"reply to nobody known", func() { anonymous.send(sendFrame("/app/user", "", "hello")) }, []*client{anonymous}},
		{"by name, from a client", func() { lee.send(sendFrame("/user/kim/queue/mine", "", "hello")) }, []*client{kim1, kim2}},
		{"by the sender's own name", func() { kim1.send(sendFrame("/user/kim/queue/mine", "", "hello")) }, []*client{kim1, kim2}},
		{"by the sender's own session id", func() { anonymous.send(sendFrame("/user/"+id+"/queue/mine", "", "hello")) }, []*client{anonymous}},
		{"by session id, from a client", func() { lee.send(sendFrame("/user/"+id+"/queue/mine", "", "hello")) }, []*client{anonymous}},
		{"by name, from the program", func() {
			s.node.Template.SendToUser(t.Context(), "lee", "/queue/mine", "hello")
		}, []*client{lee}},
		{"by session id, from the program", func() {
			s.node.Template.SendToUser(t.Context(), id, "/queue/mine", "hello")
		}, []*client{anonymous}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tc.send()
			for _, c := range tc.want {
				if f := c.wantMessage("own", "hello"); f.header["destination"] != "/user/queue/mine" {
					t.Errorf("destination %q, want none that names the user", f.header["destination"])
				}
			}
			for _, c := range everybody {
				c.sync() // nothing else came
			}
		})
	}
}

// The name of a user may hold what separates destinations.
func TestUserNameIsEscaped(t *testing.T) {
	s := serve(t, setup{stomp: withUsers(), wire: secrets})
	odd, mallory := s.connectAs("a/queue/50%"), s.connectAs("a")
	odd.subscribe("own", "/user/queue/mine")
	mallory.subscribe("own", "/user/queue/mine")
	mallory.subscribe("guess", "/user/queue/50%/queue/mine")
	odd.send(sendFrame("/app/user", "", "one"))
	odd.wantMessage("own", "one")
	if err := s.node.Template.SendToUser(t.Context(), "a/queue/50%", "/queue/mine", "two"); err != nil {
		t.Fatal(err)
	}
	odd.wantMessage("own", "two")
	odd.send(sendFrame("/user/a%2Fqueue%2F50%25/queue/mine", "", "three"))
	odd.wantMessage("own", "three")
	mallory.sync()
}

// Nobody gets what is another's, whatever he subscribes to. A subscription
// either is refused, or stays without a message.
func TestUserQueuesCannotBeGuessed(t *testing.T) {
	s := serve(t, setup{stomp: withUsers(), wire: secrets})
	victim := s.dialAs("kim")
	id := victim.login()
	victim.subscribe("own", "/user/queue/mine")
	for _, dest := range []string{
		"/user/kim/queue/mine", "/user/" + id + "/queue/mine",
		"/user/**", "/user/*/queue/mine", "/user/{name}/queue/mine", "/user/queue/*", "/user/queue/min?",
		"/queue/**", "/queue/mine", "/queue/mine-user" + id, "/queue/mine-user*", "/topic/**", "/queue/kim/mine",
		"/**", "/*/**", "/{prefix}/**", "/u*/**", "//user/queue/mine",
		"/user/../queue", "/user/../queue/mine", "/user/x/../kim/queue/mine", "/queue/../user/kim/queue/mine",
		"/user/%6bim/queue/mine", "/user/kim%2Fqueue%2Fmine", "/user%2Fkim/queue/mine", "/user/kim/queue%2Fmine",
		"/user%2Fqueue%2Fmine", "/user/%2E%2E/kim/queue/mine", "/user/..%2Fkim/queue/mine", "/queue%2Fmine", "/queue/mine-user%2A",
		"/user", "/user/", "/user//queue/mine", "/USER/queue/mine",
	} {
		t.Run(dest, func(t *testing.T) {
			mallory := s.connectAs("mallory")
			mallory.send(subscribeFrame("spy", dest, "sub"))
			got, ok := mallory.next()
			if !ok || got.command != "RECEIPT" && got.command != "ERROR" {
				t.Fatalf("got %v", got)
			}
			if strings.HasPrefix(dest, "/user/") && strings.ContainsAny(dest, "*?{") && got.header["code"] != "denied" {
				t.Errorf("got %v, want patterns of user destinations denied", got)
			}
			victim.send(sendFrame("/app/user", "", "secret"))
			victim.wantMessage("own", "secret")
			victim.send(sendFrame("/app/session", "", "secret"))
			victim.wantMessage("own", "secret")
			victim.send(sendFrame("/user/kim/queue/mine", "", "secret"))
			victim.wantMessage("own", "secret")
			if got.command == "ERROR" {
				mallory.wantClosed()
				return
			}
			mallory.sync()
		})
	}
}

// What is sent to a destination that only looks like another's reaches nobody.
func TestUserQueuesCannotBeReachedByTricks(t *testing.T) {
	s := serve(t, setup{stomp: withUsers(), wire: secrets})
	victim := s.dialAs("kim")
	id := victim.login()
	victim.subscribe("own", "/user/queue/mine")
	for _, dest := range []string{
		"/queue/mine-user" + id, "/queue/mine-user*", "/queue/**", "/queue/" + id + "/mine", "/queue/../user/kim/queue/mine",
		"/user/../queue", "/user/../queue/mine", "/user/..%2Fkim/queue/mine", "/user/%2E%2E/kim/queue/mine",
		"/user%2Fkim/queue/mine", "/user%2Fkim%2Fqueue%2Fmine", "/user/" + id + "%2Fqueue/mine", "/user/" + id[1:] + "/queue/mine",
		"/user/queue/mine", "/user/*/queue/mine", "/user/**", "/user/ki?/queue/mine",
		"/user/x/../kim/queue/mine", "/user/kim/../kim/queue/mine", "/user/kim//queue/mine", "/user//kim/queue/mine",
		"/user/kim/queue%2Fmine", "/user/kim%2Fqueue/mine", "/user/%/queue/mine", "/user/kim%00/queue/mine",
		"/queue/mine", "/topic/user/kim/queue/mine", "/user/Kim/queue/mine",
	} {
		t.Run(dest, func(t *testing.T) {
			mallory := s.connectAs("mallory")
			mallory.send(sendFrame(dest, "r", "junk"))
			if got, ok := mallory.next(); !ok || got.command != "RECEIPT" && got.command != "ERROR" {
				t.Fatalf("got %v", got)
			}
			victim.sync()
		})
	}
}

// A session that names itself like another's id gets nothing of it.
func TestSessionIDsAreNoUserNames(t *testing.T) {
	s := serve(t, setup{stomp: withUsers()})
	victim := s.dial()
	id := victim.login()
	victim.subscribe("own", "/user/queue/mine")
	mallory := s.connectAs(id)
	mallory.subscribe("own", "/user/queue/mine")
	if err := s.node.Template.SendToUser(context.Background(), id, "/queue/mine", "secret"); err != nil {
		t.Fatal(err)
	}
	victim.wantMessage("own", "secret")
	mallory.sync()
}
