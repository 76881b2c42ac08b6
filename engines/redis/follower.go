package redis

import (
	"context"
	"errors"
	"slices"
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
	key   string
	known []string // the ids of what came last, the newest behind
}

// maxKnown is how far a server may be behind another one whose place it takes, in
// messages, without what came before coming again.
const maxKnown = 256

// all follows what is added from now on.
func (e *engine) all(ctx context.Context, key string) (func(*pubsub.Out), error) {
	last, err := e.end(ctx, key)
	if err != nil {
		return nil, err
	}
	return (&follower{engine: e, key: key, known: []string{last}}).run, nil
}

func (f *follower) last() string { return f.known[len(f.known)-1] }

func (f *follower) came(id string) {
	if len(f.known) >= 2*maxKnown {
		f.known = slices.Delete(f.known, 0, maxKnown)
	}
	f.known = append(f.known, id)
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
	defer closeWith(out.Context(), client)()
	for out.Context().Err() == nil {
		streams, err := client.XRead(out.Context(), &goredis.XReadArgs{Streams: []string{f.key, f.last()}, Count: batch, Block: round}).Result()
		switch {
		case out.Context().Err() != nil:
			return
		case errors.Is(err, goredis.Nil): // nothing came, perhaps because of where it is waited for
			_ = f.locate(out.Context()) // there is a next time
		case err != nil:
			f.config.logger().Warn("redis: stream could not be read", "key", f.key, "error", err)
			f.recover(out.Context())
		default:
			for _, s := range streams {
				for _, entry := range s.Messages {
					if !out.One(fromValues(entry.Values)) {
						return
					}
					f.came(entry.ID)
				}
			}
		}
	}
}

// recover waits for the server.
func (f *follower) recover(ctx context.Context) {
	for ctx.Err() == nil {
		rest(ctx)
		if f.locate(ctx) == nil {
			return
		}
	}
}

// locate finds the place to read on from, when the stream ends before what came last. A
// server that has taken the place of another one may not have got all from that: the ids
// are known up to some. One that lost the stream has another, which is read from its
// beginning; its clock may be behind.
func (f *follower) locate(ctx context.Context) error {
	end, err := f.end(ctx, f.key)
	if err != nil || !before(end, f.last()) {
		return err
	}
	for n := len(f.known); n > 0 && end != beginning; n-- {
		id := f.known[n-1]
		entries, err := f.client.XRangeN(ctx, f.key, id, id, 1).Result()
		if err != nil {
			return err
		}
		if len(entries) > 0 {
			f.known = f.known[:n]
			f.config.logger().Warn("redis: the server does not have what came last", "key", f.key)
			return nil
		}
	}
	f.known = []string{beginning}
	f.config.logger().Warn("redis: the stream is another one, or none: messages may be missing if it was not for its age", "key", f.key)
	return nil
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
