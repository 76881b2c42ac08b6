package nats_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/engines/nats"
	"github.com/headrace/headrace/message"
)

// guarded runs a server that allows its only user what p says.
func guarded(t *testing.T, p *server.Permissions) (s *server.Server, url string) {
	t.Helper()
	s, err := server.NewServer(guard(p))
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	if !s.ReadyForConnections(10 * time.Second) {
		t.Fatal("the server does not start")
	}
	return s, "nats://node:secret@" + s.Addr().String()
}

func guard(p *server.Permissions) *server.Options {
	return &server.Options{Host: "127.0.0.1", Port: -1, NoSigs: true, Users: []*server.User{{Username: "node", Password: "secret", Permissions: p}}}
}

// What the server does not allow to us is nobody's message and no subscription: it is said
// to who asks, each time, and the rest goes on.
func TestDenied(t *testing.T) {
	s, url := guarded(t, &server.Permissions{
		Publish:   &server.SubjectPermission{Deny: []string{"headrace._topic_sent"}},
		Subscribe: &server.SubjectPermission{Deny: []string{"headrace._topic_read"}},
	})
	b := connect(t, nats.Core, config(t, url))
	send := func() error {
		return b.Publish(t.Context(), "/topic/sent", broker.Envelope{Destination: "/topic/sent"})
	}
	denied := func(err error) {
		t.Helper()
		if e, ok := errors.AsType[*message.Error](err); !ok || e.Code != message.CodeDenied {
			t.Errorf("got %v", err)
		}
	}
	n, stop := receive(t, b, "")
	defer stop()
	for range 2 {
		for _, group := range []string{"", "workers"} {
			_, err := b.Subscribe(t.Context(), "/topic/read", group, func(context.Context, broker.Envelope) error { return nil })
			denied(err)
		}
		denied(send())
		publish(t, b, "allowed")
	}
	eventually(t, "what is allowed came", func() bool { return n.Load() == 1 }) // the second has the id of the first
	if err := s.ReloadOptions(guard(nil)); err != nil {
		t.Fatal(err)
	}
	if err := send(); err != nil {
		t.Errorf("what is allowed by now: %v", err)
	}
}

// Who may only send to a topic, or only subscribe to it, is told nothing of what others ask.
func TestDeniedIsOneOfTwo(t *testing.T) {
	const each = 200
	_, url := guarded(t, &server.Permissions{
		Publish:   &server.SubjectPermission{Deny: []string{"headrace._topic_read"}},
		Subscribe: &server.SubjectPermission{Deny: []string{"headrace._topic_sent"}},
	})
	b := connect(t, nats.Core, config(t, url))
	for _, topic := range []string{"/topic/sent", "/topic/read"} {
		var both sync.WaitGroup
		both.Go(func() {
			for range each {
				if err := b.Publish(t.Context(), topic, broker.Envelope{Destination: topic}); (err == nil) != (topic == "/topic/sent") {
					t.Errorf("%s: published: %v", topic, err)
				}
			}
		})
		both.Go(func() {
			for range each {
				stop, err := b.Subscribe(t.Context(), topic, "", func(context.Context, broker.Envelope) error { return nil })
				if (err == nil) != (topic == "/topic/read") {
					t.Errorf("%s: subscribed: %v", topic, err)
				}
				if err == nil {
					stop()
				}
			}
		})
		both.Wait()
	}
}

// A stream that somebody else made may take less than the server does.
func TestTooLargeForTheStream(t *testing.T) {
	url := serve(t)
	_, js := admin(t, url)
	if _, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "headrace", Subjects: []string{"headrace.>"}, MaxMsgSize: 1000}); err != nil {
		t.Fatal(err)
	}
	b := connect(t, nats.JetStream, config(t, url))
	err := b.Publish(t.Context(), topic, broker.Envelope{ID: "1", Destination: topic, Payload: []byte(strings.Repeat("x", 2000))})
	if e, ok := errors.AsType[*message.Error](err); !ok || e.Code != message.CodeTooLarge {
		t.Errorf("got %v", err)
	}
	publish(t, b, "2")
}
