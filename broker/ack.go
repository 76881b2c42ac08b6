package broker

import (
	"slices"
	"sync"

	"github.com/headrace/headrace/message"
)

// ErrUnknownAck is the error of a KindAck or KindNack that settles nothing which
// was delivered to its session and is unsettled.
var ErrUnknownAck error = message.Errorf(message.CodeNotFound, "there is nothing to acknowledge by this id")

// unsettled are the deliveries to one session that are to be acknowledged. Its
// lock is taken within that of a queue, never the other way round.
type unsettled struct {
	mu      sync.Mutex
	last    uint64
	ended   bool // nobody settles any more
	open    map[uint64]delivered
	expired []expired // the last ones whose deadline has passed, up to maxExpired
	oldest  int       // of these
}

// expired is how a client may still speak of a delivery.
type expired struct {
	ack     uint64
	message string // its id
}

// maxExpired is as much as the default of two dozen subscriptions fetch ahead.
const maxExpired = 1536

type delivered struct {
	letter *letter
	to     *consumer
}

// add notes a delivery and returns its id.
func (u *unsettled) add(l *letter, to *consumer) uint64 {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.open == nil {
		u.open = make(map[uint64]delivered)
	}
	u.last++
	u.open[u.last] = delivered{l, to}
	return u.last
}

// remove forgets a delivery.
func (u *unsettled) remove(ack uint64) {
	u.mu.Lock()
	defer u.mu.Unlock()
	delete(u.open, ack)
}

// expire forgets the delivery of l, whose deadline has passed. The client may not
// know.
func (u *unsettled) expire(l *letter) {
	e := expired{l.ack, l.m.Header.Get(message.HeaderMessageID)}
	u.mu.Lock()
	defer u.mu.Unlock()
	delete(u.open, l.ack)
	if len(u.expired) < maxExpired {
		u.expired = append(u.expired, e)
		return
	}
	u.expired[u.oldest] = e
	u.oldest = (u.oldest + 1) % maxExpired
}

// lose ends what a session has at queues: its consumers, all of one queue together,
// and what is under way to those that ended before. Nothing is delivered before all
// are gone, for a message of one queue may come to another one as a dead letter. u
// is nil if none acknowledged.
func (u *unsettled) lose(consumers []*consumer) {
	all := make(map[*queue][]*consumer)
	for _, c := range consumers {
		all[c.queue] = append(all[c.queue], c)
	}
	for c := range u.end() {
		all[c.queue] = append(all[c.queue], c)
	}
	for q, cs := range all {
		q.detach(true, cs...)
	}
	for q := range all {
		q.run()
	}
}

// end notes that the session has ended, and returns to whom something is under way.
func (u *unsettled) end() map[*consumer]struct{} {
	if u == nil {
		return nil
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	u.ended = true
	consumers := make(map[*consumer]struct{})
	for _, d := range u.open {
		consumers[d.to] = struct{}{}
	}
	return consumers
}

// hasEnded reports whether the session has.
func (u *unsettled) hasEnded() bool {
	if u == nil {
		return false
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.ended
}

// find returns the delivery that m settles: by its id, or, where the client knows
// no ids, by the message's, and the subscription if m names one. If there is none,
// late says whether there was.
func (u *unsettled) find(m message.Raw, by *delivery) (d delivered, ack uint64, late bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if id, ok := m.Header.Lookup(message.HeaderAck); ok {
		ack = by.ackNumber(id)
		if d = u.open[ack]; d.letter == nil {
			late = slices.ContainsFunc(u.expired, func(e expired) bool { return e.ack == ack })
		}
		return d, ack, late
	}
	id := m.Header.Get(message.HeaderMessageID)
	for ack, d := range u.open {
		if d.letter.m.Header.Get(message.HeaderMessageID) == id && (m.Subscription == "" || m.Subscription == d.to.id) {
			return d, ack, false
		}
	}
	late = slices.ContainsFunc(u.expired, func(e expired) bool { return e.message == id })
	return delivered{}, 0, late
}

// settle does what a KindAck or KindNack asks for, of what was delivered by one broker. One that comes after the
// deadline is no error: the message is on its way to somebody else.
func (u *unsettled) settle(m message.Raw, by *delivery) error {
	d, ack, late := u.find(m, by)
	if d.letter == nil {
		if late {
			return nil
		}
		return ErrUnknownAck
	}
	d.letter.queue.settle(d.letter, ack, m.Kind == message.KindAck)
	return nil
}
