package interceptor

import (
	"cmp"
	"container/list"
	"context"
	"fmt"
	"hash/maphash"
	"sync"
	"time"

	"github.com/headrace/headrace/message"
)

// DeduplicateConfig describes a [Deduplicate].
type DeduplicateConfig[T any] struct {
	// Header names the field by which a message is known again. Zero means
	// "idempotency-key".
	Header string
	// Key says by what a message is known again; "" is never known. Zero (nil) means
	// Header.
	Key func(message.Message[T]) string
	// Window is how long a message is remembered, from its arrival, be it under way or
	// not: it is longer than a handler may take. Zero means 5 min.
	Window time.Duration
	// Max is how many messages are remembered, the latest, of all senders together,
	// and beyond it only what is under way: about 150 bytes each. So what others send
	// within Window pushes a message out where it is more than this; [RateLimit] in
	// front bounds it. Zero means 10,000.
	Max int
	// Shared lets one sender's message be a duplicate of another's. Zero means that
	// keys are each user's own, in all of his sessions, and those of nobody who is
	// logged in each session's: so nobody can take the keys of others.
	Shared bool
}

func (c DeduplicateConfig[T]) withDefaults() DeduplicateConfig[T] {
	if c.Key == nil {
		header := cmp.Or(c.Header, "idempotency-key")
		c.Key = func(m message.Message[T]) string { return m.Header.Get(header) }
	} else if c.Header != "" {
		panic("interceptor: Deduplicate by a header and by a function")
	}
	c.Window = cmp.Or(c.Window, 5*time.Minute)
	c.Max = cmp.Or(c.Max, 10_000)
	if c.Window < 0 || c.Max < 0 {
		panic(fmt.Sprintf("interceptor: Deduplicate within %v and %d messages", c.Window, c.Max))
	}
	return c
}

var errUnderWay = message.Errorf(message.CodeConflict, "a message of this key is being handled")

// Deduplicate handles a message once that is sent twice. Its sender is told the same of
// both: a duplicate of a message that was handled is handled, without a call of the
// handler, and a client that did not get its receipt gets it now. A message that failed
// is forgotten, so the next of its key is handled; one that comes while the first is
// still under way is refused with CodeConflict. Messages without a key, and kinds other
// than KindData, pass.
//
// Handled means that the handler behind it returned nil. So mount it around the handler,
// not in front of a queue, which returns before, nor around an endpoint of handler.Later.
// A key is known again at the same destination only, where one Deduplicate stands before
// several endpoints. What is remembered is in the memory of this process. Deduplicate
// panics when a number is negative, and when Key and Header are both given.
func Deduplicate[T any](config DeduplicateConfig[T]) message.Interceptor[T] {
	config = config.withDefaults()
	d := &duplicates{window: config.Window, limit: config.Max, known: make(map[uint64]*list.Element), seed: maphash.MakeSeed()}
	return func(next message.Handler[T]) message.Handler[T] {
		return message.HandlerFunc[T](func(ctx context.Context, m message.Message[T]) error {
			key := ""
			if m.Kind == message.KindData {
				key = config.Key(m)
			}
			if key == "" {
				return next.Handle(ctx, m)
			}
			from := sender{}
			if !config.Shared {
				from = senderOf(m.Session)
			}
			first, err := d.arrive(maphash.Comparable(d.seed, identity{from, m.Destination, key}))
			if first == nil {
				return err
			}
			handled := false
			defer func() { d.finish(first, handled) }() // also when the handler panics
			err = next.Handle(ctx, m)
			handled = err == nil
			return err
		})
	}
}

// identity is what makes a message the same as another. Only its hash is kept, under a
// seed that no sender knows.
type identity struct {
	from             sender
	destination, key string
}

// sender is a user, or a session of nobody.
type sender struct{ user, session string }

func senderOf(s *message.Session) sender {
	if s == nil {
		return sender{}
	}
	if user := s.User(); user != nil {
		return sender{user: user.Name()}
	}
	return sender{session: s.ID()}
}

// duplicates are the messages that are remembered.
type duplicates struct {
	window time.Duration
	limit  int
	seed   maphash.Seed

	mu    sync.Mutex
	known map[uint64]*list.Element
	order list.List // of *arrival, the oldest first
}

type arrival struct {
	id      uint64
	at      time.Time
	handled bool
}

// arrive returns the place of a message that is the first of its id, or else what to
// tell the sender of the duplicate.
func (d *duplicates) arrive(id uint64) (*list.Element, error) {
	now := time.Now()
	d.mu.Lock()
	defer d.mu.Unlock()
	for e := d.order.Front(); e != nil && now.Sub(e.Value.(*arrival).at) >= d.window; e = d.order.Front() {
		d.forget(e)
	}
	if e := d.known[id]; e != nil {
		if !e.Value.(*arrival).handled {
			return nil, errUnderWay
		}
		return nil, nil
	}
	if d.order.Len() >= d.limit {
		d.forgetOldest()
	}
	e := d.order.PushBack(&arrival{id: id, at: now})
	d.known[id] = e
	return e, nil
}

// finish notes how a first message ended. It may have been forgotten meanwhile.
func (d *duplicates) finish(e *list.Element, handled bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	a := e.Value.(*arrival)
	if a.handled = handled; !handled && d.known[a.id] == e {
		d.forget(e)
	}
}

// forgetOldest makes room. What is under way stays, however many others come meanwhile:
// there is no more of it than is handled at once.
func (d *duplicates) forgetOldest() {
	for e := d.order.Front(); e != nil; e = e.Next() {
		if e.Value.(*arrival).handled {
			d.forget(e)
			return
		}
	}
}

// forget takes out what is in the list.
func (d *duplicates) forget(e *list.Element) {
	delete(d.known, e.Value.(*arrival).id)
	d.order.Remove(e)
}
