package broker

import (
	"cmp"
	"context"
	"sync"

	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/message/destination"
)

// client is a connected session and what it subscribed to.
type client struct {
	mu            sync.Mutex
	gone          bool
	subscriptions map[string]entry
	unsettled     *unsettled // nil until a subscription acknowledges
}

// entry is a subscription of a client. It is in the index, or served by a queue, or
// both: one that acknowledges what it gets from a topic. It is small, because there
// are many.
type entry struct {
	destination string
	index       *destination.Entry[subscription]
	consumer    *consumer // of a queue, or nil
	join        *join     // until a subscription to a topic that keeps messages has begun
}

// acks returns what the client has to settle, or nil if it never had.
func (c *client) acks() *unsettled {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.unsettled
}

func (c *client) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.subscriptions)
}

func (b *Memory) connect(ctx context.Context, m message.Raw) error {
	b.delivery.tell(ctx, Event{Kind: Connect, Session: m.Session})
	b.mu.Lock()
	_, known := b.clients[m.Session]
	if !known {
		b.clients[m.Session] = &client{subscriptions: make(map[string]entry)}
	}
	b.mu.Unlock()
	if known {
		return errConnected
	}
	err := b.delivery.outgoing(ctx, &message.Raw{Kind: message.KindConnected, Session: m.Session})
	select {
	case <-m.Session.Done(): // where messages overtake each other, its end may have been told before
		err = cmp.Or[error](err, errNotConnected)
	default:
	}
	if err != nil {
		b.forget(m.Session)
		return err
	}
	b.delivery.tell(ctx, Event{Kind: Connected, Session: m.Session})
	return nil
}

func (b *Memory) client(s *message.Session) *client {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.clients[s]
}

func (b *Memory) subscribe(ctx context.Context, m message.Raw) error {
	b.delivery.tell(ctx, Event{Kind: Subscribe, Session: m.Session, Destination: m.Destination, Subscription: m.Subscription})
	mode, err := message.AckModeOf(m.Header)
	if err != nil {
		return err
	}
	if m.Header.Get(message.HeaderSelector) != "" {
		return errSelector
	}
	pattern, err := b.parse(m.Destination)
	if err == nil {
		err = b.mesh.allow(m.Destination)
	}
	if err != nil {
		return err
	}
	c := b.client(m.Session)
	if c == nil {
		return errNotConnected
	}
	rule := b.rules.of(m.Destination)
	j := &join{client: c, pattern: pattern, to: subscription{session: m.Session, id: m.Subscription}}
	if err := j.readResume(m.Header); err != nil {
		return err
	}
	if err := b.mesh.join(ctx, m.Destination, pattern, rule); err != nil {
		return err
	}
	e, err := b.keep(j, m, rule, mode)
	if err != nil {
		b.mesh.part(m.Destination)
		return err
	}
	if e.join != nil {
		return b.beginLater(ctx, m, rule, e)
	}
	if j.resume {
		_ = b.delivery.to(ctx, j.answer(m.Destination, false)) // nothing is kept, or not for patterns
	}
	m.Done.Reached(message.Stored)
	b.tellSubscribed(ctx, m)
	if e.consumer != nil {
		e.consumer.queue.run() // something may wait for it
	}
	return nil
}

// tellSubscribed tells that a subscription is stored.
func (b *Memory) tellSubscribed(ctx context.Context, m message.Raw) {
	b.delivery.tell(ctx, Event{Kind: Subscribed, Session: m.Session, Destination: m.Destination, Subscription: m.Subscription})
}

// beginLater lets a subscription begin behind what its topic has under way.
func (b *Memory) beginLater(ctx context.Context, m message.Raw, rule *Rule, e entry) error {
	m.Done.Hold()
	e.join.begun = func(err error) {
		if err == nil {
			m.Done.Reached(message.Stored)
		}
		m.Done.Release(err)
	}
	err := b.lanes.in(ctx, b, m.Destination, rule, func(l *lane) error { return l.begin(ctx, e.join) })
	if err != nil {
		m.Done.Release(nil) // the error is told by who is given it
		if e, ok := e.join.client.take(m.Subscription); ok {
			b.remove(e)
		}
		return err
	}
	b.tellSubscribed(ctx, m) // now, for its end may be told before it begins; what comes from now on is its
	return nil
}

// keep adds a subscription unless the client is gone: its lock is what keeps a
// late SUBSCRIBE from leaving anything behind.
func (b *Memory) keep(j *join, m message.Raw, rule *Rule, mode message.AckMode) (e entry, err error) {
	c := j.client
	if m.Subscription == "" {
		return e, errNoID
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.gone {
		return e, errNotConnected
	}
	if _, ok := c.subscriptions[m.Subscription]; ok {
		return e, errDuplicate
	}
	if limit := b.config.MaxSubscriptions; limit >= 0 && len(c.subscriptions) >= limit {
		return e, errTooMany(limit)
	}
	e.destination = m.Destination
	if mode != message.AckAuto || rule.Mode == Queue {
		e.consumer = c.consumer(j.to, mode)
	}
	switch {
	case rule.Mode == Queue:
		err = b.store.serve(m.Destination, rule, e.consumer)
	case mode != message.AckAuto:
		j.to.queue, err = b.store.single(rule, e.consumer)
	}
	switch {
	case err != nil:
		return e, err
	case rule.Mode == Queue:
	case rule.keeps() && j.pattern.Exact():
		e.join = j
	default:
		e.index = b.index.Add(j.pattern, j.to)
	}
	c.subscriptions[m.Subscription] = e
	return e, nil
}

// consumer returns what a queue serves. The lock is held.
func (c *client) consumer(s subscription, mode message.AckMode) *consumer {
	if mode != message.AckAuto && c.unsettled == nil {
		c.unsettled = new(unsettled)
	}
	return &consumer{subscription: s, mode: mode, unsettled: c.unsettled}
}

// unsubscribe ends a subscription; one that is not there is no error, for it may
// be another broker's. What was delivered to it may still be settled.
func (b *Memory) unsubscribe(ctx context.Context, m message.Raw) {
	c := b.client(m.Session)
	if c == nil {
		return
	}
	if e, ok := c.take(m.Subscription); ok {
		b.remove(e)
		b.delivery.tell(ctx, Event{Kind: Unsubscribed, Session: m.Session, Destination: e.destination, Subscription: m.Subscription})
	}
}

// take takes a subscription out of those of the client.
func (c *client) take(id string) (entry, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.subscriptions[id]
	delete(c.subscriptions, id)
	return e, ok
}

// remove takes a subscription out of the index and out of its queue.
func (b *Memory) remove(e entry) {
	if e.index != nil {
		b.index.Remove(e.index)
	}
	if e.consumer != nil {
		e.consumer.queue.detach(false, e.consumer)
		e.consumer.queue.run()
	}
	b.mesh.part(e.destination)
}

func (b *Memory) disconnect(ctx context.Context, s *message.Session) {
	if b.forget(s) {
		b.delivery.tell(ctx, Event{Kind: Disconnected, Session: s, Reason: s.Reason()})
	}
}

// forget reports whether the session was connected. What it had not settled goes to
// others.
func (b *Memory) forget(s *message.Session) bool {
	b.mu.Lock()
	c := b.clients[s]
	delete(b.clients, s)
	b.mu.Unlock()
	if c == nil {
		return false
	}
	c.mu.Lock()
	all, unsettled := c.subscriptions, c.unsettled
	c.gone, c.subscriptions = true, nil
	c.mu.Unlock()
	var consumers []*consumer
	for _, e := range all {
		if e.index != nil {
			b.index.Remove(e.index)
		}
		if e.consumer != nil {
			consumers = append(consumers, e.consumer)
		}
	}
	unsettled.lose(consumers)
	for _, e := range all {
		b.mesh.part(e.destination)
	}
	return true
}
