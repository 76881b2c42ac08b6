package watermilladapter

import (
	"context"
	"errors"
	"sync"
	"time"

	wmessage "github.com/ThreeDotsLabs/watermill/message"

	"github.com/headrace/headrace/channel"
	"github.com/headrace/headrace/message"
)

// PubSubConfig describes a [PubSub].
type PubSubConfig struct {
	// Queue is asked once for the channel of each topic, when that is first used,
	// and must not call the PubSub. Who makes a channel closes it. Zero (nil) means a
	// [channel.QueueChannel] with its defaults, which Close closes.
	Queue func(topic string) channel.PollableChannel[[]byte]
	// NackDelay is how long a message that was refused is kept before it is
	// delivered again. Zero means 100 milliseconds; negative means none.
	NackDelay time.Duration
}

// PubSub is a Watermill pub/sub, publisher and subscriber in one, whose topics are
// channels. Messages wait there in order and within bounds, and one of the
// subscriptions to a topic gets each: the next one when that is acknowledged, or the
// same again when it is refused. What a subscription has when it ends goes to
// another one, first of all. Its methods may be called from any goroutine.
type PubSub struct {
	config PubSubConfig
	ctx    context.Context // of all subscriptions
	cancel context.CancelFunc

	mu      sync.Mutex
	topics  map[string]*topic
	running sync.WaitGroup
}

var (
	_ wmessage.Publisher  = (*PubSub)(nil)
	_ wmessage.Subscriber = (*PubSub)(nil)
)

var errPubSubClosed = errors.New("watermilladapter: the pub/sub is closed")

// NewPubSub returns a pub/sub without topics. It has a goroutine for each
// subscription.
func NewPubSub(c PubSubConfig) *PubSub {
	if c.NackDelay == 0 {
		c.NackDelay = 100 * time.Millisecond
	}
	ctx, cancel := context.WithCancel(context.Background())
	return &PubSub{config: c, ctx: ctx, cancel: cancel, topics: make(map[string]*topic)}
}

// Publish puts messages into the channel of a topic, one after the other. It blocks
// while that is full, if its overflow is channel.Block, as long as the context of the
// message lasts. Errors are the channel's, or that the pub/sub is closed.
func (p *PubSub) Publish(topic string, messages ...*wmessage.Message) error {
	t, err := p.topic(topic)
	if err != nil {
		return err
	}
	return publish(t.queue, topic, messages)
}

// Subscribe takes messages of a topic until ctx ends or the pub/sub is closed; it
// does not block. The channel is closed then, and when that of the topic is closed
// and empty.
func (p *PubSub) Subscribe(ctx context.Context, topic string) (<-chan *wmessage.Message, error) {
	return p.subscribe(ctx, topic, p.ctx, new(sync.WaitGroup))
}

// subscribe begins a subscription that lasts until one of two contexts ends, and
// that running counts.
func (p *PubSub) subscribe(ctx context.Context, topic string, until context.Context, running *sync.WaitGroup) (<-chan *wmessage.Message, error) {
	t, err := p.topic(topic)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if until.Err() != nil {
		return nil, errPubSubClosed
	}
	s := &taker{topic: t, nackDelay: p.config.NackDelay, out: make(chan *wmessage.Message)}
	p.running.Add(1)
	running.Go(func() {
		defer p.running.Done()
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		defer context.AfterFunc(until, cancel)()
		s.run(ctx)
	})
	return s.out, nil
}

// Subscriber returns a subscriber that can be closed without the pub/sub: for a
// Watermill router, which closes what it is given, or a [Backplane].
func (p *PubSub) Subscriber() wmessage.Subscriber {
	s := &subscriber{pubSub: p}
	s.ctx, s.cancel = context.WithCancel(p.ctx)
	return s
}

// subscriber has some of the subscriptions of a PubSub.
type subscriber struct {
	pubSub  *PubSub
	ctx     context.Context // of these
	cancel  context.CancelFunc
	mu      sync.Mutex // so that none begins while Close waits
	running sync.WaitGroup
}

func (s *subscriber) Subscribe(ctx context.Context, topic string) (<-chan *wmessage.Message, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.pubSub.subscribe(ctx, topic, s.ctx, &s.running)
}

func (s *subscriber) Close() error {
	s.mu.Lock()
	s.cancel()
	s.mu.Unlock()
	s.running.Wait()
	return nil
}

// Close ends the subscriptions and waits until they have. What waits in channels of
// its own is completed with [channel.ErrClosed]. It returns nil.
func (p *PubSub) Close() error {
	p.mu.Lock()
	p.cancel()
	topics := p.topics
	p.topics = nil
	p.mu.Unlock()
	p.running.Wait()
	for _, t := range topics {
		t.close()
	}
	return nil
}

func (p *PubSub) topic(name string) (*topic, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ctx.Err() != nil {
		return nil, errPubSubClosed
	}
	t := p.topics[name]
	if t == nil {
		t = &topic{takers: make(map[*taker]struct{})}
		if p.config.Queue != nil {
			t.queue = p.config.Queue(name)
		} else {
			t.own = channel.NewQueueChannel[[]byte](channel.QueueConfig{})
			t.queue = t.own
		}
		p.topics[name] = t
	}
	return t, nil
}

// NewPublisher returns a Watermill publisher that hands messages to a handler: a
// channel, a router, a broker. Publish returns its first error; its context is the
// message's, the topic is the destination. Close does nothing. NewPublisher panics
// when to is nil.
func NewPublisher(to message.RawHandler) wmessage.Publisher {
	if to == nil {
		panic("watermilladapter: NewPublisher needs a handler")
	}
	return publisher{to}
}

type publisher struct{ to message.RawHandler }

func (p publisher) Publish(topic string, messages ...*wmessage.Message) error {
	return publish(p.to, topic, messages)
}

func (publisher) Close() error { return nil }

func publish(to message.RawHandler, topic string, messages []*wmessage.Message) error {
	for _, m := range messages {
		err := to.Handle(m.Context(), message.Raw{Destination: topic, Header: toHeader(m), Payload: m.Payload})
		if err != nil {
			return err
		}
	}
	return nil
}
