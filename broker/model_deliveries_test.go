package broker_test

import (
	"context"
	"slices"
	"strconv"
	"time"

	"github.com/headrace/headrace/message"
)

// Deliver is the way out of the broker.
func (p *peer) Deliver(_ context.Context, m message.Raw) error {
	l := p.l
	l.mu.Lock()
	defer l.mu.Unlock()
	if m.Kind == message.KindConnected {
		return nil
	}
	err := wayErrors[p.way]
	if p.cut != nil || p.racing {
		err = wayErrors[unreachable]
	}
	if err == nil {
		l.want.Delivered++
	} else {
		l.want.Failed++
	}
	if p.racing {
		l.miss(m)
	} else {
		l.deliver(p, m, err)
	}
	return err
}

// miss is a delivery to a session while it ends. Nobody can say whether it counts.
func (l *ledger) miss(m message.Raw) {
	if n := l.lineFor(m.Destination); n != nil {
		n.find(string(m.Payload)).uncounted = true
	}
}

// deliver judges a delivery, and writes it down with its outcome.
func (l *ledger) deliver(p *peer, m message.Raw, err error) {
	now := time.Now()
	l.expire(now)
	sent := l.postings[string(m.Payload)]
	i := slices.IndexFunc(p.subs, func(s *sub) bool { return s.id == m.Subscription })
	switch {
	case m.Done != nil:
		l.fail("%s is delivered to %s with its receipt", m.Payload, p.name)
	case sent == nil || sent.dest != m.Destination:
		l.fail("%s at %s is delivered to %s, and nobody sent that", m.Payload, m.Destination, p.name)
	case i < 0:
		l.fail("%s is delivered to %s/%s, which is not subscribed", m.Payload, p.name, m.Subscription)
	case p.subs[i].line == nil:
		l.broadcast(p.subs[i], sent)
	default:
		l.give(p.subs[i], sent, m, err, now)
	}
	if sent != nil {
		id := m.Header.Get(message.HeaderMessageID)
		if id == "" || sent.id != "" && sent.id != id {
			l.fail("%s has the id %q, and had %q", sent.text, id, sent.id)
		}
		sent.id = id
	}
}

// broadcast is a delivery that nobody acknowledges: whether it succeeds is the
// client's matter.
func (l *ledger) broadcast(s *sub, sent *posting) {
	i := slices.Index(sent.awaited, s)
	if i < 0 {
		l.fail("%s is delivered to %s twice, or too late", sent.text, s)
		return
	}
	sent.awaited = slices.Delete(sent.awaited, i, i+1)
}

// give is a delivery from a line.
func (l *ledger) give(s *sub, sent *posting, m message.Raw, err error, now time.Time) {
	it := s.line.find(sent.text)
	if it == nil {
		l.fail("%s is delivered to %s, and is not for it", sent.text, s)
		return
	}
	l.judge(it, s, now)
	l.pass(s, now)
	it.deliveries++
	count, ack := "", m.Header.Get(message.HeaderAck)
	if count = sent.header; it.deliveries > 1 {
		count = strconv.Itoa(it.deliveries)
	}
	if got := m.Header.Get(message.HeaderDeliveries); got != count && !it.uncounted {
		l.fail("%s is delivered to %s with the count %q, want %q", it, s, got, count)
	}
	if known := s.peer.delivery(ack) != nil; known || (ack == "") != s.auto() {
		l.fail("%s is delivered to %s with the ack id %q", it, s, ack)
	}
	switch {
	case err == nil && s.auto():
		it.state = settled
	case err == nil:
		it.to = &delivery{item: it, to: s, ack: ack, due: now.Add(it.line.rule.Acks.Deadline)}
		it.state = underWay
		s.under = append(s.under, it.to)
		s.peer.given = append(s.peer.given, it.to)
	case err == wayErrors[vetoed]:
		l.drop(it, "vetoed")
	default:
		s.rest = now.Add(it.line.rule.Acks.Backoff)
		if err == wayErrors[refusing] {
			l.refuse(it, now)
		} else {
			it.deliveries-- // it does not count
		}
	}
}

// judge says what is wrong with delivering it to s.
func (l *ledger) judge(it *item, s *sub, now time.Time) {
	switch {
	case it.state == underWay:
		l.fail("%s is delivered to %s while it is under way to %s", it, s, it.to.to)
	case it.state != waiting:
		l.fail("%s is delivered to %s, but it %s", it, s, it.state)
	case it.due.After(now):
		l.fail("%s is delivered to %s %s too early", it, s, it.due.Sub(now))
	case !s.auto() && len(s.under) >= it.line.rule.Acks.Prefetch:
		l.fail("%s is delivered to %s, which has %d to settle", it, s, len(s.under))
	case s.peer.way == busy:
		l.fail("%s is delivered to %s, which has much to read still", it, s)
	}
	for _, first := range it.line.items {
		if first == it {
			break
		}
		if first.state == waiting && first.due.Before(now) { // at the moment itself, either may be
			l.fail("%s is delivered to %s before %s", it, s, first)
		}
	}
}

// pass holds the line to its being fair: whoever has room gets something before
// the others have had their turn twice.
func (l *ledger) pass(s *sub, now time.Time) {
	for _, o := range s.line.subs {
		if o == s || !o.room(now) {
			o.passed = 0
			continue
		}
		if o.passed++; o.passed > 2*len(s.line.subs) {
			l.fail("%s is passed over: %d others were served", o, o.passed)
		}
	}
}

// delivery finds one by its ack id.
func (p *peer) delivery(ack string) *delivery {
	for _, d := range p.given {
		if d.ack == ack {
			return d
		}
	}
	return nil
}

// Close is how the broker cuts a client.
func (p *peer) Close(reason error) {
	p.l.mu.Lock()
	defer p.l.mu.Unlock()
	p.cut = reason
	if !p.full || message.Public(reason).Code != message.CodeFull {
		p.l.fail("%s is cut because of %v", p.name, reason)
	}
}

// Waiting is about how much the client has still to read.
func (p *peer) Waiting() int {
	p.l.mu.Lock()
	defer p.l.mu.Unlock()
	if p.way == busy {
		return 1 << 30
	}
	return 0
}
