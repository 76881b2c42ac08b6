package kafka_test

import (
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
