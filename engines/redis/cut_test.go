package redis_test

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	goredis "github.com/redis/go-redis/v9"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/engines/redis"
	"github.com/headrace/headrace/internal/proc"
)

// Whoever is so far behind that messages are cut off the stream before he reads them is told how
// many they were, once each time. Whoever keeps up is told nothing.
func TestCutOffUnread(t *testing.T) {
	const n = 2000
	c := config(t, proc.StartRedis(t).Addr)
	c.MaxLen = 100
	b, quiet := logs(t, c)
	publish(t, b, "before anybody came")
	keepsUp := receive(t, b, "")
	hangs, told := logs(t, c)
	came, gate := receiveAt(t, hangs)
	for round := range int64(2) {
		gate.Lock()
		before := came.Load()
		for i := range int64(n) {
			publish(t, b, fmt.Sprint(round, i))
			if i%50 == 49 {
				eventually(t, "they came", func() bool { return keepsUp.Load() == round*n+i+1 })
			}
		}
		gate.Unlock()
		eventually(t, "it is told", func() bool { return len(told) > 0 })
		text := <-told
		eventually(t, "those that are told did not come, and all others did: "+text, func() bool {
			return strings.Contains(text, fmt.Sprintf("missed=%d\n", n-(came.Load()-before)))
		})
		for _, part := range []string{"level=ERROR", "were cut off the stream before they were read", "key=headrace:_queue_work"} {
			if !strings.Contains(text, part) {
				t.Errorf("%q does not have %q", text, part)
			}
		}
	}
	counted(t, c)
	silent(t, told)
	silent(t, quiet)
}

// It is told also where something always comes.
func TestCutOffWhileMoreComes(t *testing.T) {
	c := config(t, proc.StartRedis(t).Addr)
	c.MaxLen = 100
	b, told := logs(t, c)
	_, gate := receiveAt(t, b)
	gate.Lock()
	for i := range 500 {
		publish(t, b, fmt.Sprint(i))
	}
	gate.Unlock()
	eventually(t, "it is told", func() bool {
		publish(t, b, "more")
		return len(told) > 0
	})
}

// What others delete from a stream was not cut off it.
func TestDeletedUnread(t *testing.T) {
	c := config(t, proc.StartRedis(t).Addr)
	b, told := logs(t, c)
	came, gate := receiveAt(t, b)
	gate.Lock()
	publish(t, b, "first")
	eventually(t, "it came", func() bool { return came.Load() == 1 })
	for i := range 9 {
		publish(t, b, fmt.Sprint(i))
	}
	client := goredis.NewUniversalClient(&c.Redis)
	defer client.Close()
	const key = "headrace:_queue_work"
	entries, err := client.XRange(t.Context(), key, "-", "+").Result()
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries[1:9] {
		client.XDel(t.Context(), key, entry.ID)
	}
	gate.Unlock()
	eventually(t, "the last one came", func() bool { return came.Load() == 2 })
	counted(t, c)
	silent(t, told)
}

// logs makes a backplane with a log of its own.
func logs(t *testing.T, c redis.Config) (*redis.Backplane, logged) {
	t.Helper()
	told := make(logged, 16)
	c.Logger = slog.New(slog.NewTextHandler(told, nil))
	return connect(t, c), told
}

// receiveAt counts what comes, and hangs while the gate is locked.
func receiveAt(t *testing.T, b *redis.Backplane) (*atomic.Int64, *sync.Mutex) {
	t.Helper()
	var n atomic.Int64
	var gate sync.Mutex
	stop, err := b.Subscribe(t.Context(), queue, "", func(context.Context, broker.Envelope) error {
		n.Add(1)
		gate.Lock()
		defer gate.Unlock()
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	return &n, &gate
}

// counted waits until all have looked at what the stream counts.
func counted(t *testing.T, c redis.Config) {
	t.Helper()
	client := goredis.NewUniversalClient(&c.Redis)
	defer client.Close()
	client.ConfigResetStat(t.Context())
	eventually(t, "it is counted", func() bool {
		var calls int
		_, text, _ := strings.Cut(client.Info(t.Context(), "commandstats").Val(), "cmdstat_xinfo|stream:calls=")
		_, _ = fmt.Sscan(strings.ReplaceAll(text, ",", " "), &calls)
		return calls >= 3
	})
}

func silent(t *testing.T, l logged) {
	t.Helper()
	select {
	case text := <-l:
		t.Error("told: " + text)
	default:
	}
}
