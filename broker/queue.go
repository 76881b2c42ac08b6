package broker

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/message/destination"
)

// queue holds messages until they are settled: those of a destination whose
// consumers compete, or those of one subscription to a topic that acknowledges.
//
// One goroutine at a time delivers, without the lock, so that each consumer is
// sent what it gets in order: whoever finds another one at it has added what there
// is to do, and leaves. Messages that were delivered before have lower numbers than
// all others, because new ones are delivered in their order.
type queue struct {
	store  *store
	rule   *Rule
	single bool                       // of one subscription, and gone with it
	entry  *destination.Entry[*queue] // nil if single

	mu        sync.Mutex
	dead      bool        // it holds nothing and never will again
	consumers []*consumer // that are served in turn
	turn      int         // whose it is
	leaving   []*consumer // that unsubscribed and have something to settle
	ready     letters     // never delivered
	again     letters     // to be delivered again
	later     letters     // the same, when they are due
	doomed    []*letter   // dead letters that are to be sent
	ended     []ending    // that are to be told
	n, bytes  int         // all that is not settled
	last      uint64      // number that was given out
	running   bool        // somebody delivers
	timer     *time.Timer // nil: none is set
	wake      time.Time   // when it fires
	pause     time.Duration
}

// ending is what the sender of a message that has ended is told. That is done without
// the lock: he may send the next one at once.
type ending struct {
	done *message.Completion
	err  error
}

func tellAll(es []ending) {
	for _, e := range es {
		e.done.Release(e.err)
	}
}

// consumer is a subscription that is served by a queue. What changes is under the
// queue's lock.
type consumer struct {
	subscription
	mode      message.AckMode
	unsettled *unsettled // the session's; nil for message.AckAuto
	left      bool       // it is served no more
	under     letters    // way to it, in the order in which they were sent
	rest      time.Time  // nothing is sent to it before
}

// errGone says that a queue is dead: there may be another one.
var errGone error = message.Errorf(message.CodeUnavailable, "the queue is gone")

// add stores a message at the end. Whoever adds calls run then.
func (q *queue) add(ctx context.Context, m message.Raw, before tries) error {
	l := &letter{queue: q, ctx: detached(ctx), m: m, tries: before, size: sizeOf(&m)}
	q.mu.Lock()
	defer q.unlock() // one that was made for what it has no room for goes
	bounds := &q.rule.Backlog
	switch {
	case q.dead || q.abandoned():
		return errGone
	case q.n >= bounds.Messages || q.bytes+l.size > bounds.Bytes:
		return errBacklog
	case !q.store.reserve(l.size):
		return errStore
	}
	q.last++
	l.seq = q.last
	q.n++
	q.bytes += l.size
	q.ready.push(l)
	return nil
}

// detached keeps the values of the sender's context for a delivery that may come
// after its end.
func detached(ctx context.Context) context.Context {
	if ctx.Done() == nil {
		return ctx
	}
	return context.WithoutCancel(ctx)
}

// attach makes c one of those who are served.
func (q *queue) attach(c *consumer) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.dead {
		return errGone
	}
	c.queue = q
	q.consumers = append(q.consumers, c)
	return nil
}

// detach serves these no more. What is under way to them may still be settled,
// unless it is lost, or their session has ended meanwhile: then the next ones get
// it, in its order. All of a session are detached together, or the first one's
// messages would go to the others of the same session, and before theirs. Whoever
// detaches calls run then.
func (q *queue) detach(lost bool, cs ...*consumer) {
	q.mu.Lock()
	for _, c := range cs {
		q.leave(c)
	}
	for _, c := range cs {
		lost = lost || c.unsettled.hasEnded()
		for l := c.under.first; lost && l != nil; l = c.under.first {
			q.takeBack(l)
			q.putBack(l)
		}
	}
	if q.single {
		q.discard(dropGone)
	}
	q.unlock()
}

// leave takes c out of those who are served.
func (q *queue) leave(c *consumer) {
	if i := slices.Index(q.consumers, c); i >= 0 {
		q.consumers = slices.Delete(q.consumers, i, i+1)
		if i < q.turn {
			q.turn--
		}
		if c.under.n > 0 {
			q.leaving = append(q.leaving, c)
		}
	}
	c.left = true
}

// run delivers what can be delivered, unless somebody does.
func (q *queue) run() {
	q.mu.Lock()
	defer q.unlock()
	if q.running || q.dead {
		return
	}
	q.running = true
	defer func() { q.running = false }() // also when an interceptor ends the goroutine
	for l, c := q.next(); l != nil; l, c = q.next() {
		q.deliver(l, c)
	}
}

// errExited is the outcome of a delivery that did not return.
var errExited = errors.New("an interceptor of the way out ended the goroutine")

// next takes out what is to be delivered, and to whom, or returns nil.
func (q *queue) next() (*letter, *consumer) {
	l := q.again.first
	if l == nil {
		l = q.ready.first
	}
	if l == nil || q.dead {
		return nil, nil
	}
	c := q.choose()
	if c == nil {
		return nil, nil
	}
	l.leave()
	l.deliveries++
	l.to = c
	if c.mode != message.AckAuto {
		l.ack = c.unsettled.add(l, c)
		c.under.push(l)
		if limit := q.rule.Acks.Deadline; limit > 0 {
			l.due = time.Now().Add(limit)
			q.wakeAt(l.due)
		}
	}
	return l, c
}

// How long a queue waits for clients that have much to read still: longer each time, for
// a session may have a hundred of them.
const (
	minPause = 10 * time.Millisecond
	maxPause = 320 * time.Millisecond
)

// choose returns the consumer whose turn it is among those who have room.
func (q *queue) choose() *consumer {
	busy := false
	for i := range q.consumers {
		at := (q.turn + i) % len(q.consumers)
		switch c := q.consumers[at]; {
		case c.mode != message.AckAuto && c.under.n >= q.rule.Acks.Prefetch:
		case !c.rest.IsZero() && time.Now().Before(c.rest):
			q.wakeAt(c.rest)
		case c.session.Busy():
			busy = true
		default:
			q.turn, q.pause = at+1, 0
			return c
		}
	}
	if busy {
		q.wakeAt(time.Now().Add(max(q.pause, minPause)))
	}
	return nil
}

// deliver sends l to c. It gives the lock away meanwhile.
func (q *queue) deliver(l *letter, c *consumer) {
	m, ctx, ended := c.message(l), l.ctx, q.ended
	q.ended = nil
	err := errExited
	q.mu.Unlock()
	defer func() {
		q.mu.Lock()
		q.delivered(l, c, err)
	}()
	tellAll(ended)
	err = q.store.delivery.to(ctx, &m)
}

// delivered does what follows from the outcome of a delivery.
func (q *queue) delivered(l *letter, c *consumer, err error) {
	switch {
	case l.to != c || l.list != nil && l.list != &c.under:
		return // it was settled meanwhile, or taken back
	case err == nil && c.mode != message.AckAuto:
		return
	case err == nil:
		q.settled(l, nil)
		return
	}
	q.takeBack(l)
	switch {
	case isDrop(err):
		q.drop(l, dropVetoed)
	case isUnreachable(err): // most likely it has gone, and that will be told
		c.rest = time.Now().Add(q.rule.Acks.Backoff)
		l.deliveries--
		q.putBack(l)
	default: // be it because of the message or of the consumer: others may take more of them
		c.rest = time.Now().Add(q.rule.Acks.Backoff)
		q.refuse(l)
	}
}

// takeBack ends a delivery.
func (q *queue) takeBack(l *letter) {
	c := l.to
	l.leave()
	if l.ack != 0 {
		c.unsettled.remove(l.ack)
	}
	l.ack, l.to = 0, nil
	if c.left && c.under.n == 0 {
		q.leaving = slices.DeleteFunc(q.leaving, func(o *consumer) bool { return o == c })
	}
}

// settle ends the delivery of l by this id, and of what its consumer was sent
// before if that is how it acknowledges.
func (q *queue) settle(l *letter, ack uint64, ok bool) {
	q.mu.Lock()
	if l.ack != ack || l.to == nil {
		q.mu.Unlock() // its deadline passed right now
		return
	}
	first := l
	if l.to.mode == message.AckCumulative {
		first = l.to.under.first
	}
	for last := false; !last; {
		x := first
		first, last = x.next, x == l
		q.takeBack(x)
		if ok {
			q.settled(x, nil)
		} else {
			q.refuse(x)
		}
	}
	q.unlock()
	q.run()
}

// release makes the room of a letter free that is in no list.
func (q *queue) release(l *letter) {
	q.n--
	q.bytes -= l.size
	q.store.release(l.size)
}

// settled ends a letter. It is in no list.
func (q *queue) settled(l *letter, err error) {
	q.release(l)
	if l.m.Done != nil {
		q.ended = append(q.ended, ending{l.m.Done, err})
	}
}

// unlock ends what began with the lock: senders are told, dead letters are sent, and a
// queue that is of no use any more goes.
func (q *queue) unlock() {
	doomed, ended := q.doomed, q.ended
	q.doomed, q.ended = nil, nil
	if q.n == 0 && len(q.consumers) == 0 && !q.running && !q.dead {
		q.end()
	}
	orphan := q.orphan()
	q.mu.Unlock()
	tellAll(ended)
	for _, l := range doomed {
		l.m.Done.Release(q.store.bury(l))
	}
	if orphan != nil {
		q.store.orphaned(orphan.m.Destination)
	}
}

// orphan returns a message that waits while there is nobody to serve, if somebody wants
// to know.
func (q *queue) orphan() *letter {
	if q.store.orphaned == nil || q.single || q.rule.Local || q.dead || len(q.consumers) > 0 {
		return nil
	}
	return cmp.Or(q.again.first, q.ready.first)
}
