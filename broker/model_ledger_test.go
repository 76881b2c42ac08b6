package broker_test

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/message/destination"
)

// ledger is the model of a broker, and knows nothing of how one works. It stands
// around it, sees all that comes in and all that goes out, and keeps where each
// message has to be: in exactly one state. The first thing that the broker does
// wrong stands in wrong.
//
// What the broker is asked for is in the books before it is asked: it delivers, and
// tells receipts, while it is.
type ledger struct {
	broker *broker.Memory
	rules  []broker.Rule // the longest prefix first

	undertaker sync.Mutex // dead letters come one after another, so that their order is known

	mu       sync.Mutex
	wrong    string
	peers    []*peer // that are connected
	lines    []*line
	postings map[string]*posting // by their text
	doomed   []*item             // whose dead letters have not come yet
	closed   bool
	want     broker.MemoryStats // the counters
}

// peer is a session and its client.
type peer struct {
	*message.Session
	l      *ledger
	name   string
	way    way
	racing bool // its end comes at the same time as something else of its
	gone   bool // it has disconnected
	full   bool // it has to be cut, because too much waits for it
	cut    error
	subs   []*sub
	given  []*delivery // all that is to be settled, and was
	open   map[string][]inTxn
}

// way is how it is to deliver to a peer.
type way string

const (
	fine        way = "fine"
	busy        way = "busy"
	unreachable way = "unreachable"
	refusing    way = "refusing"
	vetoed      way = "vetoed"
)

var wayErrors = map[way]error{
	unreachable: message.Errorf(message.CodeUnavailable, "nobody is there"),
	refusing:    fmt.Errorf("an interceptor does not like it"),
	vetoed:      message.ErrDropped,
}

// sub is a subscription.
type sub struct {
	peer     *peer
	id, dest string
	pattern  destination.Pattern
	mode     string
	line     *line       // nil for one to a topic that does not acknowledge
	under    []*delivery // not settled, in their order
	rest     time.Time   // until when it may be spared, because a delivery failed
	passed   int         // over, how often others were served while it had room
}

func (s *sub) String() string { return s.peer.name + "/" + s.id }

// room reports whether it can be sent something.
func (s *sub) room(now time.Time) bool {
	return s.peer.way != busy && !now.Before(s.rest) && (s.auto() || len(s.under) < s.line.rule.Acks.Prefetch)
}

// auto reports whether deliveries are settled by being made.
func (s *sub) auto() bool { return s.mode == "" }

// line is messages in the order in which they are to be delivered: a queue, or what
// one subscription that acknowledges has to get of a topic.
type line struct {
	name  string
	rule  *broker.Rule
	topic bool
	items []*item // in the order in which they were accepted, whatever became of them
	subs  []*sub  // that compete for them
}

// item is a message in a line.
type item struct {
	line       *line
	posting    *posting
	state      state
	due        time.Time // if it waits: not before
	to         *delivery // if it is under way
	deliveries int
	refusals   int
	uncounted  bool // there may be one delivery more
}

func (it *item) String() string { return it.posting.text + " of " + it.line.name }

type state string

const (
	waiting  state = "waits"
	underWay state = "is under way"
	settled  state = "was settled"
	dead     state = "is dead"
	lost     state = "had to be dropped"
	refused  state = "was refused"
)

func (it *item) open() bool { return it.state == waiting || it.state == underWay }

// delivery is one of those that are to be settled.
type delivery struct {
	item  *item
	to    *sub
	ack   string
	due   time.Time // when it expires
	ended string    // why
}

// posting is a message that was sent.
type posting struct {
	text, dest string
	id         string // message-id
	header     string // count of deliveries of the letter that died of which it is made
	items      []*item
	awaited    []*sub // who does not acknowledge, and has not got it yet
	bytes      int64  // of the broker before
	held       bool   // in a transaction
	handled    bool   // by the broker, or refused
	err        error
	told       []error
}

func newLedger(rules []broker.Rule) *ledger {
	l := &ledger{rules: rules, postings: map[string]*posting{}}
	l.want.Dropped = map[string]uint64{}
	return l
}

// fail notes what is wrong.
func (l *ledger) fail(format string, args ...any) {
	if l.wrong == "" {
		l.wrong = fmt.Sprintf(format, args...)
	}
}

func (l *ledger) rule(dest string) *broker.Rule {
	for i := range l.rules {
		if strings.HasPrefix(dest, l.rules[i].Prefix) {
			return &l.rules[i]
		}
	}
	panic("no rule of " + dest)
}

// queue returns the line of a queue.
func (l *ledger) queue(dest string) *line {
	for _, n := range l.lines {
		if !n.topic && n.name == dest {
			return n
		}
	}
	return l.newLine(dest, dest, false)
}

func (l *ledger) newLine(name, dest string, topic bool) *line {
	n := &line{name: name, rule: l.rule(dest), topic: topic}
	l.lines = append(l.lines, n)
	return n
}

// open counts what is not settled.
func (n *line) open() (count int) {
	for _, it := range n.items {
		if it.open() {
			count++
		}
	}
	return count
}

// full reports whether there is no room for one more.
func (n *line) full() bool { return n.open() >= n.rule.Backlog.Messages }

func (n *line) find(text string) *item {
	for _, it := range n.items {
		if it.posting.text == text {
			return it
		}
	}
	return nil
}

func (n *line) add(p *posting, s state) {
	it := &item{line: n, posting: p, state: s}
	n.items = append(n.items, it)
	p.items = append(p.items, it)
}

// take ends a delivery: its message waits.
func (d *delivery) take(why string) {
	d.ended = why
	d.to.under = slices.DeleteFunc(d.to.under, func(o *delivery) bool { return o == d })
	d.item.state, d.item.to, d.item.due = waiting, nil, time.Time{}
}

// refuse is what a failed delivery does to a message that waits.
func (l *ledger) refuse(it *item, at time.Time) {
	it.refusals++
	acks := &it.line.rule.Acks
	switch {
	case it.line.topic && len(it.line.subs) == 0:
		l.drop(it, "gone")
	case it.refusals >= acks.MaxDeliveries:
		it.state = dead
		l.want.DeadLetters++
		if acks.DeadLetter == it.posting.dest { // it would go round for ever
			l.want.Dropped["dead"]++
		} else {
			l.doomed = append(l.doomed, it)
		}
	default:
		l.want.Redelivered++
		it.due = at.Add(min(acks.Backoff<<(it.refusals-1), acks.MaxBackoff))
	}
}

func (l *ledger) drop(it *item, why string) {
	it.state = lost
	l.want.Dropped[why]++
}

// expire ends the deliveries whose deadline is over.
func (l *ledger) expire(now time.Time) {
	for _, n := range l.lines {
		for _, it := range n.items {
			if d := it.to; d != nil && !d.due.After(now) {
				d.take("expired")
				l.want.Expired++
				l.refuse(it, d.due)
			}
		}
	}
}

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
