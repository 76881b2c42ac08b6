package messagetest

import (
	"cmp"
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/message"
)

// deliveryFaults are in what a broker delivers.
var deliveryFaults = map[string]fault{
	"loses a delivery in 50": {
		outbound: with(message.KindData, func(p passing) error {
			if p.calls.Add(1)%50 == 0 {
				return nil
			}
			return p.on()
		}),
		fails: []string{"PublishSubscribe", "ConcurrentPublishers", "ConcurrentTopics", "SubscribeWhilePublish", "MessageIDs",
			"ManySubscriptions", "Isolation", "ReceiptOfSubscription", "QueueIsFair", "QueueOfManyConsumers", "QueueAfterAConsumerLeft",
			"Backlog", "Acks", "Nacks", "Prefetch", "FailingConsumers"},
	},
	"doubles a delivery in 20": {
		outbound: with(message.KindData, func(p passing) error {
			if p.calls.Add(1)%20 == 0 {
				_ = p.on()
			}
			return p.on()
		}),
		fails: []string{"PublishSubscribe", "ConcurrentPublishers", "ConcurrentTopics", "SubscribeWhilePublish", "MessageIDs",
			"Isolation", "QueueIsFair", "QueueOfManyConsumers", "QueueAfterAConsumerLeft", "Backlog", "Acks", "Prefetch"},
	},
	"holds a delivery in 20 back": {
		outbound: with(message.KindData, func(p passing) error {
			p.mu.Lock()
			defer p.mu.Unlock()
			if p.held == nil && p.calls.Add(1)%20 == 0 {
				p.held = &p.Raw
				return nil
			}
			err := p.on()
			if p.held != nil && p.held.Session == p.Session {
				_ = p.next.Handle(p.ctx, *p.held)
				p.held = nil
			}
			return err
		}),
		fails: []string{"PublishSubscribe", "ConcurrentTopics", "Isolation", "QueueAfterAConsumerLeft", "Backlog", "Acks"},
	},
	"delivers to a second consumer": {
		outbound: with(message.KindData, func(p passing) error {
			if strings.HasPrefix(p.Destination, "/queue") {
				p.mu.Lock()
				p.ids[p.Session] = p.Subscription
				second, id := p.Raw, ""
				for second.Session, id = range p.ids {
					if second.Session != p.Session {
						break
					}
				}
				second.Subscription = id
				p.mu.Unlock()
				if second.Session != p.Session && p.calls.Add(1)%20 == 0 {
					_ = p.next.Handle(p.ctx, second)
				}
			}
			return p.on()
		}),
		fails: []string{"QueueIsFair", "QueueOfManyConsumers", "Prefetch"},
	},
	"prefers a consumer": {
		outbound: with(message.KindData, func(p passing) error {
			p.mu.Lock()
			if p.last == nil {
				p.last = p.Session
			}
			if p.calls.Add(1)%10 != 0 {
				p.Session = p.last
			}
			p.mu.Unlock()
			return p.on()
		}),
		fails: []string{"QueueIsFair"},
	},
	"has no ids": {
		outbound: without(message.HeaderMessageID),
		fails:    []string{"MessageIDs"},
	},
	"has one id for all": {
		outbound: having(message.HeaderMessageID, "1"),
		fails:    []string{"MessageIDs"},
	},
	"takes the sender's ids": {
		outbound: having(message.HeaderMessageID, "forged"),
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
		outbound: without("empty"),
		fails:    []string{"Contents"},
	},
	"wants acknowledgements of all": {
		outbound: having(message.HeaderAck, "1"),
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
		outbound: with(message.KindConnected, func(p passing) error {
			_ = p.on()
			return p.on()
		}),
		fails: []string{"Connect"},
	},
	"does not answer": {
		outbound: ignored(message.KindConnected),
		fails:    []string{"Connect"},
	},
	"tells the publisher of others' trouble": {
		outbound: with(message.KindData, func(p passing) (err error) {
			defer func() {
				p.mu.Lock()
				defer p.mu.Unlock()
				p.err = cmp.Or(p.err, err)
			}()
			defer message.Recover(&err)
			return p.on()
		}),
		inbound: with(message.KindData, func(p passing) error {
			if err := p.on(); err != nil {
				return err
			}
			p.mu.Lock()
			defer p.mu.Unlock()
			return p.err
		}),
		fails: []string{"Isolation"},
	},
	"gives up what is in trouble": {
		outbound: with(message.KindData, func(p passing) (err error) {
			defer func() { err = nil }()
			defer message.Recover(&err)
			return p.on()
		}),
		fails: []string{"FailingDeliveries"},
	},
	"stops at the first trouble": {
		outbound: with(message.KindData, func(p passing) (err error) {
			defer message.Recover(&err)
			if p.calls.Load() > 0 {
				return nil
			}
			p.calls.Add(1)
			err = p.on()
			if err == nil {
				p.calls.Add(-1)
			}
			return err
		}),
		fails: []string{"Isolation"},
	},
}

// sessionFaults are in what a broker takes, and how it ends.
var sessionFaults = map[string]fault{
	"does not unsubscribe": {
		inbound: ignored(message.KindUnsubscribe),
		fails:   []string{"Unsubscribe", "ReceiptOfSubscription", "QueueAfterAConsumerLeft"},
	},
	"does not forget sessions": {
		inbound: ignored(message.KindDisconnect),
		fails:   []string{"Disconnect", "LostConsumer", "CumulativeAcks", "ForeignAcks"},
	},
	"forgets sessions late": {
		inbound: with(message.KindDisconnect, func(p passing) error {
			time.AfterFunc(10*time.Millisecond, func() { _ = p.on() })
			return nil
		}),
		fails: []string{"Disconnect"},
	},
	"takes late subscriptions": {
		inbound: with(message.KindSubscribe, func(p passing) error {
			if err := p.on(); p.Subscription != "late" {
				return err
			}
			_ = p.next.Handle(p.ctx, message.Raw{Kind: message.KindConnect, Session: p.Session})
			return p.on()
		}),
		fails: []string{"Disconnect"},
	},
	"stores subscriptions late": {
		inbound: with(message.KindSubscribe, func(p passing) error {
			p.Done = nil
			time.AfterFunc(10*time.Millisecond, func() { _ = p.on() })
			return nil
		}),
		fails: []string{"ReceiptOfSubscription", "PublishSubscribe", "SubscribeWhilePublish", "Refusals"},
	},
	"takes two subscriptions of one id": {
		inbound: with(message.KindSubscribe, func(p passing) error {
			_ = p.on()
			return nil
		}),
		fails: []string{"ManySubscriptions", "Connect", "Refusals"},
	},
	"tells early": {
		inbound: all(func(p passing) error {
			p.Done.Reached(message.Handled)
			return p.on()
		}),
		fails: []string{"Receipts"},
	},
	"releases what it does not hold": {
		inbound: all(func(p passing) error {
			p.Done.Release(nil)
			return p.on()
		}),
		fails: []string{"Receipts"},
	},
	"tells nothing": {
		inbound: with(message.KindData, func(p passing) error {
			p.Done.Hold()
			p.Done = nil
			return p.on()
		}),
		fails: []string{"Receipts", "PublishSubscribe", "ConcurrentPublishers"},
	},
	"tells refusals nothing": {
		inbound: all(func(p passing) error {
			if err := p.on(); err == nil {
				return nil
			}
			return message.ErrDropped.(*message.Error).WithCause(nil)
		}),
		fails: []string{"Close", "CloseWhilePublish"},
	},
	"takes what it does not know": {
		inbound: all(func(p passing) error {
			if p.Kind > message.KindNack || p.Kind == message.KindConnected {
				return nil
			}
			return p.on()
		}),
		fails: []string{"Refusals", "Receipts"},
	},
	"hides why it refuses": {
		inbound: all(func(p passing) error {
			if err := p.on(); err != nil {
				return context.Canceled
			}
			return nil
		}),
		fails: []string{"Refusals", "Connect", "UnknownAcks", "ForeignAcks", "Close"},
	},
	"ignores selectors": {
		inbound: changed(message.KindSubscribe, func(m *message.Raw) { m.Header = m.Header.Without(message.HeaderSelector) }),
		fails:   []string{"UndeclaredIsNotIgnored"},
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
	"does not close": {
		close: func(n *node) {},
		fails: []string{"Close", "CloseWhilePublish"},
	},
	"leaves goroutines": { // more than those of other tests that end meanwhile
		close: func(n *node) {
			n.closed.Store(true)
			for range 10 {
				go func() { <-time.After(2 * patience) }()
			}
		},
		fails: []string{"Close", "Features"},
	},
}

// queueFaults are in what is kept, settled and delivered again.
var queueFaults = map[string]fault{
	"keeps 1,000 messages": {
		inbound: with(message.KindData, func(p passing) error {
			if p.calls.Add(1) > 1000 {
				return nil
			}
			return p.on()
		}),
		fails: []string{"Backlog", "QueueOfManyConsumers"},
	},
	"wants no acknowledgements": {
		outbound: without(message.HeaderAck),
		fails:    []string{"Acks", "Nacks"},
	},
	"ignores acknowledgements": {
		inbound: ignored(message.KindAck),
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
		outbound: without(message.HeaderDeliveries),
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
		rule:  func(r *broker.Rule) { r.Acks.Prefetch = 100_000 },
		fails: []string{"Prefetch"},
	},
	"delivers nothing again": {
		outbound: with(message.KindData, func(p passing) error {
			if p.Header.Get(message.HeaderDeliveries) != "" {
				return nil
			}
			return p.on()
		}),
		fails: []string{"Nacks", "CumulativeAcks", "CumulativeNacks", "LostConsumer", "ForeignAcks", "FailingConsumers", "DeadLetters"},
	},
	"delivers again in any order": {
		outbound: with(message.KindData, func(p passing) error {
			if p.Header.Get(message.HeaderDeliveries) == "" {
				return p.on()
			}
			p.mu.Lock()
			defer p.mu.Unlock()
			if p.held == nil {
				p.held = &p.Raw
				return nil
			}
			_ = p.on()
			err := p.next.Handle(p.ctx, *p.held)
			p.held = nil
			return err
		}),
		fails: []string{"LostConsumer", "CumulativeAcks", "ForeignAcks"},
	},
	"takes acknowledgements of anybody": {
		outbound: with(message.KindData, func(p passing) error {
			p.mu.Lock()
			p.of[p.Header.Get(message.HeaderAck)] = p.Session
			p.mu.Unlock()
			return p.on()
		}),
		inbound: all(func(p passing) error {
			if p.Kind == message.KindAck || p.Kind == message.KindNack {
				p.mu.Lock()
				p.Session = p.of[p.Header.Get(message.HeaderAck)]
				p.mu.Unlock()
			}
			return p.on()
		}),
		fails: []string{"ForeignAcks"},
	},
	"takes unknown acknowledgements": {
		inbound: all(func(p passing) error {
			if err := p.on(); p.Kind != message.KindAck && p.Kind != message.KindNack {
				return err
			}
			return nil
		}),
		fails: []string{"UnknownAcks", "ForeignAcks"},
	},
	"buries nothing": {
		rule:  func(r *broker.Rule) { r.Acks.MaxDeliveries = -1 },
		fails: []string{"DeadLetters"},
	},
	"buries at once": {
		rule:  func(r *broker.Rule) { r.Acks.MaxDeliveries = 1 },
		fails: []string{"DeadLetters", "Nacks", "FailingConsumers"},
	},
	"buries without a name": {
		outbound: without(message.HeaderDeadFrom),
		fails:    []string{"DeadLetters"},
	},
}

// replayFaults are in what is kept for those who come later.
var replayFaults = map[string]fault{
	"resumes nothing": {
		inbound: changed(message.KindSubscribe, func(m *message.Raw) { m.Header = m.Header.Without(message.HeaderOffset, message.HeaderEpoch) }),
		fails:   []string{"Resume", "ResumeTwice", "ResumeWithoutGap", "ResumeIsImpossible", "ResumeWhilePublish"},
	},
	"looks at no epoch": {
		inbound: all(func(p passing) error {
			if p.Header.Get(message.HeaderEpoch) == "another" {
				p.Header = p.Header.With(message.HeaderEpoch, p.epoch.Load().(string))
			}
			return p.on()
		}),
		outbound: with(message.KindData, func(p passing) error {
			if epoch := p.Header.Get(message.HeaderEpoch); epoch != "" {
				p.epoch.Store(epoch)
			}
			return p.on()
		}),
		fails: []string{"ResumeIsImpossible"},
	},
	"recovers always": {
		outbound: recovering("true"),
		fails:    []string{"ResumeIsImpossible"},
	},
	"recovers never": {
		outbound: recovering("false"),
		fails:    []string{"Resume", "ResumeTwice", "ResumeWithoutGap", "ResumeWhilePublish"},
	},
	"replays one too many": {
		inbound: changed(message.KindSubscribe, func(m *message.Raw) { shift(m, -1) }),
		fails:   []string{"Resume", "ResumeTwice", "ResumeWithoutGap", "ResumeWhilePublish"},
	},
	"replays one too few": {
		inbound: changed(message.KindSubscribe, func(m *message.Raw) { shift(m, 1) }),
		fails:   []string{"Resume", "ResumeTwice", "ResumeWithoutGap"},
	},
	"answers with the end": {
		outbound: changed(message.KindData, func(m *message.Raw) {
			if m.Header.Get(message.HeaderRecovered) == "true" {
				shift(m, 3)
			}
		}),
		fails: []string{"ResumeTwice"},
	},
	"answers with every delivery": {
		outbound: having(message.HeaderRecovered, "true"),
		fails:    []string{"Resume"},
	},
	"counts a message in 20 twice": {
		outbound: changed(message.KindData, func(m *message.Raw) {
			if at, err := strconv.Atoi(m.Header.Get(message.HeaderOffset)); err == nil && at%20 == 0 {
				shift(m, -1)
			}
		}),
		fails: []string{"HistoryOfManyPublishers", "Resume"},
	},
	"has no offsets": {
		outbound: without(message.HeaderOffset),
		fails:    []string{"Resume", "ResumeWhilePublish"},
	},
	"has a new epoch for each message": {
		outbound: with(message.KindData, func(p passing) error {
			p.Header = p.Header.With(message.HeaderEpoch, strconv.FormatInt(p.calls.Add(1), 10))
			return p.on()
		}),
		fails: []string{"Resume", "ResumeTwice"},
	},
	"keeps 100 messages": {
		rule:  func(r *broker.Rule) { r.History.Messages = min(r.History.Messages, 100) },
		fails: []string{"Resume"},
	},
	"retains nothing": {
		rule:  func(r *broker.Rule) { r.Retain = false },
		fails: []string{"Retain"},
	},
	"retains the first message": {
		inbound: with(message.KindData, func(p passing) error {
			if strings.HasPrefix(p.Destination, "/retain") && p.calls.Add(1) == 2 {
				return nil
			}
			return p.on()
		}),
		fails: []string{"Retain"},
	},
}

// nodeFaults are in what brokers have in common.
var nodeFaults = map[string]fault{
	"has nothing in common": {
		alone: true,
		fails: []string{"NodesTopic", "NodesQueue", "Durable"},
	},
	"doubles at the other node": {
		outbound: with(message.KindData, func(p passing) error {
			if p.calls.Add(1) == 7 {
				_ = p.on()
			}
			return p.on()
		}),
		fails: []string{"NodesTopic", "NodesQueue", "Durable"},
	},
}

// recovering is a fault that answers all who resume the same.
func recovering(answer string) func(*node) message.RawInterceptor {
	return changed(message.KindData, func(m *message.Raw) {
		if m.Header.Get(message.HeaderRecovered) != "" {
			m.Header = m.Header.With(message.HeaderRecovered, answer)
		}
	})
}

// shift moves the offset of a message that has one.
func shift(m *message.Raw, by int) {
	if at, err := strconv.Atoi(m.Header.Get(message.HeaderOffset)); err == nil {
		m.Header = m.Header.With(message.HeaderOffset, strconv.Itoa(at+by))
	}
}

// modeFrom changes one ack mode to another.
func modeFrom(h message.Header, from, to string) message.Header {
	if h.Get(message.HeaderAckMode) == from {
		return h.With(message.HeaderAckMode, to)
	}
	return h
}
