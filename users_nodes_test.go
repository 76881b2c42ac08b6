package headrace_test

import (
	"testing"

	"github.com/headrace/headrace"
	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/handler"
	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/message/destination"
	"github.com/headrace/headrace/messagetest"
)

// TestUsersAtTwoNodes: replies, and what the program and clients send to a user, reach the
// sessions that he has at another node; each node shows all, and ends any.
func TestUsersAtTwoNodes(t *testing.T) {
	engine := messagetest.NewBackplane()
	a := serve(t, setup{node: headrace.Config{Backplane: engine, NodeID: "a"}, stomp: withUsers(), wire: secrets})
	b := serve(t, setup{node: headrace.Config{Backplane: engine}, stomp: withUsers(), wire: secrets})
	kimA, kimB, lee := a.connectAs("kim"), b.dialAs("kim"), b.connectAs("lee")
	id := kimB.login()
	for _, c := range []*client{kimA, kimB, lee} {
		c.subscribe("own", "/user/queue/mine")
	}
	eventually(t, "the nodes know each other's sessions", func() bool {
		s, ok := a.node.Users.Subscription(id, "own")
		return ok && s.Session == nil && a.node.Stats().Users.Sessions == 3 && b.node.Stats().Users.Sessions == 3
	})
	if s := a.node.Stats().Users; s.Users != 2 || s.Nodes != 1 {
		t.Errorf("stats %+v", s)
	}
	kimA.send(sendFrame("/app/user", "", "reply"))
	kimA.wantMessage("own", "reply")
	kimB.wantMessage("own", "reply")
	kimA.send(sendFrame("/app/session", "", "to the session"))
	kimA.wantMessage("own", "to the session")
	kimB.sync()
	kimA.send(sendFrame("/user/lee/queue/mine", "r", "from a client"))
	kimA.wantReceipt("r")
	lee.wantMessage("own", "from a client")
	if err := a.node.Template.SendToUser(t.Context(), id, "/queue/mine", "to one"); err != nil {
		t.Fatal(err)
	}
	kimB.wantMessage("own", "to one")
	kimA.sync()
	if !a.node.Users.Close(id, message.Errorf(message.CodeDenied, "you are out")) {
		t.Fatal("the session is not known")
	}
	kimB.wantError("you are out")
	eventually(t, "it is gone", func() bool { return a.node.Stats().Users.Sessions == 2 })
}

// TestUserDestinationsWithDots: with dots as separators a user's destinations are of one
// segment behind the prefix; nothing is made of it for a broker.
func TestUserDestinationsWithDots(t *testing.T) {
	for _, prefixes := range [][]string{{"/topic", "/queue"}, {"topic.", "queue."}} {
		s := serve(t, setup{
			node: headrace.Config{
				Separator:      destination.Dot,
				BrokerPrefixes: prefixes,
				Rules:          []broker.Rule{{Prefix: "/user/queue", Acks: broker.Acks{Prefetch: 1}}},
			},
			stomp: withUsers(),
			wire: func(n *headrace.Node) {
				handler.Handle(n.Router, "user", echo, handler.SendToUser("queue.q1"))
			},
		})
		kim, lee := s.connectAs("kim"), s.connectAs("lee.kim")
		for _, c := range []*client{kim, lee} {
			c.subscribe("own", "/user/queue.q1")
		}
		kim.send(sendFrame("/app/user", "", "reply"))
		kim.send(sendFrame("/user/lee.kim/queue.q1", "", "from a client"))
		if f := kim.wantMessage("own", "reply"); f.header["destination"] != "/user/queue.q1" {
			t.Errorf("destination %q", f.header["destination"])
		}
		lee.wantMessage("own", "from a client")
		for _, dest := range []string{"queue.q1", "/queue.q1"} {
			if err := s.node.Template.SendToUser(t.Context(), "lee.kim", dest, dest); err != nil {
				t.Fatal(err)
			}
			lee.wantMessage("own", dest)
		}
		kim.send("SUBSCRIBE\nid:acked\ndestination:/user/queue.acked\nack:client\nreceipt:s\n\n\x00")
		kim.wantReceipt("s")
		for _, payload := range []string{"one", "two"} {
			if err := s.node.Template.SendToUser(t.Context(), "kim", "queue.acked", payload); err != nil {
				t.Fatal(err)
			}
		}
		kim.wantMessage("acked", "one")
		kim.sync() // the rule holds for it
	}
}

// TestUsersWhoAreAway: what is sent to somebody who is nowhere goes to all nodes, or to none.
func TestUsersWhoAreAway(t *testing.T) {
	for _, off := range []bool{false, true} {
		n := headrace.New(headrace.Config{Backplane: messagetest.NewBackplane(), NoUserBroadcast: off})
		defer n.Close()
		if err := n.Template.SendToUser(t.Context(), "nobody", "/queue/x", "hello"); err != nil {
			t.Fatal(err)
		}
		if s := n.Stats().Users; (s.Broadcast == 1) == off || (s.Unresolved == 1) != off {
			t.Errorf("off %v: stats %+v", off, s)
		}
	}
}
