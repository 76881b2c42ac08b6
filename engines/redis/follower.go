package redis

import (
	"context"
	"errors"
	"strconv"
	"strings"

	goredis "github.com/redis/go-redis/v9"

	"github.com/headrace/headrace/engines/internal/pubsub"
)

// beginning is before the first entry of every stream.
const beginning = "0-0"

// follower reads a stream from one place to the next.
type follower struct {
	*engine
	key  string
	last string // the id of what came last
}

// all follows what is added from now on.
func (e *engine) all(ctx context.Context, key string) (func(*pubsub.Out), error) {
	last, err := e.end(ctx, key)
	if err != nil {
		return nil, err
	}
	return (&follower{engine: e, key: key, last: last}).run, nil
}

// end is the id of a stream's last entry.
func (e *engine) end(ctx context.Context, key string) (string, error) {
	entries, err := e.client.XRevRangeN(ctx, key, "+", "-", 1).Result()
	if err != nil || len(entries) == 0 {
		return beginning, err
	}
	return entries[0].ID, nil
}

func (f *follower) run(out *pubsub.Out) {
	client := f.reader()
	defer closeWith(out, client)()
	for out.Context().Err() == nil {
		streams, err := client.XRead(out.Context(), &goredis.XReadArgs{Streams: []string{f.key, f.last}, Count: batch, Block: round}).Result()
		switch {
		case out.Context().Err() != nil:
			return
		case errors.Is(err, goredis.Nil): // nothing came
		case err != nil:
			f.config.logger().Warn("redis: stream could not be read", "key", f.key, "error", err)
			f.recover(out.Context())
		default:
			for _, s := range streams {
				for _, entry := range s.Messages {
					if !out.One(fromValues(entry.Values)) {
						return
					}
					f.last = entry.ID
				}
			}
		}
	}
}

// recover waits for the server. One that lost the stream has a new one, which is read
// from its beginning.
func (f *follower) recover(ctx context.Context) {
	for ctx.Err() == nil {
		rest(ctx)
		end, err := f.end(ctx, f.key)
		if err != nil {
			continue
		}
		if before(end, f.last) {
			f.config.logger().Error("redis: the stream was lost: messages may be missing", "key", f.key)
			f.last = beginning
		}
		return
	}
}

// before compares ids, which are two numbers each.
func before(a, b string) bool {
	a1, a2 := numbers(a)
	b1, b2 := numbers(b)
	return a1 < b1 || a1 == b1 && a2 < b2
}

func numbers(id string) (time, n uint64) {
	first, second, _ := strings.Cut(id, "-")
	time, _ = strconv.ParseUint(first, 10, 64)
	n, _ = strconv.ParseUint(second, 10, 64)
	return time, n
}
