package nats_test

import (
	"log/slog"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"go.uber.org/goleak"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/engines/nats"
	"github.com/headrace/headrace/messagetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// serve runs a server in the process, with JetStream.
func serve(t *testing.T) (url string) {
	t.Helper()
	s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: -1, NoSigs: true, JetStream: true, StoreDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() {
		s.Shutdown()
		s.WaitForShutdown()
	})
	if !s.ReadyForConnections(10 * time.Second) {
		t.Fatal("the server does not listen")
	}
	return s.ClientURL()
}

func config(t *testing.T, url string) nats.Config {
	return nats.Config{URL: url, Logger: slog.New(slog.NewTextHandler(t.Output(), nil))}
}

// engines are the two ways to use NATS.
var engines = map[string]func(nats.Config) (*nats.Backplane, error){"Core": nats.Core, "JetStream": nats.JetStream}

// connect makes a backplane until the test ends.
func connect(t *testing.T, make func(nats.Config) (*nats.Backplane, error), c nats.Config) *nats.Backplane {
	t.Helper()
	b, err := make(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	return b
}

func TestBackplane(t *testing.T) {
	for name, make := range engines {
		t.Run(name, func(t *testing.T) {
			url := serve(t)
			messagetest.Backplane(t, func(t *testing.T) broker.Backplane { return connect(t, make, config(t, url)) })
		})
	}
}
