package broker

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/headrace/headrace/message"
)

// tries says how often a message was delivered.
type tries struct {
	deliveries int // so far
	refusals   int // of these
}

// headerTries has the tries of a message that a node gave back, between nodes only.
const headerTries = message.ReservedPrefix + "tries"

// take takes a message of a queue over from the engine. While there is no room for it
// nothing more of that queue comes.
func (m *mesh) take(ctx context.Context, in message.Raw, r *Rule) error {
	out := message.Raw{Destination: in.Destination, Header: in.Header.Without(headerTries), Payload: in.Payload, Done: in.Done}
	var before tries
	if text, ok := in.Header.Lookup(headerTries); ok {
		_, _ = fmt.Sscanf(text, "%d/%d", &before.deliveries, &before.refusals)
	}
	out.Done.Hold()
	err := m.put(ctx, out, before, r)
	if err != nil {
		out.Done.Release(nil) // the error is told by who is given it
	}
	return err
}

// put stores what take took over, as soon as there is room. When the subscription is
// ending, what the engine wants settled stays as it is: it delivers that again when the
// subscription has ended, to others. Refused it might come here again at once, and behind
// what it was before.
func (m *mesh) put(ctx context.Context, out message.Raw, before tries, r *Rule) error {
	from := m.shares.current(out.Destination)
	if out.Done != nil && isClosed(from.ending) {
		return nil
	}
	for pause := minPause; ; pause = min(2*pause, maxPause) {
		q, err := m.broker.store.put(ctx, out, before, r)
		if err == nil {
			q.run()
		}
		if err != errBacklog && err != errStore {
			return err
		}
		select {
		case <-time.After(pause):
		case <-from.ending:
			if out.Done != nil {
				return nil
			}
			return m.sendBack(ctx, &out, before)
		}
	}
}

// giveBack gives the other nodes what a queue holds that serves nobody here any more, and
// whose messages the engine would deliver again: that would not know what is known of them
// here, so that the next consumer sees how often each was delivered. The engine has 10 s; what
// it does not take by then it does deliver again by itself. If nothing is known, that is
// better: in its place, before what waits there still.
func (m *mesh) giveBack(dest string) {
	ctx, cancel := context.WithTimeout(m.patience, linkPatience)
	defer cancel()
	for q := range m.broker.store.queues.Match(dest) {
		if q.abandon() {
			m.giveAll(ctx, q, true)
		}
	}
}

// giveAll sends what the engine wants settled, or what it does not.
func (m *mesh) giveAll(ctx context.Context, q *queue, settled bool) {
	for l := q.withdraw(settled); l != nil; l = q.withdraw(settled) {
		err := m.sendBack(ctx, &l.m, l.tries)
		if err != nil {
			m.keptBack(err)
		}
		q.gaveBack(l, err)
	}
}

// giveUp is the end of what a queue still holds when the node is no member of the group
// any more. What the engine delivers again is its matter; what it does not is sent again.
func (m *mesh) giveUp(dest string) {
	ctx, cancel := context.WithTimeout(m.patience, linkPatience)
	defer cancel()
	for q := range m.broker.store.queues.Match(dest) {
		for l := q.withdraw(true); l != nil; l = q.withdraw(true) {
			q.gaveBack(l, errGone)
		}
		m.giveAll(ctx, q, false)
	}
}

func (m *mesh) sendBack(ctx context.Context, out *message.Raw, t tries) error {
	back := *out
	if t != (tries{}) {
		back.Header = back.Header.With(headerTries, fmt.Sprintf("%d/%d", t.deliveries, t.refusals))
	}
	return m.send(ctx, &back, m.broker.rules.of(out.Destination))
}

// abandon ends all deliveries, and what waits for its next one waits no longer. Who
// acknowledges one later is right, and it makes no difference. It reports whether some were
// delivered before, here or at another node.
func (q *queue) abandon() (known bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, cs := range [...][]*consumer{q.consumers, slices.Clone(q.leaving)} {
		for _, c := range cs {
			for l := c.under.first; l != nil; l = c.under.first {
				c.unsettled.expire(l)
				q.takeBack(l)
				q.again.insert(l, bySeq)
			}
		}
	}
	for l := q.later.first; l != nil; l = q.later.first {
		l.leave()
		q.again.insert(l, bySeq)
	}
	q.consumers = nil
	for _, ls := range [...]*letters{&q.again, &q.ready} {
		for l := ls.first; l != nil && !known; l = l.next {
			known = l.tries != (tries{})
		}
	}
	return known
}

// withdraw takes the next message out of a queue that serves nobody, one that the engine
// wants settled or one that it does not. It returns nil if there is none.
func (q *queue) withdraw(settled bool) *letter {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.consumers) > 0 {
		return nil
	}
	for _, ls := range [...]*letters{&q.again, &q.ready} {
		for l := ls.first; l != nil; l = l.next {
			if (l.m.Done != nil) == settled {
				l.leave()
				return l
			}
		}
	}
	return nil
}

// gaveBack ends a letter that was withdrawn.
func (q *queue) gaveBack(l *letter, err error) {
	q.mu.Lock()
	defer q.unlock()
	if err != nil && l.m.Done == nil { // the engine does not deliver it again
		q.store.dropped[dropGone].Add(1)
	}
	q.settled(l, err)
}
