package headrace_test

import (
	"context"
	"log/slog"
	"strconv"
	"sync"
	"testing"

	"github.com/headrace/headrace"
	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/internal/proc"
	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/messagetest"
	"github.com/headrace/headrace/stompadapter/relay"
)

// TestSnapshotAndStreamOverARelay: what a snapshot lacks comes behind it without a gap also
// when the stream is RabbitMQ's. What the snapshot has already may come again: it may be on
// its way from the broker.
func TestSnapshotAndStreamOverARelay(t *testing.T) {
	const clients, changes = 50, 30
	rabbit := proc.StartRabbitMQ(t)
	node := headrace.New(headrace.Config{Relays: []headrace.Relay{{
		Prefixes: []string{"/topic", "/queue"},
		New: func(outbound message.RawHandler, events message.Handler[broker.Event]) broker.Broker {
			return relay.New(outbound, relay.Config{
				Address: rabbit.STOMP, Logger: slog.New(slog.DiscardHandler), Events: events,
				Heartbeat: relay.HeartbeatConfig{Send: -1}, // RabbitMQ 3.10 cuts those that it slows down
			})
		},
	}}})
	defer node.Close()
	var c counter
	c.wire(node)
	c.send = func(now int) error { // and wait until the broker has it
		told := make(chan error, 1)
		m := message.Raw{Destination: "/topic/count", Payload: []byte(strconv.Itoa(now)), Header: message.NewHeader(message.Field{Name: message.HeaderContentType, Value: "application/json"})}
		m.Done = message.NewCompletion(message.Stored, func(err error) { told <- err })
		m.Done.Release(node.BrokerChannel.Handle(context.Background(), m))
		return <-told
	}
	stop := make(chan struct{})
	var publisher sync.WaitGroup
	defer publisher.Wait()
	defer close(stop)
	publisher.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				c.increment(t)
			}
		}
	})
	subscribed := make(chan subscriber, clients)
	for range clients {
		client := messagetest.Connect(t, node)
		go func() { subscribed <- subscribe(client) }()
	}
	for range clients {
		s := <-subscribed
		if s.err != nil {
			t.Fatal(s.err)
		}
		first := messagetest.Payload[int](t, s.Next(t))
		for want := first + 1; want <= first+changes; {
			switch n := messagetest.Payload[int](t, s.Next(t)); {
			case n == want:
				want++
			case n > first || want > first+1:
				t.Fatalf("%d came, want %d behind the snapshot %d", n, want, first)
			}
		}
		s.Disconnect()
	}
}

// TestUsersOverARelay: nodes that have RabbitMQ for the destinations of users reach those of
// each other, when relay.Config.Sessions asks who is where, which RabbitMQ tells them too, by a Backplane.
func TestUsersOverARelay(t *testing.T) {
	rabbit := proc.StartRabbitMQ(t)
	rabbit.AddVirtualHost("nodes")
	nodes := make([]*headrace.Node, 2)
	for i := range nodes {
		backplane := relay.NewBackplane(relay.Config{Address: rabbit.STOMP, VirtualHost: "nodes", Logger: slog.New(slog.DiscardHandler)})
		t.Cleanup(backplane.Close)
		nodes[i] = headrace.New(headrace.Config{Backplane: backplane, Relays: []headrace.Relay{{
			Prefixes: []string{"/topic", "/queue", "/user"},
			New: func(outbound message.RawHandler, events message.Handler[broker.Event]) broker.Broker {
				return relay.New(outbound, relay.Config{
					Address: rabbit.STOMP, Logger: slog.New(slog.DiscardHandler), Events: events,
					Sessions: func(name string) []string { return nodes[i].Users.SessionsOf(name) },
				})
			},
		}}})
		t.Cleanup(nodes[i].Close)
	}
	here, there := messagetest.Connect(t, nodes[0], messagetest.User("ada")), messagetest.Connect(t, nodes[1], messagetest.User("ada"))
	bob := messagetest.Connect(t, nodes[1], messagetest.User("bob"))
	mallory := messagetest.Connect(t, nodes[0], messagetest.User(there.Session().ID()))
	for _, c := range []*messagetest.Client{here, there, bob, mallory} {
		c.Subscribe("/user/queue/a")
		c.Subscribe("/topic/all")
	}
	eventually(t, "both nodes know both sessions", func() bool {
		a, _ := nodes[0].Users.User("ada")
		b, _ := nodes[1].Users.User("ada")
		return len(a.Sessions) == 2 && len(b.Sessions) == 2
	})
	for i, n := range nodes {
		text := strconv.Itoa(i)
		if err := n.Template.SendToUser(t.Context(), "ada", "/queue/a", text); err != nil {
			t.Fatal(err)
		}
		for _, c := range []*messagetest.Client{here, there} {
			if m := c.Next(t); string(m.Payload) != text || m.Destination != "/user/queue/a" {
				t.Errorf("from node %d came %+v", i, m)
			}
		}
	}
	if err := nodes[0].Template.SendToUser(t.Context(), there.Session().ID(), "/queue/a", "own"); err != nil {
		t.Fatal(err)
	}
	if m := there.Next(t); string(m.Payload) != "own" {
		t.Errorf("to the session came %+v", m)
	}
	if err := nodes[0].Template.Send(t.Context(), "/topic/all", "end"); err != nil {
		t.Fatal(err)
	}
	for _, c := range []*messagetest.Client{here, there, bob, mallory} { // and nothing came besides
		if m := c.Next(t); string(m.Payload) != "end" {
			t.Errorf("got %+v", m)
		}
	}
}
