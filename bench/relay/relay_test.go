// Package relay_test compares what goes to RabbitMQ through a relay with the same load by
// a STOMP client that speaks to it directly.
package relay_test

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/headrace/headrace/internal/pairs"
	"github.com/headrace/headrace/internal/proc"
	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/stompadapter/client"
	"github.com/headrace/headrace/stompadapter/relay"
)

const messages, senders = 4000, 64

// BenchmarkRelayRatio sends persistent messages of 256 bytes, each confirmed by the broker:
// the application's by the relay and by the client, from 64 goroutines, and those of one
// session.
func BenchmarkRelayRatio(b *testing.B) {
	rabbit := proc.StartRabbitMQ(b)
	log := slog.New(slog.DiscardHandler)
	direct, err := client.Dial(b.Context(), client.Config{
		URL: "tcp://" + rabbit.STOMP, Login: "guest", Passcode: "guest", Host: "/", Logger: log,
		Heartbeat: client.HeartbeatConfig{Send: -1, Receive: -1}, // RabbitMQ 3.10 cuts those that it slows down
	})
	if err != nil {
		b.Fatal(err)
	}
	defer direct.Close(context.Background())
	r := relay.New(message.HandlerFunc[[]byte](func(ctx context.Context, m message.Raw) error { return m.Session.Deliver(ctx, m) }), relay.Config{
		Address: rabbit.STOMP, Logger: log, Heartbeat: relay.HeartbeatConfig{Send: -1, Receive: -1},
	})
	defer r.Close()
	session := message.NewSession(discard{}, message.SessionInfo{})
	if err := do(r, message.Raw{Kind: message.KindConnect, Session: session}); err != nil {
		b.Fatal(err)
	}
	payload := make([]byte, 256)
	byClient := func(destination string) {
		load(b, func() error {
			return direct.SendReceipt(b.Context(), destination, payload, message.Field{Name: "persistent", Value: "true"})
		})
	}
	byRelay := func(destination string, s *message.Session) {
		load(b, func() error { return do(r, message.Raw{Destination: destination, Session: s, Payload: payload}) })
	}
	for _, destination := range []string{"/topic/bench", "/queue/bench"} {
		for _, tt := range []struct {
			name    string
			session *message.Session
		}{{"the application", nil}, {"a session", session}} {
			b.Run(fmt.Sprintf("%s of %s", destination[1:6], tt.name), func(b *testing.B) {
				for b.Loop() {
					b.Log(pairs.Compare("relay / client", 7, messages,
						func() { byRelay(destination, tt.session) }, func() { byClient(destination) }))
				}
			})
		}
	}
}

// load sends all messages from all senders.
func load(b *testing.B, send func() error) {
	var all sync.WaitGroup
	for range senders {
		all.Go(func() {
			for range messages / senders {
				if err := send(); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
}

// do hands m over and waits until the broker has it.
func do(r *relay.Broker, m message.Raw) error {
	told := make(chan error, 1)
	m.Done = message.NewCompletion(message.Stored, func(err error) { told <- err })
	m.Done.Release(r.Handle(context.Background(), m))
	select {
	case err := <-told:
		return err
	case <-time.After(time.Minute):
		return context.DeadlineExceeded
	}
}

// discard is a client that takes everything.
type discard struct{}

func (discard) Deliver(context.Context, message.Raw) error { return nil }
func (discard) Close(error)                                {}
