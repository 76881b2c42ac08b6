package broker

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/message/destination"
)

// store is what the queues of a broker share.
type store struct {
	delivery *delivery
	limit    int64              // of bytes
	letters  message.RawHandler // takes dead letters
	orphaned func(dest string)  // told of queues that hold messages and serve nobody; may be nil
	sep      destination.Separator
	queues   *destination.Index[*queue]
	timers   sync.WaitGroup

	mu     sync.Mutex
	all    map[*queue]struct{}
	closed bool

	bytes       atomic.Int64
	redelivered atomic.Uint64
	expired     atomic.Uint64
	deadLetters atomic.Uint64
	dropped     [dropReasons]atomic.Uint64
}

// dropReason says why a message was given up.
type dropReason uint8

const (
	dropDead   dropReason = iota // it was refused too often, and there is no place for dead letters
	dropGone                     // the subscription that it waited for has ended
	dropVetoed                   // an interceptor of the way out dropped it
	dropFull                     // it found no room at a subscription, whose session was ended
	dropClosed                   // the broker was closed
	dropUnkept                   // it was delivered, but found no room among those that its topic keeps
	dropStray                    // another node sent it where it does not belong
	dropReasons
)

var dropNames = [dropReasons]string{"dead", "gone", "vetoed", "full", "closed", "unkept", "stray"}

// errDropped says the same to those who wait for the message to be settled.
var errDropped = [dropReasons]error{
	dropDead:   errDead,
	dropGone:   message.Errorf(message.CodeUnavailable, "the subscription has ended"),
	dropVetoed: message.ErrDropped,
	dropFull:   errBacklog,
	dropClosed: errClosed,
}

var (
	errBacklog error = message.Errorf(message.CodeFull, "the backlog of the destination is full")
	errStore   error = message.Errorf(message.CodeFull, "the broker is full")
	errDead    error = message.Errorf(message.CodeTimeout, "nobody acknowledged the message")
	errClosed  error = message.Errorf(message.CodeUnavailable, "the broker is closed")
)

func (s *store) init(d *delivery, sep destination.Separator, limit int64, letters message.RawHandler) {
	s.delivery, s.sep, s.limit, s.letters = d, sep, limit, letters
	s.queues = destination.NewIndex[*queue](sep)
	s.all = make(map[*queue]struct{})
}

// reserve takes room for n bytes, if there is.
func (s *store) reserve(n int) bool {
	if s.bytes.Add(int64(n)) <= s.limit {
		return true
	}
	s.bytes.Add(-int64(n))
	return false
}

func (s *store) release(n int) { s.bytes.Add(-int64(n)) }

// single makes a queue for one subscription to a topic.
func (s *store) single(rule *Rule, c *consumer) (*queue, error) {
	q := &queue{store: s, rule: rule, single: true}
	c.queue = q
	q.consumers = []*consumer{c}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, errClosed
	}
	s.all[q] = struct{}{}
	return q, nil
}

// queue returns the queue of a destination, which is exact, making it if it is
// missing. It may be dead when it is used: then there is another one.
func (s *store) queue(dest string, rule *Rule) (*queue, error) {
	for q := range s.queues.Match(dest) {
		return q, nil
	}
	p, err := exact(dest, rule, s.sep)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, errClosed
	}
	for q := range s.queues.Match(dest) {
		return q, nil
	}
	q := &queue{store: s, rule: rule}
	q.entry = s.queues.Add(p, q)
	s.all[q] = struct{}{}
	return q, nil
}

// put stores a message in the queue of its destination.
func (s *store) put(ctx context.Context, m message.Raw, before tries, rule *Rule) (*queue, error) {
	for {
		q, err := s.queue(m.Destination, rule)
		if err == nil {
			err = q.add(ctx, m, before)
		}
		if err != errGone {
			return q, err
		}
	}
}

// serve lets the queue of a destination serve a consumer.
func (s *store) serve(dest string, rule *Rule, c *consumer) error {
	for {
		q, err := s.queue(dest, rule)
		if err == nil {
			err = q.attach(c)
		}
		if err != errGone {
			return err
		}
	}
}

// hand sends a message to one subscription to a topic.
func (s *store) hand(ctx context.Context, m message.Raw, to subscription) {
	if to.queue != nil {
		s.post(ctx, m, to)
		return
	}
	m.Session, m.Subscription = to.session, to.id
	_ = s.delivery.to(ctx, &m) // it is counted
}

// post stores a message for one subscription to a topic. A client for which too
// much waits is cut, as one that does not read is.
func (s *store) post(ctx context.Context, m message.Raw, to subscription) {
	switch err := to.queue.add(ctx, m, tries{}); err {
	case nil:
		to.queue.run()
	case errGone:
	default:
		s.dropped[dropFull].Add(1)
		to.session.Close(err)
	}
}

// forget is told of a queue that is dead.
func (s *store) forget(q *queue) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.all, q)
	if q.entry != nil {
		s.queues.Remove(q.entry)
	}
}

// close ends all queues.
func (s *store) close() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	for _, q := range s.list() {
		q.close()
	}
	s.timers.Wait()
}

// list returns all queues there are.
func (s *store) list() []*queue {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Collect(maps.Keys(s.all))
}

// message returns what c is sent of l.
func (c *consumer) message(l *letter) message.Raw {
	m := l.m
	m.Session, m.Subscription, m.Done = c.session, c.id, nil
	var fields [2]message.Field
	more := fields[:0]
	if l.ack != 0 {
		more = append(more, message.Field{Name: message.HeaderAck, Value: l.queue.store.delivery.ackID(l.ack)})
	}
	if l.deliveries > 1 {
		more = append(more, message.Field{Name: message.HeaderDeliveries, Value: strconv.Itoa(l.deliveries)})
	}
	if len(more) > 0 {
		m.Header = m.Header.WithAll(more...)
	}
	return m
}

// bury sends a dead letter where those go. It returns what the sender of the letter is
// told: errDead, with the cause if it did not get there.
func (s *store) bury(l *letter) error {
	ctx, dest := l.ctx, l.queue.rule.Acks.DeadLetter
	err := errDead
	if dest != "" && dest != l.m.Destination && s.letters != nil {
		m := message.Raw{Destination: dest, Payload: l.m.Payload, Header: l.m.Header.
			Without(message.HeaderOffset, message.HeaderEpoch). // of the topic that it came from
			With(message.HeaderDeadFrom, l.m.Destination).
			With(message.HeaderDeliveries, strconv.Itoa(l.deliveries))}
		if err = protect(ctx, s.letters, &m); err == nil {
			return errDead
		}
		err = errDead.(*message.Error).WithCause(err)
	}
	s.dropped[dropDead].Add(1)
	s.delivery.log().WarnContext(ctx, "dead letter dropped", "destination", l.m.Destination, "deliveries", l.deliveries,
		"message", l.m.Header.Get(message.HeaderMessageID), "error", err)
	return err
}
