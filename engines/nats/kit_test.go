package nats_test

import (
	"log/slog"
	"testing"

	"go.uber.org/goleak"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/engines/internal/child"
	"github.com/headrace/headrace/engines/internal/conform"
	"github.com/headrace/headrace/engines/nats"
	"github.com/headrace/headrace/messagetest"
)

func TestMain(m *testing.M) {
	child.Main()
	goleak.VerifyTestMain(m)
}

// serve runs a server, with JetStream.
func serve(t *testing.T) (url string) {
	t.Helper()
	_, addr := child.NATS(t)
	return "nats://" + addr
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

func TestBroker(t *testing.T) {
	for name, make := range engines {
		t.Run(name, func(t *testing.T) {
			url := serve(t)
			conform.Broker(t, connect(t, make, config(t, url)).Features(), func(t *testing.T) conform.Backplane {
				return connect(t, make, config(t, url))
			})
		})
	}
}
