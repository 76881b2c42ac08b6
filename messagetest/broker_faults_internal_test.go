package messagetest

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/message"
)

var brokerFaults = map[string]fault{
	// What it delivers.
	"loses a delivery in 50": {
		outbound: data(func(b *spy, ctx context.Context, m message.Raw, next message.RawHandler) error {
			if b.n.Add(1)%50 == 0 {
				return nil
			}
			return next.Handle(ctx, m)
		}),
		fails: []string{"PublishSubscribe", "ConcurrentPublishers", "ConcurrentTopics", "SubscribeWhilePublish", "MessageIDs",
			"ManySubscriptions", "Isolation", "ReceiptOfSubscription", "QueueIsFair", "QueueOfManyConsumers", "QueueAfterAConsumerLeft",
			"Backlog", "Acks", "Nacks", "Prefetch", "FailingConsumers"},
	},
	"doubles a delivery in 20": {
		outbound: data(func(b *spy, ctx context.Context, m message.Raw, next message.RawHandler) error {
			if b.n.Add(1)%20 == 0 {
				_ = next.Handle(ctx, m)
			}
			return next.Handle(ctx, m)
		}),
		fails: []string{"PublishSubscribe", "ConcurrentPublishers", "ConcurrentTopics", "SubscribeWhilePublish", "MessageIDs",
			"Isolation", "QueueIsFair", "QueueOfManyConsumers", "QueueAfterAConsumerLeft", "Backlog", "Acks", "Prefetch"},
	},
	"holds a delivery in 20 back": {
		outbound: data(func(b *spy, ctx context.Context, m message.Raw, next message.RawHandler) error {
			b.mu.Lock()
			defer b.mu.Unlock()
			if b.held == nil && b.n.Add(1)%20 == 0 {
				b.held = &m
				return nil
			}
			err := next.Handle(ctx, m)
			if b.held != nil && b.held.Session == m.Session {
				_ = next.Handle(ctx, *b.held)
				b.held = nil
			}
			return err
		}),
		fails: []string{"PublishSubscribe", "ConcurrentTopics", "Isolation", "QueueAfterAConsumerLeft", "Backlog", "Acks"},
	},
	"delivers to a second consumer": {
		outbound: data(func(b *spy, ctx context.Context, m message.Raw, next message.RawHandler) error {
			if strings.HasPrefix(m.Destination, "/queue") {
				b.mu.Lock()
				b.names[m.Session] = m.Subscription
				second, id := m, ""
				for second.Session, id = range b.names {
					if second.Session != m.Session {
						break
					}
				}
				second.Subscription = id
				b.mu.Unlock()
				if second.Session != m.Session && b.n.Add(1)%20 == 0 {
					_ = next.Handle(ctx, second)
				}
			}
			return next.Handle(ctx, m)
		}),
		fails: []string{"QueueIsFair", "QueueOfManyConsumers", "Prefetch"},
	},
	"prefers a consumer": {
		outbound: data(func(b *spy, ctx context.Context, m message.Raw, next message.RawHandler) error {
			b.mu.Lock()
			if b.last == nil {
				b.last = m.Session
			}
			if b.n.Add(1)%10 != 0 {
				m.Session = b.last
			}
			b.mu.Unlock()
			return next.Handle(ctx, m)
		}),
		fails: []string{"QueueIsFair"},
	},
	"has no ids": {
		outbound: changed(message.KindData, func(m *message.Raw) { m.Header = m.Header.Without(message.HeaderMessageID) }),
		fails:    []string{"MessageIDs"},
	},
	"has one id for all": {
		outbound: changed(message.KindData, func(m *message.Raw) { m.Header = m.Header.With(message.HeaderMessageID, "1") }),
		fails:    []string{"MessageIDs"},
	},
	"takes the sender's ids": {
		outbound: changed(message.KindData, func(m *message.Raw) { m.Header = m.Header.With(message.HeaderMessageID, "forged") }),
		fails:    []string{"MessageIDs"},
	},
	"cuts payloads": {
		outbound: changed(message.KindData, func(m *message.Raw) { m.Payload = m.Payload[:min(len(m.Payload), 60<<10)] }),
		fails:    []string{"Contents"},
	},
	"carries text alone": {
		outbound: changed(message.KindData, func(m *message.Raw) { m.Payload = []byte(strings.ToValidUTF8(string(m.Payload), "?")) }),
		fails:    []string{"Contents"},
	},
	"loses headers": {
		outbound: changed(message.KindData, func(m *message.Raw) { m.Header = m.Header.Without("empty") }),
		fails:    []string{"Contents"},
	},
	"wants acknowledgements of all": {
		outbound: changed(message.KindData, func(m *message.Raw) { m.Header = m.Header.With(message.HeaderAck, "1") }),
		fails:    []string{"Contents"},
	},
	"mixes subscriptions up": {
		outbound: changed(message.KindData, func(m *message.Raw) { m.Subscription = "sub-1" }),
		fails:    []string{"ManySubscriptions", "Unsubscribe"},
	},
	"delivers with the pattern": {
		outbound: changed(message.KindData, func(m *message.Raw) { m.Destination = m.Destination[:strings.LastIndex(m.Destination, ".")+1] + "*" }),
		fails:    []string{"Patterns", "PublishSubscribe"},
	},
	"answers twice": {
		outbound: of(message.KindConnected, func(b *spy, ctx context.Context, m message.Raw, next message.RawHandler) error {
			_ = next.Handle(ctx, m)
			return next.Handle(ctx, m)
		}),
		fails: []string{"Connect"},
	},
	"does not answer": {
		outbound: swallowed(message.KindConnected),
		fails:    []string{"Connect"},
	},
	"tells the publisher of others' trouble": {
		outbound: data(func(b *spy, ctx context.Context, m message.Raw, next message.RawHandler) (err error) {
			defer func() {
				b.mu.Lock()
				defer b.mu.Unlock()
				b.err = cmp.Or(b.err, err)
			}()
			defer message.Recover(&err)
			return next.Handle(ctx, m)
		}),
		inbound: data(func(b *spy, ctx context.Context, m message.Raw, next message.RawHandler) error {
			if err := next.Handle(ctx, m); err != nil {
				return err
			}
			b.mu.Lock()
			defer b.mu.Unlock()
			return b.err
		}),
		fails: []string{"Isolation"},
	},
	"stops at the first trouble": {
		outbound: data(func(b *spy, ctx context.Context, m message.Raw, next message.RawHandler) (err error) {
			defer message.Recover(&err)
			if b.n.Load() > 0 {
				return nil
			}
			b.n.Add(1)
			err = next.Handle(ctx, m)
			if err == nil {
				b.n.Add(-1)
			}
			return err
		}),
		fails: []string{"Isolation"},
	},

	// What it takes.
	"does not unsubscribe": {
		inbound: swallowed(message.KindUnsubscribe),
		fails:   []string{"Unsubscribe", "ReceiptOfSubscription", "QueueAfterAConsumerLeft"},
	},
	"does not forget sessions": {
		inbound: swallowed(message.KindDisconnect),
		fails:   []string{"Disconnect", "LostConsumer", "CumulativeAcks", "ForeignAcks"},
	},
	"forgets sessions late": {
		inbound: of(message.KindDisconnect, func(b *spy, ctx context.Context, m message.Raw, next message.RawHandler) error {
			time.AfterFunc(10*time.Millisecond, func() { _ = next.Handle(ctx, m) })
			return nil
		}),
		fails: []string{"Disconnect"},
	},
	"takes late subscriptions": {
		inbound: of(message.KindSubscribe, func(b *spy, ctx context.Context, m message.Raw, next message.RawHandler) error {
			if err := next.Handle(ctx, m); m.Subscription != "late" {
				return err
			}
			_ = next.Handle(ctx, message.Raw{Kind: message.KindConnect, Session: m.Session})
			return next.Handle(ctx, m)
		}),
		fails: []string{"Disconnect"},
	},
	"stores subscriptions late": {
		inbound: of(message.KindSubscribe, func(b *spy, ctx context.Context, m message.Raw, next message.RawHandler) error {
			m.Done = nil
			time.AfterFunc(10*time.Millisecond, func() { _ = next.Handle(ctx, m) })
			return nil
		}),
		fails: []string{"ReceiptOfSubscription", "PublishSubscribe", "SubscribeWhilePublish", "Refusals"},
	},
	"takes two subscriptions of one id": {
		inbound: of(message.KindSubscribe, func(b *spy, ctx context.Context, m message.Raw, next message.RawHandler) error {
			_ = next.Handle(ctx, m)
			return nil
		}),
		fails: []string{"ManySubscriptions", "Connect", "Refusals"},
	},
	"tells early": {
		inbound: around(func(b *spy, ctx context.Context, m message.Raw, next message.RawHandler) error {
			m.Done.Reached(message.Handled)
			return next.Handle(ctx, m)
		}),
		fails: []string{"Receipts"},
	},
	"releases what it does not hold": {
		inbound: around(func(b *spy, ctx context.Context, m message.Raw, next message.RawHandler) error {
			m.Done.Release(nil)
			return next.Handle(ctx, m)
		}),
		fails: []string{"Receipts"},
	},
	"tells nothing": {
		inbound: data(func(b *spy, ctx context.Context, m message.Raw, next message.RawHandler) error {
			m.Done.Hold()
			m.Done = nil
			return next.Handle(ctx, m)
		}),
		fails: []string{"Receipts", "PublishSubscribe", "ConcurrentPublishers"},
	},
	"tells refusals nothing": {
		inbound: around(func(b *spy, ctx context.Context, m message.Raw, next message.RawHandler) error {
			if err := next.Handle(ctx, m); err == nil {
				return nil
			}
			return message.ErrDropped.(*message.Error).WithCause(nil)
		}),
		fails: []string{"Close", "CloseWhilePublish"},
	},
	"takes what it does not know": {
		inbound: around(func(b *spy, ctx context.Context, m message.Raw, next message.RawHandler) error {
			if m.Kind > message.KindNack || m.Kind == message.KindConnected {
				return nil
			}
			return next.Handle(ctx, m)
		}),
		fails: []string{"Refusals", "Receipts"},
	},
	"hides why it refuses": {
		inbound: around(func(b *spy, ctx context.Context, m message.Raw, next message.RawHandler) error {
			if err := next.Handle(ctx, m); err != nil {
				return context.Canceled
			}
			return nil
		}),
		fails: []string{"Refusals", "Connect", "UnknownAcks", "ForeignAcks", "Close"},
	},
	"ignores selectors": {
		inbound: changed(message.KindSubscribe, func(m *message.Raw) { m.Header = m.Header.Without(message.HeaderSelector) }),
		fails:   []string{"Refusals"},
	},
	"has patterns that are none": {
		inbound: changed(message.KindSubscribe, func(m *message.Raw) { m.Destination = strings.Replace(m.Destination, "*", "a", 1) }),
		fails:   []string{"Patterns"},
	},
	"has patterns without bounds": {
		inbound: changed(message.KindSubscribe, func(m *message.Raw) {
			if strings.Contains(m.Destination, "*") {
				m.Destination = "/topic/*"
			}
		}),
		fails: []string{"Patterns"},
	},
	"can more than it says": {
		features: broker.Features{Ordered: true},
		fails:    []string{"Features", "UndeclaredIsNotIgnored"},
	},

	// How it ends.
	"does not close": {
		close: func(b *spy) {},
		fails: []string{"Close", "CloseWhilePublish"},
	},
	"leaves goroutines": { // more than those of other tests that end meanwhile
		close: func(b *spy) {
			b.Broker.Close()
			for range 10 {
				go time.Sleep(2 * patience)
			}
		},
		fails: []string{"Close", "Features"},
	},

	// Queues, acknowledgements, dead letters.
	"keeps 1,000 messages": {
		inbound: data(func(b *spy, ctx context.Context, m message.Raw, next message.RawHandler) error {
			if b.n.Add(1) > 1000 {
				return nil
			}
			return next.Handle(ctx, m)
		}),
		fails: []string{"Backlog", "QueueOfManyConsumers"},
	},
	"wants no acknowledgements": {
		outbound: changed(message.KindData, func(m *message.Raw) { m.Header = m.Header.Without(message.HeaderAck) }),
		fails:    []string{"Acks", "Nacks"},
	},
	"ignores acknowledgements": {
		inbound: swallowed(message.KindAck),
		fails:   []string{"Acks", "Nacks", "CumulativeAcks", "LostConsumer", "UnknownAcks", "ForeignAcks", "Prefetch", "DeadLetters"},
	},
	"takes refusals for acknowledgements": {
		inbound: changed(message.KindNack, func(m *message.Raw) { m.Kind = message.KindAck }),
		fails:   []string{"Nacks", "CumulativeNacks", "FailingConsumers", "DeadLetters"},
	},
	"takes acknowledgements for refusals": {
		inbound: changed(message.KindAck, func(m *message.Raw) { m.Kind = message.KindNack }),
		fails:   []string{"Acks", "CumulativeAcks", "LostConsumer"},
	},
	"counts no deliveries": {
		outbound: changed(message.KindData, func(m *message.Raw) { m.Header = m.Header.Without(message.HeaderDeliveries) }),
		fails:    []string{"Nacks", "CumulativeNacks", "LostConsumer", "ForeignAcks", "DeadLetters"},
	},
	"acknowledges nothing cumulatively": {
		inbound: changed(message.KindSubscribe, func(m *message.Raw) { m.Header = modeFrom(m.Header, cumulatively, individually) }),
		fails:   []string{"CumulativeAcks", "CumulativeNacks"},
	},
	"acknowledges all cumulatively": {
		inbound: changed(message.KindSubscribe, func(m *message.Raw) { m.Header = modeFrom(m.Header, individually, cumulatively) }),
		fails:   []string{"Acks", "LostConsumer"},
	},
	"has no prefetch": {
		acks:  broker.Acks{Prefetch: 100_000},
		fails: []string{"Prefetch"},
	},
	"delivers nothing again": {
		outbound: data(func(b *spy, ctx context.Context, m message.Raw, next message.RawHandler) error {
			if m.Header.Get(message.HeaderDeliveries) != "" {
				return nil
			}
			return next.Handle(ctx, m)
		}),
		fails: []string{"Nacks", "CumulativeAcks", "CumulativeNacks", "LostConsumer", "ForeignAcks", "FailingConsumers", "DeadLetters"},
	},
	"delivers again in any order": {
		outbound: data(func(b *spy, ctx context.Context, m message.Raw, next message.RawHandler) error {
			if m.Header.Get(message.HeaderDeliveries) == "" {
				return next.Handle(ctx, m)
			}
			b.mu.Lock()
			defer b.mu.Unlock()
			if b.held == nil {
				b.held = &m
				return nil
			}
			_ = next.Handle(ctx, m)
			err := next.Handle(ctx, *b.held)
			b.held = nil
			return err
		}),
		fails: []string{"LostConsumer", "CumulativeAcks", "ForeignAcks"},
	},
	"takes acknowledgements of anybody": {
		outbound: data(func(b *spy, ctx context.Context, m message.Raw, next message.RawHandler) error {
			b.mu.Lock()
			if ack := m.Header.Get(message.HeaderAck); ack != "" {
				ack = strconv.FormatInt(b.n.Add(1), 36)
				b.owners[ack] = m.Session
			}
			b.mu.Unlock()
			return next.Handle(ctx, m)
		}),
		inbound: around(func(b *spy, ctx context.Context, m message.Raw, next message.RawHandler) error {
			if m.Kind == message.KindAck || m.Kind == message.KindNack {
				b.mu.Lock()
				m.Session = b.owners[m.Header.Get(message.HeaderAck)]
				b.mu.Unlock()
			}
			return next.Handle(ctx, m)
		}),
		fails: []string{"ForeignAcks"},
	},
	"takes unknown acknowledgements": {
		inbound: around(func(b *spy, ctx context.Context, m message.Raw, next message.RawHandler) error {
			err := next.Handle(ctx, m)
			if slices.Contains([]message.Kind{message.KindAck, message.KindNack}, m.Kind) {
				return nil
			}
			return err
		}),
		fails: []string{"UnknownAcks", "ForeignAcks"},
	},
	"buries nothing": {
		acks:  broker.Acks{MaxDeliveries: -1},
		fails: []string{"DeadLetters"},
	},
	"buries at once": {
		acks:  broker.Acks{MaxDeliveries: 1},
		fails: []string{"DeadLetters", "Nacks", "FailingConsumers"},
	},
	"buries without a name": {
		outbound: changed(message.KindData, func(m *message.Raw) { m.Header = m.Header.Without(message.HeaderDeadFrom) }),
		fails:    []string{"DeadLetters"},
	},
}

// modeFrom changes one ack mode to another.
func modeFrom(h message.Header, from, to string) message.Header {
	if h.Get(message.HeaderAckMode) == from {
		return h.With(message.HeaderAckMode, to)
	}
	return h
}
