package broker

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/message/destination"
)

// Mode says who gets a message.
type Mode uint8

// The modes.
const (
	// Topic: every subscription that matches.
	Topic Mode = iota
	// Queue: one of the subscriptions to the destination. Messages wait while
	// none has room for them.
	Queue
)

// Rule says how a [Memory] broker treats the destinations below a prefix. The one
// with the longest prefix counts.
type Rule struct {
	// Prefix begins the destinations, such as "/queue". It may be written with or
	// without the separator at its end. Zero means all destinations.
	Prefix string
	// Mode says who gets a message. Zero means [Topic].
	Mode Mode
	// NoPatterns refuses subscriptions with wildcards that could match a
	// destination of the rule. Zero means that they are allowed. Below the prefix of
	// a [Queue] they never are, and those that reach into it from outside, such as
	// "/**", get nothing of its messages.
	NoPatterns bool
	// Acks says how deliveries are acknowledged, where a subscription asks for it.
	Acks Acks
	// Backlog bounds what may wait: in a [Queue], and for each subscription to a
	// [Topic] that acknowledges.
	Backlog Backlog
	// Receipts says how far a message must get before its sender is told, if his
	// [message.Completion] asks for as much: [message.Accepted], which is when a
	// channel on the way took it; [message.Stored], when the broker has it; or, in
	// a [Queue], [message.Handled], when a consumer has acknowledged it. Zero means
	// Stored. With a Backplane Stored means that the engine has it, and a Queue
	// cannot have Handled.
	Receipts message.Level
	// History keeps messages of topics for those who come back, to the same node. Zero
	// means none.
	History History
	// Retain keeps the last message of each topic for new subscriptions, however old
	// it is. It counts in History.Bytes, and no message stays for one that is larger.
	// Zero means that it does not.
	Retain bool
	// Everywhere makes each node of a Backplane take all that is sent below the prefix,
	// on one topic of the engine, whether it has subscriptions there or not. That is what
	// patterns need, which see nothing else, and Retain, which implies it. Zero means that
	// a node takes what it has subscriptions for, or keeps a history of. Without a Backplane
	// it means nothing.
	Everywhere bool
	// Local keeps what is sent below the prefix at the node where it is sent, as if there
	// were no Backplane. Zero means that all nodes are one broker.
	Local bool
}

// Acks says how deliveries to subscriptions that acknowledge are settled.
type Acks struct {
	// Prefetch is how many deliveries to one subscription may be unsettled.
	// Zero means 64.
	Prefetch int
	// Deadline is how long a delivery may be unsettled before it counts as
	// refused. A KindAck or KindNack that comes later is no error and settles
	// nothing. Zero means 30 s, -1 means for ever.
	Deadline time.Duration
	// MaxDeliveries is how many deliveries of a message may fail, by KindNack, by
	// the deadline or on the way out, before it is a dead letter; those that end
	// with their session do not count. Zero means 5, -1 means any number.
	MaxDeliveries int
	// Backoff is how long a message that was refused once waits; the time doubles
	// with each further refusal. Zero means 1 s.
	Backoff time.Duration
	// MaxBackoff bounds the time. Zero means 30 s.
	MaxBackoff time.Duration
	// DeadLetter is the destination of dead letters. Empty means that they are
	// counted, logged and dropped, as are those of that destination itself. Rules
	// whose dead letters go round in a circle panic.
	DeadLetter string
}

func (a Acks) withDefaults() Acks {
	a.Prefetch = cmp.Or(a.Prefetch, 64)
	a.Deadline = cmp.Or(a.Deadline, 30*time.Second)
	a.MaxDeliveries = cmp.Or(a.MaxDeliveries, 5)
	a.Backoff = cmp.Or(a.Backoff, time.Second)
	a.MaxBackoff = cmp.Or(a.MaxBackoff, 30*time.Second)
	return a
}

// Backlog bounds messages that wait. A message that finds no room is refused with
// CodeFull, or, where it would wait for a subscription to a topic, ends that
// subscription's session.
type Backlog struct {
	// Messages is how many may wait. Zero means 10,000.
	Messages int
	// Bytes is how much memory they may take. Zero means 8 MiB.
	Bytes int
}

func (b Backlog) withDefaults() Backlog {
	b.Messages = cmp.Or(b.Messages, 10_000)
	b.Bytes = cmp.Or(b.Bytes, 8<<20)
	return b
}

// History bounds what a topic keeps. A message goes when the first of the bounds
// is passed.
type History struct {
	// Messages is how many are kept. Zero means no history.
	Messages int
	// Bytes is how much memory they may take. Zero means 384 KiB. Who resumes is sent
	// at once what he missed: more than may wait for a client, see
	// [message.SessionInfo], may cost him his session.
	Bytes int
	// Age is how long they are kept. A topic of which nothing is left begins anew, and
	// nobody resumes from before that. Zero means 5 min, -1 means for ever.
	Age time.Duration
	// Topics is how many topics with a history below the rule's prefix a node of a
	// [Backplane] takes from the engine, which may have a connection for each: those that
	// have subscriptions there, and those of which something is kept. A message to one
	// more, or a subscription, is refused with CodeFull. Zero means 1,024, -1 means any
	// number. Where the rule is Everywhere or Local, and without a Backplane, it means
	// nothing.
	Topics int
}

func (h History) withDefaults() History {
	h.Bytes = cmp.Or(h.Bytes, 384<<10)
	h.Age = cmp.Or(h.Age, 5*time.Minute)
	h.Topics = cmp.Or(h.Topics, 1024)
	return h
}

// rules finds the rule of a destination.
type rules struct {
	sep destination.Separator
	all []*Rule // the longest prefix first
}

var defaultRule = &Rule{
	Acks:    Acks{}.withDefaults(),
	Backlog: Backlog{}.withDefaults(),
	History: History{}.withDefaults(),
}

func newRules(sep destination.Separator, all []Rule) rules {
	rs := rules{sep: sep}
	for _, r := range all {
		r.Prefix = strings.TrimRight(r.Prefix, "/.")
		r.Acks, r.Backlog, r.History = r.Acks.withDefaults(), r.Backlog.withDefaults(), r.History.withDefaults()
		if r.Mode == Queue && r.keeps() {
			panic("broker: the queues of " + strconv.Quote(r.Prefix) + " keep no history")
		}
		r.Everywhere = r.Everywhere || r.Retain && !r.Local
		if r.Everywhere && (r.Local || r.Mode == Queue) {
			panic("broker: " + strconv.Quote(r.Prefix) + " is for topics that are everywhere, so neither Local nor Queue")
		}
		if r.Acks.Prefetch < 0 || r.Backlog.Messages < 0 || r.Backlog.Bytes < 0 {
			panic("broker: a bound of " + strconv.Quote(r.Prefix) + " is negative")
		}
		if i := slices.IndexFunc(rs.all, func(o *Rule) bool { return o.Prefix == r.Prefix }); i >= 0 {
			panic("broker: two rules for " + r.Prefix)
		}
		rs.all = append(rs.all, &r)
	}
	slices.SortStableFunc(rs.all, func(a, b *Rule) int { return cmp.Compare(len(b.Prefix), len(a.Prefix)) })
	rs.checkDeadLetters()
	return rs
}

// checkDeadLetters panics if dead letters go round for ever.
func (rs *rules) checkDeadLetters() {
	for _, r := range rs.all {
		at := r.Acks.DeadLetter
		for steps := 0; at != ""; steps++ {
			next := rs.of(at).Acks.DeadLetter
			if next == at { // there they are dropped
				break
			}
			if steps > len(rs.all) {
				panic("broker: the dead letters of " + strconv.Quote(r.Prefix) + " go round in a circle")
			}
			at = next
		}
	}
}

// of returns the rule of a destination.
func (rs *rules) of(dest string) *Rule {
	for _, r := range rs.all {
		if rs.below(dest, r.Prefix) {
			return r
		}
	}
	return defaultRule
}

// forbid refuses patterns that clients may not subscribe to: those in the place of
// a queue, and those that could match what is below a prefix without patterns.
func (rs *rules) forbid(p destination.Pattern) error {
	if p.Exact() {
		return nil
	}
	if rs.of(p.String()).Mode == Queue {
		return errPattern
	}
	for _, r := range rs.all {
		if r.NoPatterns && rs.reaches(p, r.Prefix) {
			return errPattern
		}
	}
	return nil
}

var errPattern error = message.Errorf(message.CodeDenied, "patterns are not allowed there")

// reaches reports whether p could match a destination below the prefix.
func (rs *rules) reaches(p destination.Pattern, prefix string) bool {
	if rs.below(p.String(), prefix) || p.Match(prefix) {
		return true
	}
	for _, rest := range [...]string{"/**", "/*", "/*.**", ".**"} {
		if all, err := destination.Parse(prefix+rest, rs.sep); err == nil && p.Overlaps(all) {
			return true
		}
	}
	return false
}

// below reports whether dest is the prefix or continues it with a new segment.
func (rs *rules) below(dest, prefix string) bool {
	rest, ok := strings.CutPrefix(dest, prefix)
	return ok && (rest == "" || prefix == "" || rest[0] == '/' || rest[0] == '.' && rs.sep == destination.Dot)
}
