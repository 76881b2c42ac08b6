package kafka_test

import (
	"log/slog"
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"
	"go.uber.org/goleak"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/engines/kafka"
	"github.com/headrace/headrace/messagetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// serve runs a cluster of one in the process.
func serve(t *testing.T) (addrs []string) {
	t.Helper()
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	return cluster.ListenAddrs()
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
