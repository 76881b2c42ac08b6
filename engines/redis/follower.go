package redis

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/headrace/headrace/engines/internal/pubsub"
	"github.com/headrace/headrace/watermilladapter"
)

// beginning is before the first entry of every stream.
const beginning = "0-0"

// follower reads a stream from one place to the next.
type follower struct {
	*engine
	key    string
	out    *pubsub.Out
	known  []string  // the ids of what came last, the newest behind
	looked time.Time // at what the stream counts

	counts bool   // place is right
	place  int64  // how many entries the stream had got with the last one that came
	sure   string // the id of an entry that has its place for sure
}

// maxKnown is how far a server may be behind another one whose place it takes, in
// messages, without what came before coming again.
const maxKnown = 256

// all follows what is added from now on.
func (e *engine) all(ctx context.Context, key string) (func(*pubsub.Out), error) {
	s, err := state(ctx, e.client, key)
	if err != nil {
		return nil, err
	}
	f := &follower{engine: e, key: key, known: []string{cmp.Or(s.LastGeneratedID, beginning)}, looked: time.Now()}
	f.count(s)
	return f.run, nil
}

func (f *follower) last() string { return f.known[len(f.known)-1] }

func (f *follower) came(id string) {
	if len(f.known) >= 2*maxKnown {
		f.known = slices.Delete(f.known, 0, maxKnown)
	}
	f.known = append(f.known, id)
	f.place++
}

// state is where a stream ends and how much it counts. One that is not there is empty.
func state(ctx context.Context, client goredis.Cmdable, key string) (*goredis.XInfoStream, error) {
	s, err := client.XInfoStream(ctx, key).Result()
	if err != nil && strings.HasPrefix(err.Error(), "ERR no such key") {
		return &goredis.XInfoStream{LastGeneratedID: beginning}, nil
	}
	return s, err
}

func (f *follower) run(out *pubsub.Out) {
	f.out = out
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
			f.look(out.Context(), client)
		}
	}
}

// look counts once in a round, for a follower to which something comes all the time. It asks
// by the way on which it reads: for another one it might have to wait.
func (f *follower) look(ctx context.Context, client goredis.Cmdable) {
	if time.Since(f.looked) < round {
		return
	}
	f.looked = time.Now()
	if s, err := state(ctx, client, f.key); err == nil { // or there is a next time
		f.count(s)
	}
}

// count tells what was cut off the stream before it was read. Whoever is at the end of the
// stream has all that it got behind him, and anybody all that was removed: whoever has a
// lower place has missed something, and keeps that place until it is told. Servers before
// Redis 7 do not count. What others deleted is not told: the place is right again at the end.
func (f *follower) count(s *goredis.XInfoStream) {
	if before(s.LastGeneratedID, f.last()) {
		return // it is another stream, or a replica's
	}
	counts, end, least := s.EntriesAdded >= s.Length, s.LastGeneratedID == f.last(), s.EntriesAdded-s.Length
	if end {
		least = s.EntriesAdded
	}
	f.counts = f.counts && counts && f.place <= s.EntriesAdded && !before(f.sure, s.MaxDeletedEntryID)
	if f.counts && f.place < least {
		f.config.logger().Error("redis: messages were cut off the stream before they were read: this node fell more than MaxLen behind",
			"key", f.key, "missed", least-f.place)
		f.out.One(watermilladapter.Missed())
		f.place = least
	}
	if end {
		f.counts, f.place, f.sure = counts, s.EntriesAdded, f.last()
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
	s, err := state(ctx, f.client, f.key)
	if err != nil {
		return err
	}
	if !before(s.LastGeneratedID, f.last()) {
		f.count(s)
		return nil
	}
	for n := len(f.known); n > 0 && s.LastGeneratedID != beginning; n-- {
		id := f.known[n-1]
		entries, err := f.client.XRangeN(ctx, f.key, id, id, 1).Result()
		if err != nil {
			return err
		}
		if len(entries) > 0 {
			f.known, f.counts = f.known[:n], false
			f.count(s)
			f.config.logger().Warn("redis: the server does not have what came last", "key", f.key)
			f.out.One(watermilladapter.Missed())
			return nil
		}
	}
	f.known = []string{beginning}
	f.counts, f.place, f.sure = s.EntriesAdded >= s.Length, s.EntriesAdded-s.Length, beginning
	f.config.logger().Warn("redis: the stream is another one, or none: messages may be missing if it was not for its age", "key", f.key)
	f.out.One(watermilladapter.Missed())
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
