package kafka_test

import (
	"context"
	"log/slog"
	"testing"

	"go.uber.org/goleak"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/engines/internal/child"
	"github.com/headrace/headrace/engines/internal/conform"
	"github.com/headrace/headrace/engines/kafka"
	"github.com/headrace/headrace/messagetest"
)

func TestMain(m *testing.M) {
	child.Main()
	goleak.VerifyTestMain(m)
}

// serve runs a cluster of one server.
func serve(t *testing.T) (addrs []string) {
	t.Helper()
	_, addr := child.Kafka(t)
	return []string{addr}
}

func config(t *testing.T, addrs []string) kafka.Config {
	return kafka.Config{Brokers: addrs, Logger: slog.New(slog.NewTextHandler(t.Output(), nil))}
}

// connect makes a backplane until the test ends.
func connect(t *testing.T, c kafka.Config) *kafka.Backplane {
	t.Helper()
	b, err := kafka.New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	return b
}

func TestBackplane(t *testing.T) {
	addrs := serve(t)
	messagetest.Backplane(t, func(t *testing.T) broker.Backplane { return connect(t, config(t, addrs)) })
}

func TestBroker(t *testing.T) {
	addr := serve(t)
	conform.Broker(t, connect(t, config(t, addr)).Features(), func(t *testing.T) conform.Backplane {
		return connect(t, config(t, addr))
	})
}

// TestGroupsOfOneTopic: destinations that share a topic of Kafka have groups of their own.
func TestGroupsOfOneTopic(t *testing.T) {
	b := connect(t, config(t, serve(t)))
	came := make(chan string, 100)
	stop, err := b.Subscribe(t.Context(), "/queue/a", "workers", func(_ context.Context, e broker.Envelope) error {
		came <- e.ID
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	for i, destination := range []string{"/queue/b", "/queue/c", "/queue/d", "/queue/e", "/queue/f", "/queue/a"} {
		if err := b.Publish(t.Context(), destination, broker.Envelope{ID: string(rune('0' + i)), Destination: destination}); err != nil {
			t.Fatal(err)
		}
	}
	if id := <-came; id != "5" || len(came) > 0 {
		t.Errorf("%s came, and %d more", id, len(came))
	}
}
