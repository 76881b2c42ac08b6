package redis

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"time"

	"github.com/ThreeDotsLabs/watermill"
	goredis "github.com/redis/go-redis/v9"

	"github.com/headrace/headrace/engines/internal/pubsub"
)

// forgotten is after which time without a sign a consumer that has nothing is removed.
const forgotten = 10 * time.Minute

// member is one consumer of a group.
type member struct {
	*engine
	key, group, name string
	looked, swept    time.Time    // for what others left, and for others that are gone
	claimed          string       // where the last look ended
	connection       atomic.Int64 // the id of the one that reads, 0 before it was asked for
}

// group takes part in a group of a stream, which is made where there is none.
func (e *engine) group(ctx context.Context, key, group string) (func(*pubsub.Out), error) {
	m := &member{engine: e, key: key, group: group, name: watermill.NewUUID(), swept: time.Now(), claimed: beginning}
	if _, err := m.make(ctx); err != nil {
		return nil, err
	}
	return m.run, nil
}

// make makes the group, and reports whether there was none. It begins with what the
// stream has: nobody has had that.
func (m *member) make(ctx context.Context) (made bool, err error) {
	err = m.client.XGroupCreateMkStream(ctx, m.key, m.group, beginning).Err()
	if err != nil && strings.HasPrefix(err.Error(), "BUSYGROUP") {
		return false, nil
	}
	return err == nil, err
}

func (m *member) run(out *pubsub.Out) {
	client := m.reader()
	late, over := out.Late()
	defer over()
	defer closeWith(late, client)()
	stop := context.AfterFunc(out.Context(), m.unblock)
	defer stop()
	defer m.giveBack(out)
	for {
		room := out.Reserve()
		if room == 0 {
			return
		}
		entries, err := m.left(out.Context(), room)
		if err == nil && len(entries) == 0 {
			entries, err = m.read(out.Context(), client, room)
		}
		switch {
		case out.Context().Err() != nil && err != nil:
			return
		case err != nil:
			m.failed(out.Context(), err)
		}
		for _, entry := range entries {
			out.Give(fromValues(entry.Values), m.held(entry.ID))
		}
	}
}

// read waits for entries that nobody had. It is not given up when the subscription ends:
// the server would give it an entry that nobody sees.
func (m *member) read(ctx context.Context, client goredis.UniversalClient, room int) (entries []goredis.XMessage, err error) {
	ctx = context.WithoutCancel(ctx)
	if m.connection.Load() == 0 {
		id, err := client.ClientID(ctx).Result()
		if err != nil {
			id = -1 // nobody's
		}
		m.connection.Store(id)
	}
	streams, err := client.XReadGroup(ctx, &goredis.XReadGroupArgs{
		Group: m.group, Consumer: m.name, Streams: []string{m.key, ">"}, Count: int64(min(room, batch)), Block: round,
	}).Result()
	if errors.Is(err, goredis.Nil) {
		err = nil
	}
	for _, s := range streams {
		entries = append(entries, s.Messages...)
	}
	return entries, err
}

// unblock ends a read that waits.
func (m *member) unblock() {
	ctx, cancel := context.WithTimeout(context.Background(), round)
	defer cancel()
	_ = m.client.ClientUnblock(ctx, m.connection.Load()) // or it ends by itself, in a round
}

// left takes over what was refused, and what consumers have that are not heard of. It
// looks once in a round, and removes consumers that are gone. The server looks at ten times
// as many entries as there is room for: the next look goes on behind them.
func (m *member) left(ctx context.Context, room int) ([]goredis.XMessage, error) {
	now := time.Now()
	if now.Sub(m.looked) < round {
		return nil, nil
	}
	m.looked = now
	if now.Sub(m.swept) > forgotten {
		m.swept = now
		m.sweep(ctx)
	}
	entries, next, err := m.client.XAutoClaim(ctx, &goredis.XAutoClaimArgs{
		Stream: m.key, Group: m.group, Consumer: m.name, MinIdle: m.config.AckWait, Start: m.claimed, Count: int64(min(room, batch)),
	}).Result()
	if err == nil {
		m.claimed = next
	}
	return entries, err
}

// sweep removes consumers that have nothing and are gone.
func (m *member) sweep(ctx context.Context) {
	consumers, err := m.client.XInfoConsumers(ctx, m.key, m.group).Result()
	if err != nil {
		return // there is a next time
	}
	for _, c := range consumers {
		if c.Pending == 0 && c.Idle > forgotten {
			_ = m.client.XGroupDelConsumer(ctx, m.key, m.group, c.Name) // there is a next time
		}
	}
}

// failed waits for the server, and makes a group that it lost.
func (m *member) failed(ctx context.Context, err error) {
	m.connection.Store(0)
	if !strings.HasPrefix(err.Error(), "NOGROUP") && !strings.HasPrefix(err.Error(), "UNBLOCKED") {
		m.config.logger().Warn("redis: group could not be read", "key", m.key, "group", m.group, "error", err)
		rest(ctx)
		return
	}
	made, err := m.make(ctx)
	switch {
	case err != nil:
		rest(ctx)
	case made:
		m.config.logger().Error("redis: the group was lost with its stream: messages may be missing", "key", m.key, "group", m.group)
	}
}

func (m *member) held(id string) pubsub.Held {
	return pubsub.Held{
		Ack:    func(ctx context.Context) error { return m.client.XAck(ctx, m.key, m.group, id).Err() },
		Nack:   func(ctx context.Context) error { return m.idle(ctx, m.config.AckWait+round, id) },
		Keep:   func(ctx context.Context) error { return m.idle(ctx, 0, id) },
		Every:  max(m.config.AckWait/3, time.Millisecond),
		AtOnce: true,
	}
}

// idle says for how long nobody was heard of entries that we have. After AckWait they
// are whose who looks first.
func (m *member) idle(ctx context.Context, since time.Duration, ids ...string) error {
	args := []any{"XCLAIM", m.key, m.group, m.name, 0}
	for _, id := range ids {
		args = append(args, id)
	}
	return m.client.Do(ctx, append(args, "IDLE", since.Milliseconds(), "JUSTID")...).Err()
}

// giveBack leaves to others what the server gave us and is not settled, what we did not
// see with it.
func (m *member) giveBack(out *pubsub.Out) {
	out.Settled()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(out.Context()), time.Second)
	defer cancel()
	for next := "-"; ; {
		pending, err := m.client.XPendingExt(ctx, &goredis.XPendingExtArgs{
			Stream: m.key, Group: m.group, Start: next, End: "+", Count: batch, Consumer: m.name,
		}).Result()
		if err != nil || len(pending) == 0 {
			return // after AckWait they are left too
		}
		var ids []string
		for _, p := range pending {
			ids = append(ids, p.ID)
		}
		_ = m.idle(ctx, m.config.AckWait+round, ids...) // or after AckWait
		next = "(" + ids[len(ids)-1]
	}
}
