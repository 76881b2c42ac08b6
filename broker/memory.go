package broker

import (
	"context"
	"errors"
	"sync"

	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/message/destination"
)

// Memory is the embedded broker: it keeps subscriptions in memory and delivers
// every message to each subscription whose destination matches. It answers
// KindConnect with KindConnected, keeps KindSubscribe until KindUnsubscribe or
// KindDisconnect, and publishes KindData. Kinds that it does not know are
// refused. It has no goroutines and needs no closing.
type Memory struct {
	config   Config
	delivery delivery
	index    *destination.Index[subscription]

	mu      sync.RWMutex
	clients map[*message.Session]*client
}

var _ message.RawHandler = (*Memory)(nil)

// subscription is what the index holds.
type subscription struct {
	session *message.Session
	id      string
}

// client is a connected session and what it subscribed to.
type client struct {
	mu            sync.Mutex
	gone          bool
	subscriptions map[string]entry
}

type entry struct {
	destination string
	index       *destination.Entry[subscription]
}

// NewMemory returns a broker that delivers to outbound: one message for each
// matching subscription, with its Session and Subscription set.
func NewMemory(outbound message.RawHandler, config Config) *Memory {
	config = config.withDefaults()
	b := &Memory{
		config:  config,
		index:   destination.NewIndex[subscription](config.Separator),
		clients: make(map[*message.Session]*client),
	}
	b.delivery.init(outbound, config.Events, config.Logger)
	return b
}

// Handle takes a message of any kind. It never blocks unless the outbound
// handler does.
func (b *Memory) Handle(ctx context.Context, m message.Raw) error {
	if limit := b.config.MaxDestination; limit >= 0 && len(m.Destination) > limit {
		return errTooLong(limit)
	}
	if m.Kind == message.KindData {
		b.publish(ctx, m)
		return nil
	}
	if m.Session == nil {
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
	case message.KindDisconnect:
		b.disconnect(ctx, m.Session)
		return nil
	}
	return errUnsupported(m.Kind)
}

func (b *Memory) publish(ctx context.Context, m message.Raw) {
	out := b.delivery.prepare(m)
	for s := range b.index.Match(m.Destination) {
		out.Session, out.Subscription = s.session, s.id
		b.delivery.to(ctx, out)
	}
	m.Done.Reached(message.Stored)
}

func (b *Memory) connect(ctx context.Context, m message.Raw) error {
	b.mu.Lock()
	_, known := b.clients[m.Session]
	if !known {
		b.clients[m.Session] = &client{subscriptions: make(map[string]entry)}
	}
	b.mu.Unlock()
	if known {
		return errConnected
	}
	if err := b.delivery.outgoing(ctx, message.Raw{Kind: message.KindConnected, Session: m.Session}); err != nil {
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
	pattern, err := b.parse(m.Destination)
	if err != nil {
		return err
	}
	c := b.client(m.Session)
	if c == nil {
		return errNotConnected
	}
	if err := b.store(c, m, pattern); err != nil {
		return err
	}
	m.Done.Reached(message.Stored)
	b.delivery.tell(ctx, Event{Kind: Subscribed, Session: m.Session, Destination: m.Destination, Subscription: m.Subscription})
	return nil
}

func (b *Memory) parse(dest string) (destination.Pattern, error) {
	p, err := destination.Parse(dest, b.config.Separator)
	if bad, ok := errors.AsType[*destination.SyntaxError](err); ok {
		return p, message.Errorf(message.CodeInvalid, "bad destination %.200q, position %d: %s", bad.Pattern, bad.Offset, bad.Reason)
	}
	if limit := b.config.MaxPatternCost; limit >= 0 && p.Cost() > limit {
		return p, message.Errorf(message.CodeDenied, "the pattern %.200q costs %d, and %d is allowed", dest, p.Cost(), limit)
	}
	return p, nil
}

// store adds a subscription unless the client is gone: its lock is what keeps a
// late SUBSCRIBE from leaving anything behind.
func (b *Memory) store(c *client, m message.Raw, pattern destination.Pattern) error {
	if m.Subscription == "" {
		return errNoID
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.gone {
		return errNotConnected
	}
	if _, ok := c.subscriptions[m.Subscription]; ok {
		return errDuplicate
	}
	if limit := b.config.MaxSubscriptions; limit >= 0 && len(c.subscriptions) >= limit {
		return errTooMany(limit)
	}
	c.subscriptions[m.Subscription] = entry{
		destination: m.Destination,
		index:       b.index.Add(pattern, subscription{session: m.Session, id: m.Subscription}),
	}
	return nil
}

// unsubscribe ends a subscription; one that is not there is no error, for it may
// be another broker's.
func (b *Memory) unsubscribe(ctx context.Context, m message.Raw) {
	c := b.client(m.Session)
	if c == nil {
		return
	}
	c.mu.Lock()
	e, ok := c.subscriptions[m.Subscription]
	if ok {
		delete(c.subscriptions, m.Subscription)
		b.index.Remove(e.index)
	}
	c.mu.Unlock()
	if ok {
		b.delivery.tell(ctx, Event{Kind: Unsubscribed, Session: m.Session, Destination: e.destination, Subscription: m.Subscription})
	}
}

func (b *Memory) disconnect(ctx context.Context, s *message.Session) {
	if b.forget(s) {
		b.delivery.tell(ctx, Event{Kind: Disconnected, Session: s, Reason: s.Reason()})
	}
}

// forget reports whether the session was connected.
func (b *Memory) forget(s *message.Session) bool {
	b.mu.Lock()
	c := b.clients[s]
	delete(b.clients, s)
	b.mu.Unlock()
	if c == nil {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.gone = true
	for _, e := range c.subscriptions {
		b.index.Remove(e.index)
	}
	c.subscriptions = nil
	return true
}

// MemoryStats is a snapshot of a [Memory] broker.
type MemoryStats struct {
	// Sessions is how many sessions are connected.
	Sessions int
	// Subscriptions is how many subscriptions they hold.
	Subscriptions int
	// Published counts messages that were sent to the broker.
	Published uint64
	// Delivered counts deliveries that the outbound handler took.
	Delivered uint64
	// Failed counts deliveries that it did not take.
	Failed uint64
}

// Stats returns a snapshot.
func (b *Memory) Stats() MemoryStats {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return MemoryStats{
		Sessions:      len(b.clients),
		Subscriptions: b.index.Len(),
		Published:     b.delivery.published.Load(),
		Delivered:     b.delivery.delivered.Load(),
		Failed:        b.delivery.failed.Load(),
	}
}
