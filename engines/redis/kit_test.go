package redis_test

import (
	"log/slog"
	"testing"

	"github.com/alicebob/miniredis/v2"
	goredis "github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/engines/redis"
	"github.com/headrace/headrace/messagetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func config(t *testing.T, addr string) redis.Config {
	return redis.Config{Redis: goredis.UniversalOptions{Addrs: []string{addr}}, Logger: slog.New(slog.NewTextHandler(t.Output(), nil))}
}

// connect makes a backplane until the test ends.
func connect(t *testing.T, c redis.Config) *redis.Backplane {
	t.Helper()
	b, err := redis.Streams(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	return b
}

func TestBackplane(t *testing.T) {
	addr := miniredis.RunT(t).Addr()
	messagetest.Backplane(t, func(t *testing.T) broker.Backplane { return connect(t, config(t, addr)) })
}
