package kafka

import (
	"context"
	"errors"
	"sync"
	"time"

	wmessage "github.com/ThreeDotsLabs/watermill/message"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/engines/internal/pubsub"
	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/watermilladapter"
)

// Backplane carries envelopes over Kafka.
type Backplane struct {
	// Backplane does the work.
	*watermilladapter.Backplane
	engine *engine
}

// Close ends the subscriptions, and closes the connections.
func (b *Backplane) Close() {
	b.engine.health.Close() // what waits for the servers does no more
	b.Backplane.Close()
	b.engine.close()
}

// engine is a cluster of Kafka.
type engine struct {
	config Config
	client *kgo.Client // that publishes, and asks
	admin  *kadm.Client
	health *pubsub.Health
	watch  *pubsub.Pinger

	mu   sync.Mutex
	made map[string]bool // topics that are there

	readers readers
}

// New returns a backplane over Kafka, at least once: a message that Publish returned nil
// for is delivered as long as the cluster keeps it. Destinations are keys of a few
// topics, see [Config.Topic], which are made where they are missing.
//
// A node reads all of a topic as soon as it has a subscription, without a group, to one
// of its destinations: from its end, once for all of them, and leaves out the rest. So a
// destination without subscribers at a node costs it what the messages take on the wire,
// unless nobody there subscribes to anything of that topic.
//
// The members of a group are one of Kafka's; each reads all of the topic. The messages of
// a destination are in one partition, so one member gets them all until it goes: the
// others stand by. A group begins with what the topic has. What a member refuses it gets
// again, unless it goes.
//
// While the cluster is away, Publish waits for it as long as its context says, and Watch
// tells, within seconds. The error is that of a configuration that the client refuses.
// Close ends the backplane.
func New(c Config) (*Backplane, error) {
	c = c.withDefaults()
	client, err := kgo.NewClient(c.options(
		kgo.RequiredAcks(kgo.AllISRAcks()),
		kgo.ProducerLinger(0),
		kgo.AllowIdempotentProduceCancellation(), // contexts are kept; the envelope's id tells doubles
	)...)
	if err != nil {
		return nil, err
	}
	e := &engine{config: c, client: client, admin: kadm.NewClient(client), health: pubsub.NewHealth(), made: make(map[string]bool)}
	e.readers.all = make(map[string]*reader)
	e.watch = pubsub.Ping(e.health, client.Ping, c.logger())
	return &Backplane{engine: e, Backplane: watermilladapter.NewBackplane(watermilladapter.BackplaneConfig{
		Publisher:  publisher{e},
		Subscriber: e.subscriber,
		Topic:      c.name,
		Watch:      e.health.Watch,
		InFlight:   c.InFlight,
		Features:   broker.Features{Ordered: true, Queues: true, Backlog: true, Acks: true, Durable: true},
		Logger:     c.Logger,
	})}, nil
}

func (e *engine) close() {
	e.watch.Stop()
	e.client.Close()
}

// publisher produces records.
type publisher struct{ *engine }

// Publish returns when all replicas that are in time have what it published.
func (p publisher) Publish(name string, messages ...*wmessage.Message) error {
	for _, m := range messages {
		if err := p.publish(m.Context(), placeOf(name), m); err != nil {
			return err
		}
	}
	return nil
}

func (publisher) Close() error { return nil }

func (p publisher) publish(ctx context.Context, to place, m *wmessage.Message) error {
	if err := p.await(ctx, to.topic); err != nil {
		return err
	}
	for {
		err := p.client.ProduceSync(ctx, toRecord(to, m)).FirstErr()
		if !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, context.Canceled) || ctx.Err() != nil {
			return refusal(err)
		}
		// That of another record, which this one waited behind.
	}
}

var (
	errTooLarge = message.Errorf(message.CodeTooLarge, "message is too large for the engine")
	errTopic    = message.Errorf(message.CodeDenied, "the engine does not allow the topic")
)

// refusal is what is wrong with a message or its topic, or with the cluster.
func refusal(err error) error {
	switch {
	case errors.Is(err, kerr.MessageTooLarge):
		return errTooLarge.WithCause(err)
	case errors.Is(err, kerr.TopicAuthorizationFailed), errors.Is(err, kerr.InvalidTopicException), errors.Is(err, kerr.PolicyViolation):
		return errTopic.WithCause(err)
	}
	return err
}

// await waits until the cluster is there, and has a topic.
func (e *engine) await(ctx context.Context, topic string) error {
	for {
		if _, err := e.health.Wait(ctx); err != nil {
			return err
		}
		err := e.make(ctx, topic)
		if err == nil || !kerr.IsRetriable(err) && errors.As(err, new(*kerr.Error)) {
			return refusal(err)
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return err
		}
	}
}

// pause comes between attempts of what fails for now.
const pause = 100 * time.Millisecond

// make makes a topic where there is none.
func (e *engine) make(ctx context.Context, topic string) error {
	e.mu.Lock()
	made := e.made[topic]
	e.mu.Unlock()
	if made {
		return nil
	}
	_, err := e.admin.CreateTopic(ctx, e.config.Partitions, e.config.Replicas, nil, topic)
	if err != nil && !errors.Is(err, kerr.TopicAlreadyExists) {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.made[topic] = true
	return nil
}

func (e *engine) subscriber(name, group string) (wmessage.Subscriber, error) {
	from := placeOf(name)
	return pubsub.NewSubscriber(e.config.InFlight, func(ctx context.Context) (func(*pubsub.Out), error) {
		if err := e.await(ctx, from.topic); err != nil {
			return nil, err
		}
		if group != "" {
			return e.group(from, e.config.groupOf(from, group))
		}
		return e.all(ctx, from)
	}), nil
}
