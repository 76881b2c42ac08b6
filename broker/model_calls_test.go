package broker_test

import (
	"context"
	"slices"
	"strconv"
	"time"

	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/message/destination"
)

// Handle is the way into the broker.
func (l *ledger) Handle(ctx context.Context, m message.Raw) error {
	var after func(error) // what holds when the broker has done it
	switch m.Kind {
	case message.KindData:
		m.Done.Suffice(l.broker.Receipts(m.Destination))
		after = l.publish(m)
	case message.KindSubscribe:
		after = l.subscribe(m)
	case message.KindUnsubscribe:
		after = l.unsubscribe(m)
	case message.KindAck, message.KindNack:
		after = l.settle(m)
	case message.KindDisconnect:
		after = l.disconnect(m)
	default:
		after = l.expect(m, "")
	}
	err := l.broker.Handle(ctx, m)
	after(err)
	return err
}

// expect returns what compares an outcome.
func (l *ledger) expect(m message.Raw, code message.Code) func(error) {
	return func(err error) {
		l.mu.Lock()
		defer l.mu.Unlock()
		if got := message.Public(err); (got == nil) != (code == "") || got != nil && got.Code != code {
			l.fail("%s of %s %s%s: %v, want code %q", m.Kind, l.name(m.Session), m.Destination, m.Subscription, err, code)
		}
	}
}

func (l *ledger) name(s *message.Session) string {
	if p := l.peer(s); p != nil {
		return p.name
	}
	return "nobody"
}

// peer returns who is connected by this session, or nil.
func (l *ledger) peer(s *message.Session) *peer {
	for _, p := range l.peers {
		if p.Session == s {
			return p
		}
	}
	return nil
}

// publish writes down who has to get a message. If it cannot be refused, it may
// be delivered right now.
func (l *ledger) publish(m message.Raw) func(error) {
	bytes := l.broker.Stats().Bytes
	l.mu.Lock()
	defer l.mu.Unlock()
	l.expire(time.Now())
	p := l.postings[string(m.Payload)]
	p.bytes = bytes
	if l.closed {
		return l.published(p, l.expect(m, message.CodeUnavailable))
	}
	l.want.Published++
	if n := l.lineFor(m.Destination); n == nil {
		l.fanOut(p)
	} else if n.full() {
		n.add(p, refused)
		return l.published(p, l.expect(m, message.CodeFull))
	} else {
		n.add(p, waiting)
	}
	return l.published(p, l.expect(m, ""))
}

// lineFor returns the line of a queue, or nil for a topic.
func (l *ledger) lineFor(dest string) *line {
	if l.rule(dest).Mode == 0 {
		return nil
	}
	return l.queue(dest)
}

// fanOut writes down who has to get what is sent to a topic.
func (l *ledger) fanOut(p *posting) {
	for _, c := range l.peers {
		for _, s := range c.subs {
			switch {
			case !s.pattern.Match(p.dest) || s.line != nil && !s.line.topic:
			case s.line == nil:
				p.awaited = append(p.awaited, s)
			case s.line.full():
				c.full = true
				l.want.Dropped["full"]++
			default:
				s.line.add(p, waiting)
			}
		}
	}
}

func (l *ledger) published(p *posting, expected func(error)) func(error) {
	return func(err error) {
		expected(err)
		l.mu.Lock()
		defer l.mu.Unlock()
		p.handled, p.err = true, err
		l.mustHave(p, "it was handled")
	}
}

// mustHave looks for those who should have got a message that nobody acknowledges.
func (l *ledger) mustHave(p *posting, when string) {
	for _, s := range p.awaited {
		if !s.peer.full {
			l.fail("%s was not delivered to %s when %s", p.text, s, when)
		}
	}
}

// receipt returns the completion of a message, and holds it to its word.
func (l *ledger) receipt(p *posting) *message.Completion {
	return message.NewCompletion(message.Handled, func(err error) {
		bytes := l.broker.Stats().Bytes
		l.mu.Lock()
		defer l.mu.Unlock()
		p.told = append(p.told, err)
		handled := l.rule(p.dest).Receipts == message.Handled
		switch {
		case err != nil:
		case len(p.items) == 0 || p.items[0].line.topic:
			l.mustHave(p, "its receipt came")
		case handled && p.items[0].state != settled:
			l.fail("the receipt of %s says that it was handled, and it %s", p.items[0], p.items[0].state)
		case !handled && p.items[0].state == waiting && bytes <= p.bytes:
			l.fail("the receipt of %s says that it was stored, and the broker does not have it", p.items[0])
		}
	})
}

// bury takes dead letters.
func (l *ledger) bury(ctx context.Context, m message.Raw) error {
	l.undertaker.Lock()
	defer l.undertaker.Unlock()
	return l.Handle(ctx, l.buried(m))
}

// buried looks up of what m is the dead letter, and gives it a text of its own.
func (l *ledger) buried(m message.Raw) message.Raw {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.expire(time.Now())
	count := m.Header.Get(message.HeaderDeliveries)
	i := slices.IndexFunc(l.doomed, func(it *item) bool {
		return it.posting.text == string(m.Payload) && it.posting.dest == m.Header.Get(message.HeaderDeadFrom) &&
			it.line.rule.Acks.DeadLetter == m.Destination && (it.uncounted || strconv.Itoa(it.deliveries) == count)
	})
	if i < 0 {
		l.fail("a dead letter %s comes to %s, of %s", m.Payload, m.Destination, m.Header.Get(message.HeaderDeadFrom))
	} else {
		l.doomed = slices.Delete(l.doomed, i, i+1)
	}
	p := l.post(m.Destination)
	p.header = count
	m.Payload = []byte(p.text)
	return m
}

// post makes a message.
func (l *ledger) post(dest string) *posting {
	p := &posting{text: "m" + strconv.Itoa(len(l.postings)+1), dest: dest}
	l.postings[p.text] = p
	return p
}

func (l *ledger) subscribe(m message.Raw) func(error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := l.peer(m.Session)
	switch {
	case l.closed:
		return l.expect(m, message.CodeUnavailable)
	case c == nil:
		return l.expect(m, message.CodeInvalid)
	case slices.ContainsFunc(c.subs, func(s *sub) bool { return s.id == m.Subscription }):
		return l.expect(m, message.CodeConflict)
	}
	s := &sub{
		peer: c, id: m.Subscription, dest: m.Destination, mode: m.Header.Get(message.HeaderAckMode),
		pattern: destination.MustParse(m.Destination, destination.Slash),
	}
	s.line = l.lineFor(m.Destination)
	if s.line == nil && !s.auto() {
		s.line = l.newLine(s.String(), m.Destination, true)
	}
	if s.line != nil {
		s.line.subs = append(s.line.subs, s)
	}
	c.subs = append(c.subs, s)
	return l.expect(m, "")
}

func (l *ledger) unsubscribe(m message.Raw) func(error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if c := l.peer(m.Session); c != nil {
		if i := slices.IndexFunc(c.subs, func(s *sub) bool { return s.id == m.Subscription }); i >= 0 {
			l.end(c.subs[i])
			c.subs = slices.Delete(c.subs, i, i+1)
		}
	}
	return l.expect(m, "")
}

// end ends a subscription. What is under way to it stays so.
func (l *ledger) end(s *sub) {
	if s.line == nil {
		return
	}
	s.line.subs = slices.DeleteFunc(s.line.subs, func(o *sub) bool { return o == s })
	if s.line.topic {
		for _, it := range s.line.items {
			if it.state == waiting {
				l.drop(it, "gone")
			}
		}
	}
}

// disconnect takes back what is under way to any subscription that the session had.
func (l *ledger) disconnect(m message.Raw) func(error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.expire(time.Now())
	c := l.peer(m.Session)
	if c == nil {
		return l.expect(m, "")
	}
	l.peers = slices.DeleteFunc(l.peers, func(o *peer) bool { return o == c })
	for _, d := range c.given {
		if d.ended == "" {
			d.take("lost")
			if d.item.line.topic {
				l.drop(d.item, "gone")
			}
		}
	}
	for _, s := range c.subs {
		l.end(s)
	}
	c.subs = nil
	return l.expect(m, "")
}

// settle ends a delivery, and those before it if that is how its subscription
// acknowledges.
func (l *ledger) settle(m message.Raw) func(error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	l.expire(now)
	c := l.peer(m.Session)
	if c == nil {
		return l.expect(m, message.CodeInvalid)
	}
	d := c.delivery(m.Header.Get(message.HeaderAck))
	if id := m.Header.Get(message.HeaderMessageID); id != "" {
		if d = c.underWay(id, m.Subscription); d == nil && c.knewExpired(id) {
			return l.expect(m, "") // late
		}
	}
	switch {
	case d != nil && d.ended == "expired":
		return l.expect(m, "")
	case d == nil || d.ended != "":
		return l.expect(m, message.CodeNotFound)
	}
	all := []*delivery{d}
	if d.to.mode == "client" {
		all = slices.Clone(d.to.under[:slices.Index(d.to.under, d)+1])
	}
	for _, d := range all {
		d.take("settled")
		if m.Kind == message.KindAck {
			d.item.state = settled
		} else {
			l.refuse(d.item, now)
		}
	}
	return l.expect(m, "")
}

// underWay finds what is to be settled by the message's id and the subscription's.
func (p *peer) underWay(id, sub string) *delivery {
	for _, d := range p.given {
		if d.ended == "" && d.item.posting.id == id && d.to.id == sub {
			return d
		}
	}
	return nil
}

// knewExpired reports whether a delivery of this message was not settled in time.
func (p *peer) knewExpired(id string) bool {
	return slices.ContainsFunc(p.given, func(d *delivery) bool { return d.ended == "expired" && d.item.posting.id == id })
}

// close gives up what is there.
func (l *ledger) close() {
	l.mu.Lock()
	l.closed = true
	for _, n := range l.lines {
		for _, it := range n.items {
			if it.to != nil {
				it.to.take("closed")
			}
			if it.open() {
				l.drop(it, "closed")
			}
		}
		n.subs = nil
	}
	l.mu.Unlock()
	l.broker.Close()
}
