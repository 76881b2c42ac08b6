package broker

import (
	"context"
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
	index    *destination.Index[*subscription]

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
	index       *destination.Entry[*subscription]
}

// NewMemory returns a broker that delivers to outbound: one message for each
// matching subscription, with its Session and Subscription set.
func NewMemory(outbound message.RawHandler, config Config) *Memory {
	if config.MaxSubscriptions == 0 {
		config.MaxSubscriptions = defaultSubscriptions
	}
	b := &Memory{
		config:  config,
		index:   destination.NewIndex[*subscription](config.Separator),
		clients: make(map[*message.Session]*client),
	}
	b.delivery.init(outbound, config.Logger)
	return b
}

// Handle takes a message of any kind. It never blocks unless the outbound
// handler does.
func (b *Memory) Handle(ctx context.Context, m message.Raw) error {
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
		return message.Errorf(message.CodeConflict, "the session is connected already")
	}
	if err := b.delivery.outbound.Handle(ctx, message.Raw{Kind: message.KindConnected, Session: m.Session}); err != nil {
		return err
	}
	b.tell(ctx, Event{Kind: Connected, Session: m.Session})
	return nil
}

func (b *Memory) client(s *message.Session) *client {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.clients[s]
}

func (b *Memory) subscribe(ctx context.Context, m message.Raw) error {
	pattern, err := destination.Parse(m.Destination, b.config.Separator)
	if err != nil {
		return message.Errorf(message.CodeInvalid, "bad destination: %v", err)
	}
	c := b.client(m.Session)
	if c == nil {
		return errNotConnected
	}
	if err := b.store(c, m, pattern); err != nil {
		return err
	}
	m.Done.Reached(message.Stored)
	b.tell(ctx, Event{Kind: Subscribed, Session: m.Session, Destination: m.Destination, Subscription: m.Subscription})
	return nil
}

// store adds a subscription unless the client is gone: its lock is what keeps a
// late SUBSCRIBE from leaving anything behind.
func (b *Memory) store(c *client, m message.Raw, pattern destination.Pattern) error {
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
		index:       b.index.Add(pattern, &subscription{session: m.Session, id: m.Subscription}),
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
		b.tell(ctx, Event{Kind: Unsubscribed, Session: m.Session, Destination: e.destination, Subscription: m.Subscription})
	}
}

func (b *Memory) disconnect(ctx context.Context, s *message.Session) {
	b.mu.Lock()
	c := b.clients[s]
	delete(b.clients, s)
	b.mu.Unlock()
	if c == nil {
		return
	}
	c.mu.Lock()
	c.gone = true
	for _, e := range c.subscriptions {
		b.index.Remove(e.index)
	}
	c.subscriptions = nil
	c.mu.Unlock()
	b.tell(ctx, Event{Kind: Disconnected, Session: s, Reason: s.Reason()})
}

func (b *Memory) tell(ctx context.Context, e Event) {
	if b.config.Events == nil {
		return
	}
	defer func() {
		if v := recover(); v != nil {
			p := message.NewPanicError(v)
			b.delivery.log().ErrorContext(ctx, "event handler panicked", "error", p, "stack", string(p.Stack))
		}
	}()
	// Nobody has to listen, and a listener's error is not the session's.
	_ = b.config.Events.Handle(ctx, message.Message[Event]{Session: e.Session, Payload: e})
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
