package broker

import (
	"cmp"
	"context"
	"errors"
	"sync"
	"sync/atomic"

	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/message/destination"
)

// Memory is the embedded broker: it keeps subscriptions in memory and delivers
// every message to each subscription whose destination matches, or, where a [Rule]
// makes a queue of the destination, to one of them. It answers KindConnect with
// KindConnected, keeps KindSubscribe until KindUnsubscribe or KindDisconnect,
// publishes KindData, and takes KindAck and KindNack of what it delivered to
// subscriptions that ask for it by [message.HeaderAckMode]. Kinds that it does not
// know are refused, and so are selectors. With a [Backplane] it is one with those of other
// nodes.
type Memory struct {
	config   Config
	rules    rules
	delivery delivery
	store    store
	lanes    lanes
	mesh     *mesh // with other nodes; nil: there are none
	index    *destination.Index[subscription]
	closed   atomic.Bool
	parting  parting

	mu      sync.RWMutex
	clients map[*message.Session]*client
}

var _ Broker = (*Memory)(nil)

// subscription is what the index holds.
type subscription struct {
	session *message.Session
	id      string
	queue   *queue // of its own, if it acknowledges what it gets from a topic
}

// NewMemory returns a broker that delivers to outbound: one message for each
// matching subscription, with its Session and Subscription set. Close ends it. With a
// Backplane and rules that are Everywhere it waits for the engine, 10 s at most for each,
// and goes on asking behind that. Rules that nodes cannot keep together panic.
func NewMemory(outbound message.RawHandler, config Config) *Memory {
	config = config.withDefaults()
	b := &Memory{
		config:  config,
		rules:   newRules(config.Separator, config.Rules),
		index:   destination.NewIndex[subscription](config.Separator),
		clients: make(map[*message.Session]*client),
	}
	b.delivery.init(outbound, config.Events, config.Logger)
	b.store.init(&b.delivery, config.Separator, config.MaxBytes, config.DeadLetters)
	b.lanes.init(config.Separator)
	if config.DeadLetters == nil {
		b.store.letters = b
	}
	if config.Backplane != nil {
		b.mesh = newMesh(b)
		b.mesh.start()
		return b
	}
	b.delivery.tell(context.Background(), Event{Kind: Available})
	return b
}

// Receipts returns how far a message to a destination must get before its sender is
// told, as its [Rule] says. Whoever hands messages on to the broker asks for no more
// ([message.Completion.Suffice]); the broker itself cannot make less of it.
func (b *Memory) Receipts(dest string) message.Level {
	return cmp.Or(b.rules.of(dest).Receipts, message.Stored)
}

// Features says what the broker can do; it depends on the rules where. With a Backplane
// it is what that allows: patterns if a rule says Everywhere or Local.
func (b *Memory) Features() Features {
	f := Features{
		Patterns: true, Ordered: true, Queues: true, Backlog: true, Acks: true, DeadLetters: true,
		History: true, Retain: true,
	}
	if b.mesh != nil {
		b.mesh.limit(&f)
	}
	return f
}

// Handle takes a message of any kind. It does not block unless the outbound handler
// does, or, for 10 s at most, too much is on its way from a topic with a history, or the
// engine of a Backplane takes its time.
func (b *Memory) Handle(ctx context.Context, m message.Raw) error {
	if limit := b.config.MaxDestination; limit >= 0 && len(m.Destination) > limit {
		return errTooLong(limit)
	}
	switch {
	case m.Kind == message.KindDisconnect && m.Session != nil:
		b.disconnect(ctx, m.Session)
		return nil
	case b.closed.Load():
		return errClosed
	case m.Kind == message.KindData:
		return b.publish(ctx, m)
	case m.Session == nil:
		return errNoSession
	}
	switch m.Kind {
	case message.KindConnect:
		return b.connect(ctx, m)
	case message.KindSubscribe:
		return b.subscribe(ctx, m)
	case message.KindUnsubscribe:
		b.unsubscribe(ctx, m)
		return nil
	case message.KindAck, message.KindNack:
		return b.settle(m)
	}
	return errUnsupported(m.Kind)
}

func (b *Memory) publish(ctx context.Context, m message.Raw) error {
	if _, ok := m.Header.Lookup(message.HeaderTransaction); ok {
		return errTransaction
	}
	if err := b.mesh.allow(m.Destination); err != nil {
		return err
	}
	rule := b.rules.of(m.Destination)
	borrowed := m.Session != nil
	spans := b.mesh.spans(rule)
	if borrowed && (rule.Mode == Queue || rule.keeps()) {
		m = owned(m)
	}
	switch {
	case rule.Mode == Queue && !spans:
		return b.enqueue(ctx, m, rule)
	case rule.Mode != Queue && b.crowded(&m):
		return errStore
	case spans:
		return b.mesh.publish(ctx, m, rule, borrowed)
	case rule.keeps():
		b.delivery.published.Add(1)
		err := b.lanes.in(ctx, b, m.Destination, rule, func(l *lane) error { return l.publish(ctx, &m) })
		if err == nil {
			m.Done.Reached(message.Stored)
		}
		return err
	}
	b.fanOut(ctx, b.delivery.prepare(m), borrowed)
	m.Done.Reached(message.Stored)
	return nil
}

// crowded reports whether the broker has no room to keep a message of a topic for all
// who acknowledge it. Its sender is refused then, and they lose nothing: others may
// have taken the room.
func (b *Memory) crowded(m *message.Raw) bool {
	const plenty = 1 << 20
	room := b.store.limit - b.store.bytes.Load()
	if room >= plenty {
		return false
	}
	for s := range b.index.Match(m.Destination) {
		if s.queue != nil {
			room -= int64(sizeOf(m))
		}
	}
	return room < 0
}

// fanOut delivers to all who match. What is borrowed is a client's, see owned.
func (b *Memory) fanOut(ctx context.Context, out message.Raw, borrowed bool) {
	for s := range b.index.Match(out.Destination) {
		if borrowed && s.queue != nil {
			out, borrowed = owned(out), false
		}
		b.store.hand(ctx, out, s)
	}
}

// enqueue stores a message for one of the consumers of its destination.
func (b *Memory) enqueue(ctx context.Context, m message.Raw, rule *Rule) error {
	out := b.delivery.prepare(m)
	if rule.Receipts == message.Handled {
		m.Done.Hold()
		out.Done = m.Done
	}
	q, err := b.store.put(ctx, out, tries{}, rule)
	if err != nil {
		out.Done.Release(nil) // the error is told by who is given it
		return err
	}
	m.Done.Reached(message.Stored)
	q.run()
	return nil
}

func (b *Memory) settle(m message.Raw) error {
	if _, ok := m.Header.Lookup(message.HeaderTransaction); ok {
		return errTransaction
	}
	c := b.client(m.Session)
	if c == nil {
		return errNotConnected
	}
	if u := c.acks(); u != nil {
		return u.settle(m, &b.delivery)
	}
	return ErrUnknownAck
}

// exact parses a destination that is to have no wildcards.
func exact(dest string, r *Rule, sep destination.Separator) (destination.Pattern, error) {
	p, err := destination.Parse(dest, sep)
	if err == nil && p.Exact() {
		return p, nil
	}
	what := "a destination with a history"
	if r.Mode == Queue {
		what = "a queue"
	}
	return p, message.Errorf(message.CodeInvalid, "%s has no wildcards: %.200q", what, dest)
}

func (b *Memory) parse(dest string) (destination.Pattern, error) {
	p, err := destination.Parse(dest, b.config.Separator)
	if bad, ok := errors.AsType[*destination.SyntaxError](err); ok {
		return p, message.Errorf(message.CodeInvalid, "bad destination %.200q, position %d: %s", bad.Pattern, bad.Offset, bad.Reason)
	}
	if limit := b.config.MaxPatternCost; limit >= 0 && p.Cost() > limit {
		return p, message.Errorf(message.CodeDenied, "the pattern %.200q costs %d, and %d is allowed", dest, p.Cost(), limit)
	}
	return p, b.rules.forbid(p)
}

// Close refuses what comes later, gives up what waits, and returns when no timer and no
// goroutine of the broker runs any more, so neither the outbound handler nor one of events
// may call it. How much was given up is counted and logged. With a Backplane it ends the
// node's subscriptions, and what is in queues goes to other nodes: for that the engine has
// 10 s; [Memory.Shutdown] gives it less.
func (b *Memory) Close() { <-b.part() }

// part begins the end of the broker.
func (b *Memory) part() (over <-chan struct{}) {
	b.closed.Store(true)
	return b.parting.begin(b.close)
}

func (b *Memory) close() {
	if b.mesh != nil {
		b.mesh.close()
	} else {
		b.delivery.tell(context.Background(), Event{Kind: Unavailable})
	}
	before := b.store.dropped[dropClosed].Load()
	b.lanes.close()
	b.store.close()
	if lost := b.store.dropped[dropClosed].Load() - before; lost > 0 {
		b.delivery.log().Warn("broker closed with messages that waited", "messages", lost)
	}
}

// MemoryStats is a snapshot of a [Memory] broker.
type MemoryStats struct {
	// Sessions is how many sessions are connected.
	Sessions int
	// Subscriptions is how many subscriptions they hold.
	Subscriptions int
	// Topics is how many topics there are whose messages are kept.
	Topics int
	// Published counts messages that were sent to the broker.
	Published uint64
	// Delivered counts deliveries that the outbound handler took.
	Delivered uint64
	// Failed counts deliveries that it did not take.
	Failed uint64
	// Joined is how many topics of the Backplane the node is subscribed to.
	Joined int
	// Arrived counts messages that came from the Backplane.
	Arrived uint64
	// QueueStats are those of queues and of subscriptions that acknowledge.
	QueueStats
}

// Stats returns a snapshot.
func (b *Memory) Stats() MemoryStats {
	b.mu.RLock()
	sessions, subscriptions := len(b.clients), 0
	for _, c := range b.clients {
		subscriptions += c.count()
	}
	b.mu.RUnlock()
	joined, arrived := b.mesh.stats()
	return MemoryStats{
		Joined:        joined,
		Arrived:       arrived,
		Sessions:      sessions,
		Subscriptions: subscriptions,
		Topics:        b.lanes.index.Len(),
		Published:     b.delivery.published.Load(),
		Delivered:     b.delivery.delivered.Load(),
		Failed:        b.delivery.failed.Load(),
		QueueStats:    b.store.stats(),
	}
}
