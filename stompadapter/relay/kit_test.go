package relay_test

import (
	"log/slog"
	"testing"

	"go.uber.org/goleak"

	"github.com/headrace/headrace/stompadapter/relay"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// quiet is a config whose log goes into the test's.
func quiet(t *testing.T, c relay.Config) relay.Config {
	c.Logger = slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug}))
	return c
}
