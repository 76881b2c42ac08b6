package relay

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/stompadapter/frame"
	"github.com/headrace/headrace/stompadapter/internal/line"
)

// delivery is a message on its way to a client who has to settle it.
type delivery struct {
	m        message.Raw // as the client gets it
	to       *subscription
	conn     *line.Line // that it came over
	ack      uint64     // what the client settles it by
	brokerID string     // what the relay does
	times    int        // it was delivered
	refusals int        // of these, by the client
	failures int        // of these, on the way
}

// deliveries are those of one session that are not settled. The session's lock guards
// them.
type deliveries struct {
	last    uint64
	stale   uint64 // those up to it were taken back by the broker
	open    map[uint64]*delivery
	retired []retired // the last ones that ended with their subscriptions
	timers  map[*time.Timer]struct{}
	ended   bool
	wait    sync.WaitGroup // for timers that run
}

func (d *deliveries) add(o *delivery) {
	if d.open == nil {
		d.open = make(map[uint64]*delivery)
	}
	d.last++
	o.ack = d.last
	d.open[o.ack] = o
}

// lose forgets all: the broker delivers them again, to whom it likes.
func (d *deliveries) lose() {
	d.stale = d.last
	clear(d.open)
}

// retired is what is remembered of a delivery whose subscription has ended, so that its
// client may still settle it.
type retired struct {
	ack              uint64
	id, subscription string
}

// maxRetired is how many of them are remembered.
const maxRetired = 1024

// retire takes those of a subscription back and returns them in their order.
func (d *deliveries) retire(sub *subscription) (all []*delivery) {
	for _, o := range d.open {
		if o.to == sub {
			all = append(all, o)
		}
	}
	slices.SortFunc(all, older)
	for _, o := range all {
		delete(d.open, o.ack)
		d.retired = append(d.retired, retired{o.ack, o.m.Header.Get(message.HeaderMessageID), sub.id})
	}
	d.retired = slices.Delete(d.retired, 0, max(0, len(d.retired)-maxRetired))
	return all
}

func older(a, b *delivery) int { return cmp.Compare(a.ack, b.ack) }

// wasRetired reports whether an ack, or a message's id where that is 0, is one of retired.
func (d *deliveries) wasRetired(ack uint64, id, subscription string) bool {
	return slices.ContainsFunc(d.retired, func(r retired) bool {
		if ack > 0 {
			return r.ack == ack
		}
		return r.id == id && (subscription == "" || r.subscription == subscription)
	})
}

func (d *deliveries) restore(all []*delivery) {
	for _, o := range all {
		if o.ack > d.stale && o.to.ending == nil {
			d.open[o.ack] = o
		}
	}
}

// stop ends the timers. What it returns is to be waited for.
func (d *deliveries) stop() *sync.WaitGroup {
	d.ended = true
	for t := range d.timers {
		if t.Stop() {
			d.wait.Done()
		}
	}
	d.timers = nil
	return &d.wait
}

// busyPause is how long a client that does not keep up is waited for at a time.
const busyPause = 2 * time.Millisecond

// deliver hands on a MESSAGE of the broker. While the client does not keep up nothing is
// read, which is how the broker learns of it.
func (s *session) deliver(c *line.Line, f frame.Frame) {
	for s.session.Busy() && s.ctx.Err() == nil {
		select {
		case <-time.After(busyPause):
		case <-s.session.Done():
			return
		}
	}
	s.mu.Lock()
	sub := s.atBroker[f.Header.Get(frame.HeaderSubscription)]
	if s.leaving || sub == nil {
		s.mu.Unlock()
		return
	}
	if s.subscriptions[sub.id] != sub { // it ends
		s.mu.Unlock()
		s.giveBack(c, sub, f)
		return
	}
	d := &delivery{m: s.message(sub, f), to: sub, conn: c, times: timesOf(f)}
	if sub.mode != message.AckAuto {
		s.deliveries.add(d)
		d.brokerID = f.Header.Get(frame.HeaderAck)
		d.m.Header = d.m.Header.With(message.HeaderAck, s.broker.ackIDs+strconv.FormatUint(d.ack, 36))
	}
	s.mu.Unlock()
	s.hand(d, timesOf(f))
}

// giveBack lets the broker have a message again whose subscription has ended.
func (s *session) giveBack(c *line.Line, sub *subscription, f frame.Frame) {
	if sub.mode != message.AckAuto && s.broker.config.Dialect == RabbitMQ {
		_ = s.link.mustOn(c, settling(frame.Nack, f.Header.Get(frame.HeaderAck))) // or it has it already
	}
}

func settling(command frame.Command, id string, more ...message.Field) *outgoing {
	fields := append([]message.Field{{Name: frame.HeaderID, Value: id}}, more...)
	return &outgoing{frame: frame.Frame{Command: command, Header: message.NewHeader(fields...)}}
}

// brokers are headers of a MESSAGE that are no subscriber's business.
var brokers = []string{frame.HeaderAck, redelivered, deliveryCount}

const (
	redelivered   = "redelivered"      // "true" from the second time on
	deliveryCount = "x-delivery-count" // of RabbitMQ's quorum queues: how often before
)

// message makes what the client gets of a MESSAGE.
func (s *session) message(sub *subscription, f frame.Frame) message.Raw {
	fields := append(passing(f.Header, brokers...),
		message.Field{Name: message.HeaderMessageID, Value: f.Header.Get(frame.HeaderMessageID)})
	if id, ok := f.Header.Lookup(headerID); ok {
		fields = append(fields, message.Field{Name: headerID, Value: id})
	}
	destination := sub.destination
	if !sub.user {
		destination = f.Header.Get(frame.HeaderDestination)
	}
	return message.Raw{Destination: destination, Session: s.session, Subscription: sub.id, Header: message.NewHeader(fields...), Payload: f.Body}
}

// timesOf returns how often a message was delivered, this time counted, as far as the
// broker says.
func timesOf(f frame.Frame) int {
	if n, err := strconv.Atoi(f.Header.Get(deliveryCount)); err == nil && n > 0 {
		return n + 1
	}
	if f.Header.Get(redelivered) == "true" {
		return 2
	}
	return 1
}

// hand delivers d, for the n-th time. What fails on the way and is to be settled comes again
// later.
func (s *session) hand(d *delivery, n int) {
	m := d.m
	if n > 1 {
		m.Header = m.Header.With(message.HeaderDeliveries, strconv.Itoa(n))
	}
	err := s.broker.deliver(s.session.Context(), m)
	switch {
	case d.to.mode == message.AckAuto:
	case err != nil:
		s.failed(d, n > 1)
	case n > 1:
		s.mu.Lock()
		d.to.failures = 0
		s.mu.Unlock()
	}
}

// backoff is how long after the n-th time it went wrong a delivery comes again.
func backoff(n int) time.Duration {
	const least, most = 20 * time.Millisecond, 10 * time.Second
	return min(most, least<<min(n-1, 10))
}

// failed lets d come again, the later the more often it failed. What RabbitMQ brings again is
// not known from before: there it is how often in a row such a one failed.
func (s *session) failed(d *delivery, again bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	d.failures++
	n := d.failures
	if s.broker.config.Dialect == RabbitMQ && again {
		d.to.failures++
		n += d.to.failures
	}
	s.later(backoff(n), func() {
		if s.broker.config.Dialect == ActiveMQ {
			s.again(d)
			return
		}
		s.mu.Lock()
		_, open := s.deliveries.open[d.ack]
		delete(s.deliveries.open, d.ack)
		s.mu.Unlock()
		if open {
			_ = s.link.mustOn(d.conn, settling(frame.Nack, d.brokerID)) // or the broker has it already
		}
	})
}

// again delivers what is still open once more.
func (s *session) again(d *delivery) {
	s.mu.Lock()
	_, open := s.deliveries.open[d.ack]
	d.times++
	n := d.times
	s.mu.Unlock()
	if open {
		s.hand(d, n)
	}
}

// later calls do after a while, unless the session has ended. The lock is held.
func (s *session) later(delay time.Duration, do func()) {
	d := &s.deliveries
	if d.ended {
		return
	}
	if d.timers == nil {
		d.timers = make(map[*time.Timer]struct{})
	}
	d.wait.Add(1)
	var t *time.Timer
	t = time.AfterFunc(delay, func() {
		defer d.wait.Done()
		s.mu.Lock()
		delete(d.timers, t)
		s.mu.Unlock()
		do()
	})
	d.timers[t] = struct{}{}
}

// settle does what a KindAck or KindNack asks for.
func (s *session) settle(ctx context.Context, m message.Raw) error {
	id, inside := m.Header.Lookup(message.HeaderTransaction)
	s.mu.Lock()
	if _, open := s.transactions[id]; inside && !open {
		s.mu.Unlock()
		return errNoTransaction
	}
	all, late := s.deliveries.find(m, s.broker.ackIDs)
	for _, d := range all {
		delete(s.deliveries.open, d.ack)
	}
	if inside {
		s.transactions[id] = append(s.transactions[id], all...)
	}
	s.mu.Unlock()
	switch {
	case late:
		return nil // it is on its way to somebody else
	case len(all) == 0:
		return broker.ErrUnknownAck
	case m.Kind == message.KindNack:
		if all = s.keep(all); len(all) == 0 {
			return nil
		}
	}
	return s.settleAll(m, all)
}

// find returns the deliveries that m settles, in their order: by its id, or, where the
// client knows no ids, by the message's.
func (d *deliveries) find(m message.Raw, prefix string) (all []*delivery, late bool) {
	var one *delivery
	if id, ok := m.Header.Lookup(message.HeaderAck); ok {
		digits, ours := strings.CutPrefix(id, prefix)
		n, err := strconv.ParseUint(digits, 36, 64)
		if !ours || err != nil {
			return nil, false
		}
		one, late = d.open[n], n > 0 && (n <= d.stale || d.wasRetired(n, "", ""))
	} else {
		id := m.Header.Get(message.HeaderMessageID)
		for _, o := range d.open {
			if o.m.Header.Get(message.HeaderMessageID) == id && (m.Subscription == "" || m.Subscription == o.to.id) {
				one = o
			}
		}
		late = d.wasRetired(0, id, m.Subscription)
	}
	switch {
	case one == nil:
		return nil, late
	case one.to.mode == message.AckIndividual:
		return []*delivery{one}, false
	}
	for _, o := range d.open {
		if o.to == one.to && o.ack <= one.ack {
			all = append(all, o)
		}
	}
	slices.SortFunc(all, older)
	return all, false
}

// maxRefusals is how often the relay delivers again itself what a client refuses.
const maxRefusals = 10

// keep is for brokers that bring nothing back: it delivers again what was not refused too
// often, and returns the rest.
func (s *session) keep(all []*delivery) (rest []*delivery) {
	if s.broker.config.Dialect != ActiveMQ {
		return all
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, d := range all {
		if d.refusals++; d.refusals > maxRefusals {
			rest = append(rest, d)
			continue
		}
		s.later(backoff(d.refusals), func() { // until then there is nothing to be settled
			s.mu.Lock()
			s.deliveries.restore([]*delivery{d})
			s.mu.Unlock()
			s.again(d)
		})
	}
	return rest
}

// settleAll tells the broker; the answer to the last is that to m.
func (s *session) settleAll(m message.Raw, all []*delivery) error {
	command := frame.Ack
	if m.Kind == message.KindNack {
		command = frame.Nack
	}
	more := passing(m.Header, frame.HeaderID, frame.HeaderAck, frame.HeaderMessageID)
	_, inside := m.Header.Lookup(message.HeaderTransaction)
	for i, d := range all {
		o := settling(command, d.brokerID, more...)
		if i == len(all)-1 && !inside {
			m.Done.Hold()
			o.settle = func(err error) {
				if isAway(err) {
					err = nil // the broker delivers it again
				}
				m.Done.Release(err)
			}
		}
		if err := s.link.mustOn(d.conn, o); err != nil {
			if o.settle != nil {
				o.settle(err)
			}
			return nil
		}
	}
	return nil
}
