package broker_test

import (
	"fmt"
	"slices"
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
