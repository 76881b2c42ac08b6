package nats_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/engines/nats"
	"github.com/headrace/headrace/message"
)

const topic = "/topic/news"

func publish(t *testing.T, b *nats.Backplane, text string) {
	t.Helper()
	if err := b.Publish(t.Context(), topic, broker.Envelope{ID: text, Origin: "test", Destination: topic}); err != nil {
		t.Fatal(err)
	}
}

// receive counts what comes, until stop is called.
func receive(t *testing.T, b *nats.Backplane, group string) (n *atomic.Int64, stop func()) {
	t.Helper()
	n = new(atomic.Int64)
	stop, err := b.Subscribe(t.Context(), topic, group, func(context.Context, broker.Envelope) error {
		n.Add(1)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return n, stop
}

func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	deadline, tick := time.After(20*time.Second), time.NewTicker(5*time.Millisecond)
	defer tick.Stop()
	for !is() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatal("never: " + what)
		}
	}
}

// admin is a client that looks at the server.
func admin(t *testing.T, url string) (*natsgo.Conn, jetstream.JetStream) {
	t.Helper()
	nc, err := natsgo.Connect(url)
	if err != nil {
		t.Fatal(err)
	}
	closed := make(chan struct{})
	nc.SetClosedHandler(func(*natsgo.Conn) { close(closed) })
	t.Cleanup(func() {
		nc.Close()
		<-closed
	})
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	return nc, js
}

// TestConsumersGo: a subscription leaves nothing at the server, a group what it needs to
// go on.
func TestConsumersGo(t *testing.T) {
	url := serve(t)
	b := connect(t, nats.JetStream, config(t, url))
	_, stop := receive(t, b, "")
	_, stopGroup := receive(t, b, "workers")
	_, js := admin(t, url)
	consumers := func() (names []string) {
		stream, err := js.Stream(t.Context(), "headrace")
		if err != nil {
			t.Fatal(err)
		}
		all := stream.ListConsumers(t.Context())
		for c := range all.Info() {
			names = append(names, c.Name)
			if c.Config.InactiveThreshold <= 0 {
				t.Errorf("%s stays when its node has died", c.Name)
			}
		}
		return names
	}
	if names := consumers(); len(names) != 2 {
		t.Errorf("the consumers are %q", names)
	}
	stop()
	stopGroup()
	eventually(t, "one consumer is left", func() bool { names := consumers(); return len(names) == 1 && strings.HasPrefix(names[0], "group-") })
}

// A stream that is lost is made again, and so is what was made of it.
func TestStreamIsLost(t *testing.T) {
	url := serve(t)
	b := connect(t, nats.JetStream, config(t, url))
	all, stop := receive(t, b, "")
	defer stop()
	group, stopGroup := receive(t, b, "workers")
	defer stopGroup()
	publish(t, b, "1")
	eventually(t, "it came to both", func() bool { return all.Load() == 1 && group.Load() == 1 })
	_, js := admin(t, url)
	if err := js.DeleteStream(t.Context(), "headrace"); err != nil {
		t.Fatal(err)
	}
	publish(t, b, "2")
	eventually(t, "it came to both", func() bool { return all.Load() == 2 && group.Load() == 2 })
}

// What another node publishes to a stream that it made again is read from its beginning, also
// by who finds more there than in the old one.
func TestStreamIsLostAndFullAgain(t *testing.T) {
	url := serve(t)
	b := connect(t, nats.JetStream, config(t, url))
	came, goOn := make(chan string, 8), make(chan struct{})
	stop, err := b.Subscribe(t.Context(), topic, "", func(_ context.Context, e broker.Envelope) error {
		came <- e.ID
		<-goOn
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	publish(t, b, "1")
	<-came
	_, js := admin(t, url)
	if err := js.DeleteStream(t.Context(), "headrace"); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"2", "3", "4"} {
		publish(t, b, text)
	}
	close(goOn)
	for _, want := range []string{"2", "3", "4"} {
		if got := <-came; got != want {
			t.Errorf("%s came, want %s", got, want)
		}
	}
}

// What others publish is no message, and does no harm.
func TestForgedMessages(t *testing.T) {
	for name, make := range engines {
		t.Run(name, func(t *testing.T) {
			url := serve(t)
			b := connect(t, make, config(t, url))
			all, stop := receive(t, b, "")
			defer stop()
			publish(t, b, "1")
			nc, _ := admin(t, url)
			if err := nc.Publish("headrace._topic_news", []byte("\x00\xff")); err != nil {
				t.Fatal(err)
			}
			if err := nc.Flush(); err != nil {
				t.Fatal(err)
			}
			publish(t, b, "2")
			eventually(t, "the others came", func() bool { return all.Load() == 2 && b.Stats().Unreadable == 1 })
		})
	}
}

// A message that the server would not take says so, and the server is not to blame.
func TestTooLarge(t *testing.T) {
	for name, make := range engines {
		t.Run(name, func(t *testing.T) {
			b := connect(t, make, config(t, serve(t)))
			err := b.Publish(t.Context(), topic, broker.Envelope{ID: "1", Destination: topic, Payload: []byte(strings.Repeat("x", 2<<20))})
			if e, ok := errors.AsType[*message.Error](err); !ok || e.Code != message.CodeTooLarge {
				t.Errorf("got %v", err)
			}
			publish(t, b, "2")
		})
	}
}

// Who only publishes makes a lost stream again too.
func TestStreamIsLostToAPublisher(t *testing.T) {
	url := serve(t)
	b := connect(t, nats.JetStream, config(t, url))
	publish(t, b, "1")
	_, js := admin(t, url)
	if err := js.DeleteStream(t.Context(), "headrace"); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := b.Publish(ctx, topic, broker.Envelope{ID: "2", Destination: topic}); err != nil {
		t.Error(err)
	}
}
