package relay_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/messagetest"
	"github.com/headrace/headrace/stompadapter/frame"
	"github.com/headrace/headrace/stompadapter/relay"
)

// join returns a backplane, when its connections are there.
func join(t *testing.T, c relay.Config) *relay.Backplane {
	t.Helper()
	c.VirtualHost = "nodes"
	b := relay.NewBackplane(c)
	t.Cleanup(b.Close)
	there := make(chan bool, 10)
	stop := b.Watch(func(available bool) { there <- available })
	defer stop()
	for !<-there {
	}
	return b
}

// nobodyReachesNodes: a client that says and hears whatever it likes is in another virtual
// host than nodes are, also when it asks for theirs.
func nobodyReachesNodes(t *testing.T, c relay.Config) {
	nodes := join(t, c)
	c.ForwardCredentials = true
	b := start(t, c)
	client := messagetest.Connect(t, b, messagetest.ConnectHeader("host", "nodes"),
		messagetest.ConnectHeader("login", "guest"), messagetest.ConnectHeader("passcode", "guest"))
	got := make(chan string, 10)
	stop, err := nodes.Subscribe(t.Context(), "registry", "", func(_ context.Context, e broker.Envelope) error {
		got <- string(e.Payload)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	for _, destination := range []string{"/exchange/amq.direct/registry", "/topic/registry", "/topic/#"} {
		client.Subscribe(destination)
		if !strings.HasSuffix(destination, "#") {
			client.Send(destination, []byte("\x01x\x01y\x01z\x00forged")) // as a node writes it
		}
	}
	for range 2 { // that it does say and hear something
		client.Next(t)
	}
	if err := nodes.Publish(t.Context(), "registry", broker.Envelope{Payload: []byte("a node")}); err != nil {
		t.Fatal(err)
	}
	if text := <-got; text != "a node" {
		t.Errorf("a node heard %q", text)
	}
	client.Send("/topic/registry", "end")
	for range 2 {
		if m := client.Next(t); strings.Contains(string(m.Payload), "a node") {
			t.Error("a client hears what nodes tell each other")
		}
	}
}

func TestBackplaneNeedsItsOwnPlace(t *testing.T) {
	for _, c := range []relay.Config{{}, {VirtualHost: "nodes", Dialect: relay.ActiveMQ}} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%+v is taken", c)
				}
			}()
			relay.NewBackplane(c).Close()
		}()
	}
}

// A backplane is there while both of its connections are; what is published while one is
// lost is refused, and not sent again over the next one.
func TestBackplaneOverALoss(t *testing.T) {
	bubble(t, relay.Config{}, func(s *site) {
		b := relay.NewBackplane(relay.Config{VirtualHost: "nodes", Dial: s.fake.dial})
		defer b.Close()
		var told []bool
		stop := b.Watch(func(available bool) { told = append(told, available) })
		defer stop()
		pass(0)
		heard := 0
		end, err := b.Subscribe(s.t.Context(), "a", "", func(context.Context, broker.Envelope) error { heard++; return nil })
		if err != nil {
			t.Fatal(err)
		}
		silent := func(p *peer, f frame.Frame) {
			if f.Command != frame.Send {
				p.confirm(f)
			}
		}
		s.fake.set(func(b *fake) { b.answer = silent })
		result := make(chan error, 1)
		go func() { result <- b.Publish(s.t.Context(), "a", broker.Envelope{ID: "1"}) }()
		pass(0)
		s.fake.stop()
		pass(0)
		if err := <-result; message.Public(err).Code != message.CodeUnavailable {
			t.Errorf("published over the loss: %v", err)
		}
		if err := b.Publish(s.t.Context(), "a", broker.Envelope{ID: "2"}); message.Public(err).Code != message.CodeUnavailable {
			t.Errorf("published while it is away: %v", err)
		}
		s.fake.start()
		s.fake.set(func(b *fake) { b.answer = nil })
		pass(30 * time.Second)
		if err := b.Publish(s.t.Context(), "a", broker.Envelope{ID: "3"}); err != nil {
			t.Errorf("published when it is back: %v", err)
		}
		sent, subscribed := 0, 0
		for i := range s.fake.opened() {
			sent += len(s.fake.peer(i).got(frame.Send))
			subscribed += len(s.fake.peer(i).got(frame.Subscribe))
		}
		if sent != 2 || subscribed != 2 {
			t.Errorf("%d were sent, want 2; %d subscriptions made, want 2", sent, subscribed)
		}
		if got := fmt.Sprint(told); got != "[true false true]" {
			t.Errorf("told %s", got)
		}
		end()
		pass(0)
		unsubscribed := 0
		for i := range s.fake.opened() {
			unsubscribed += len(s.fake.peer(i).got(frame.Unsubscribe))
		}
		if unsubscribed != 1 {
			t.Errorf("%d subscriptions ended, want 1", unsubscribed)
		}
	})
}

// Nothing receives any more when Close has returned.
func TestBackplaneCloseWaitsForReceivers(t *testing.T) {
	bubble(t, relay.Config{}, func(s *site) {
		b := relay.NewBackplane(relay.Config{VirtualHost: "nodes", Dial: s.fake.dial})
		pass(0)
		received, release := make(chan struct{}), make(chan struct{})
		_, err := b.Subscribe(s.t.Context(), "a", "", func(context.Context, broker.Envelope) error {
			close(received)
			<-release
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		for i := range s.fake.opened() {
			s.fake.peer(i).say("MESSAGE\nsubscription:system-1\nmessage-id:1\ndestination:/a\ncontent-length:8\n\n\x011\x01o\x01d\x00x\x00")
		}
		<-received
		closed := make(chan struct{})
		go func() { b.Close(); close(closed) }()
		pass(time.Minute)
		select {
		case <-closed:
			t.Error("Close has returned while a message is received")
		default:
		}
		close(release)
		<-closed
		if _, err := b.Subscribe(s.t.Context(), "b", "", nil); message.Public(err).Code != message.CodeUnavailable {
			t.Errorf("subscribed afterwards: %v", err)
		}
	})
}

// That too much waits for the broker says nothing of what is published next.
func TestBackplaneThatIsFull(t *testing.T) {
	bubble(t, relay.Config{}, func(s *site) {
		b := relay.NewBackplane(relay.Config{VirtualHost: "nodes", Dial: s.fake.dial, WindowFrames: 1})
		defer b.Close()
		pass(0)
		s.fake.set(func(f *fake) { f.answer = func(*peer, frame.Frame) {} })
		go func() { _ = b.Publish(s.t.Context(), "a", broker.Envelope{ID: "1"}) }()
		pass(0)
		ctx, cancel := context.WithTimeout(s.t.Context(), time.Second)
		defer cancel()
		for _, ctx := range []context.Context{ctx, s.t.Context()} {
			if err := b.Publish(ctx, "a", broker.Envelope{ID: "2"}); message.Public(err).Code != message.CodeUnavailable {
				t.Errorf("published: %v", err)
			}
		}
	})
}
