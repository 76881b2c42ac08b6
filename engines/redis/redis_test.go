package redis_test

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	goredis "github.com/redis/go-redis/v9"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/engines/redis"
	"github.com/headrace/headrace/internal/proc"
)

const queue = "/queue/work"

func publish(t *testing.T, b *redis.Backplane, text string) {
	t.Helper()
	if err := b.Publish(t.Context(), queue, broker.Envelope{ID: text, Origin: "test", Destination: queue}); err != nil {
		t.Fatal(err)
	}
}

// receive counts what comes.
func receive(t *testing.T, b *redis.Backplane, group string) *atomic.Int64 {
	t.Helper()
	var n atomic.Int64
	stop, err := b.Subscribe(t.Context(), queue, group, func(context.Context, broker.Envelope) error {
		n.Add(1)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	return &n
}

func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	deadline, tick := time.After(20*time.Second), time.NewTicker(5*time.Millisecond)
	defer tick.Stop()
	for !is() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatal("never: " + what)
		}
	}
}

func keyOf(t *testing.T, m *miniredis.Miniredis) string {
	t.Helper()
	keys := m.Keys()
	if len(keys) != 1 || !strings.HasPrefix(keys[0], "headrace:") {
		t.Fatalf("the keys are %q", keys)
	}
	return keys[0]
}

// A server that lost its streams has lost the groups too: they are made again, and
// subscriptions without a group read what is new.
func TestStreamIsLost(t *testing.T) {
	m := miniredis.RunT(t)
	b := connect(t, config(t, m.Addr()))
	group, all := receive(t, b, "workers"), receive(t, b, "")
	publish(t, b, "1")
	eventually(t, "it came to both", func() bool { return group.Load() == 1 && all.Load() == 1 })
	m.SetTime(time.Now().Add(time.Second)) // or the id of the second may be that of the first
	m.FlushAll()
	publish(t, b, "2")
	eventually(t, "it came to the group", func() bool { return group.Load() == 2 })
	eventually(t, "it came to the other", func() bool { return all.Load() == 2 })
}

// The ids of a new stream may be those of a clock that is behind, whether the connection
// was lost with the old one or not.
func TestStreamIsLostAndTimeGoesBack(t *testing.T) {
	past := time.Now().Add(-time.Hour)
	for name, lose := range map[string]func(*testing.T, *miniredis.Miniredis){
		"another server": func(t *testing.T, m *miniredis.Miniredis) {
			addr := m.Addr()
			m.Close()
			other := miniredis.NewMiniRedis() // the old one answers no reads that wait any more
			other.SetTime(past)
			if err := other.StartAddr(addr); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(other.Close)
		},
		"flushed": func(_ *testing.T, m *miniredis.Miniredis) {
			m.SetTime(past)
			m.FlushAll()
		},
	} {
		t.Run(name, func(t *testing.T) {
			m := miniredis.RunT(t)
			b := connect(t, config(t, m.Addr()))
			all, group := receive(t, b, ""), receive(t, b, "workers")
			publish(t, b, "1")
			eventually(t, "it came", func() bool { return all.Load() == 1 && group.Load() == 1 })
			lose(t, m)
			publish(t, b, "2")
			publish(t, b, "3")
			eventually(t, "they came to all", func() bool { return all.Load() == 3 })
			eventually(t, "they came to the group", func() bool { return group.Load() == 3 })
		})
	}
}

// logged has the lines of a log.
type logged chan string

func (l logged) Write(line []byte) (int, error) {
	l <- string(line)
	return len(line), nil
}

// A replica that takes over may not have the last messages: those before do not come again.
func TestReplicaIsBehind(t *testing.T) {
	c := config(t, proc.StartRedis(t).Addr)
	told := make(logged, 16)
	c.Logger = slog.New(slog.NewTextHandler(told, nil))
	b := connect(t, c)
	var missed atomic.Int64
	t.Cleanup(b.WatchMisses(func(string) { missed.Add(1) }))
	all := receive(t, b, "")
	client := goredis.NewUniversalClient(&c.Redis)
	defer client.Close()
	for i := range 15 {
		publish(t, b, fmt.Sprint(i))
	}
	keys, err := client.Keys(t.Context(), "*").Result()
	if err != nil || len(keys) != 1 {
		t.Fatal(keys, err)
	}
	replica, err := client.Dump(t.Context(), keys[0]).Result()
	if err != nil {
		t.Fatal(err)
	}
	for i := range 5 {
		publish(t, b, fmt.Sprint(15+i))
	}
	eventually(t, "they came", func() bool { return all.Load() == 20 })
	if err := client.RestoreReplace(t.Context(), keys[0], time.Hour, replica).Err(); err != nil {
		t.Fatal(err)
	}
	if text := <-told; !strings.Contains(text, "does not have what came last") {
		t.Error(text)
	}
	publish(t, b, "20")
	eventually(t, "what is new came", func() bool { return all.Load() == 21 })
	if n := b.Stats().Duplicates; n != 0 || missed.Load() != 1 {
		t.Errorf("%d came again, and %d times it is told that something may be missing", n, missed.Load())
	}
}

// Streams do not grow for ever, and are forgotten.
func TestStreamIsBounded(t *testing.T) {
	m := miniredis.RunT(t)
	c := config(t, m.Addr())
	c.MaxLen, c.MaxAge = 10, time.Hour
	b := connect(t, c)
	for i := range 50 {
		publish(t, b, fmt.Sprint(i))
	}
	key := keyOf(t, m)
	if entries, err := m.Stream(key); err != nil || len(entries) > 20 {
		t.Errorf("%d entries, %v, want about 10", len(entries), err)
	}
	if ttl := m.TTL(key); ttl <= 0 || ttl > time.Hour {
		t.Errorf("it is forgotten in %v", ttl)
	}
}

// What others write to a stream is no message, and does no harm.
func TestForgedEntries(t *testing.T) {
	m := miniredis.RunT(t)
	b := connect(t, config(t, m.Addr()))
	group, all := receive(t, b, "workers"), receive(t, b, "")
	publish(t, b, "1")
	client := goredis.NewClient(&goredis.Options{Addr: m.Addr()})
	defer client.Close()
	if err := client.XAdd(t.Context(), &goredis.XAddArgs{Stream: keyOf(t, m), Values: []string{"\x00", "\r\n", "m:hr-header", "%zz"}}).Err(); err != nil {
		t.Fatal(err)
	}
	publish(t, b, "2")
	eventually(t, "the others came", func() bool { return group.Load() == 2 && all.Load() == 2 })
	eventually(t, "both are counted", func() bool { return b.Stats().Unreadable == 2 })
}
