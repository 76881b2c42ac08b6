package messagetest

import (
	"context"
	"sync"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/message"
)

// localBacklog is how many envelopes wait for one subscription or group.
const localBacklog = 1024

var errNoBackplane = message.Errorf(message.CodeUnavailable, "the backplane is not available")

// LocalBackplane is an engine within the process: it joins the nodes of one test.
// It keeps the order of what is published, whoever receives it, and holds 1,024
// envelopes for each subscription or group: Publish waits for room. What receive
// returns an error for is gone.
type LocalBackplane struct {
	turn chan struct{} // held by the one who publishes

	mu       sync.Mutex
	down     bool
	queues   map[string][]*localQueue // by topic
	watchers map[*func(bool)]struct{}
}

// localQueue is what waits for a subscription, or for all of one group.
type localQueue struct {
	group     string
	members   int
	envelopes chan broker.Envelope
	gone      chan struct{} // closed with the last member
}

// NewBackplane returns a backplane that is available. It needs no closing: its
// goroutines end with the subscriptions.
func NewBackplane() *LocalBackplane {
	return &LocalBackplane{
		turn:     make(chan struct{}, 1),
		queues:   make(map[string][]*localQueue),
		watchers: make(map[*func(bool)]struct{}),
	}
}

// Features says that groups compete and that order is kept.
func (*LocalBackplane) Features() broker.Features {
	return broker.Features{Ordered: true, Queues: true}
}

// SetAvailable says whether the engine is there. While it is not, Publish and
// Subscribe fail with CodeUnavailable; what was published before is still received.
func (b *LocalBackplane) SetAvailable(available bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.down == !available {
		return
	}
	b.down = !available
	for changed := range b.watchers {
		(*changed)(available)
	}
}

// Watch calls changed now and when SetAvailable changes something, on the
// goroutine that does. changed must not call the backplane.
func (b *LocalBackplane) Watch(changed func(available bool)) (stop func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.watchers[&changed] = struct{}{}
	changed(!b.down)
	return func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		delete(b.watchers, &changed)
	}
}

// Publish waits while a subscription or group has no room for e, until ctx ends.
// Some may have got it then.
func (b *LocalBackplane) Publish(ctx context.Context, topic string, e broker.Envelope) error {
	select {
	case b.turn <- struct{}{}:
		defer func() { <-b.turn }()
	case <-ctx.Done():
		return ctx.Err()
	}
	b.mu.Lock()
	queues, down := b.queues[topic], b.down
	b.mu.Unlock()
	if down {
		return errNoBackplane
	}
	for _, q := range queues {
		select {
		case q.envelopes <- e:
		case <-q.gone:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// Subscribe calls receive on a goroutine of the subscription. Its context ends
// with unsubscribe.
func (b *LocalBackplane) Subscribe(ctx context.Context, topic, group string, receive func(context.Context, broker.Envelope) error) (unsubscribe func(), err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.down {
		return nil, errNoBackplane
	}
	q := b.join(topic, group)
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var receiving sync.WaitGroup
	receiving.Go(func() {
		for ctx.Err() == nil {
			select {
			case e := <-q.envelopes:
				_ = receive(ctx, e) // there is no second time
			case <-ctx.Done():
			}
		}
	})
	return sync.OnceFunc(func() {
		b.leave(topic, q)
		cancel()
		receiving.Wait()
	}), nil
}

// join returns the queue of a group, or one that the caller has alone.
func (b *LocalBackplane) join(topic, group string) *localQueue {
	for _, q := range b.queues[topic] {
		if q.group == group && group != "" {
			q.members++
			return q
		}
	}
	q := &localQueue{
		group:     group,
		members:   1,
		envelopes: make(chan broker.Envelope, localBacklog),
		gone:      make(chan struct{}),
	}
	b.queues[topic] = append(b.queues[topic][:len(b.queues[topic]):len(b.queues[topic])], q)
	return q
}

// leave forgets a queue that nobody has any more.
func (b *LocalBackplane) leave(topic string, q *localQueue) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if q.members--; q.members > 0 {
		return
	}
	close(q.gone)
	var left []*localQueue
	for _, o := range b.queues[topic] {
		if o != q {
			left = append(left, o)
		}
	}
	b.queues[topic] = left
	if len(left) == 0 {
		delete(b.queues, topic)
	}
}
