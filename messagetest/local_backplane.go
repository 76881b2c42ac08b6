package messagetest

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/message"
)

const (
	localBacklog  = 1024                  // how many envelopes wait for one subscription
	groupBacklog  = 16384                 // and for a group, or for the first one of a topic
	localInFlight = 256                   // how many a member may have that are not settled
	localPause    = 10 * time.Millisecond // for a member that returned an error
)

var errNoBackplane = message.Errorf(message.CodeUnavailable, "the backplane is not available")

// LocalBackplane is an engine within the process: it joins the nodes of one test.
// It keeps the order of what is published, whoever receives it, and holds 1,024
// envelopes for each subscription: Publish waits for room. What the receive of one
// returns an error for is gone.
//
// A group is there for ever once it has had a member: 16,384 envelopes wait for it, and
// the first one of a topic begins with the last 16,384 that were published before. A member
// has at most 256 that are not settled. What it refuses, or has not settled when it
// leaves, comes again, in its place.
type LocalBackplane struct {
	turn chan struct{} // held by the one who publishes

	mu       sync.Mutex
	down     bool
	topics   map[string]*localTopic
	watchers map[*func(bool)]struct{}
}

type localTopic struct {
	early  []broker.Envelope // until there is a group
	queues []*localQueue
}

// localQueue is what waits for a subscription, or for all of one group.
type localQueue struct {
	group   string
	limit   int
	last    uint64 // number that was given out
	ready   []*localLetter
	gone    bool          // its one subscription has ended
	changed chan struct{} // closed when something did
}

// localLetter is an envelope in a queue.
type localLetter struct {
	broker.Envelope
	number uint64
}

// localMember is a subscription.
type localMember struct {
	queue *localQueue
	has   map[*localLetter]struct{} // that are not settled
}

// NewBackplane returns a backplane that is available. It needs no closing: its
// goroutines end with the subscriptions.
func NewBackplane() *LocalBackplane {
	return &LocalBackplane{
		turn:     make(chan struct{}, 1),
		topics:   make(map[string]*localTopic),
		watchers: make(map[*func(bool)]struct{}),
	}
}

// Features says that groups compete, keep what waits for them and get again what is not
// settled, and that order is kept.
func (*LocalBackplane) Features() broker.Features {
	return broker.Features{Ordered: true, Queues: true, Backlog: true, Acks: true}
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
	defer b.mu.Unlock()
	if b.down {
		return errNoBackplane
	}
	t := b.topic(topic)
	if !slices.ContainsFunc(t.queues, func(q *localQueue) bool { return q.group != "" }) {
		t.early = append(t.early[max(0, len(t.early)-groupBacklog+1):], e)
	}
	for _, q := range slices.Clone(t.queues) {
		for len(q.ready) >= q.limit && !q.gone {
			if err := b.await(ctx, q); err != nil {
				return err
			}
		}
		q.push(e)
	}
	return nil
}

// topic returns the topic of a name. The lock is held.
func (b *LocalBackplane) topic(name string) *localTopic {
	t := b.topics[name]
	if t == nil {
		t = new(localTopic)
		b.topics[name] = t
	}
	return t
}

// await gives the lock away until something has changed.
func (b *LocalBackplane) await(ctx context.Context, q *localQueue) error {
	changed := q.changed
	b.mu.Unlock()
	defer b.mu.Lock()
	select {
	case <-changed:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (q *localQueue) change() {
	close(q.changed)
	q.changed = make(chan struct{})
}

func (q *localQueue) push(e broker.Envelope) {
	q.last++
	q.ready = append(q.ready, &localLetter{Envelope: e, number: q.last})
	q.change()
}

// Subscribe calls receive on a goroutine of the subscription. Its context ends
// with unsubscribe.
func (b *LocalBackplane) Subscribe(ctx context.Context, topic, group string, receive func(context.Context, broker.Envelope) error) (unsubscribe func(), err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.down {
		return nil, errNoBackplane
	}
	t := b.topic(topic)
	m := &localMember{queue: t.join(group), has: make(map[*localLetter]struct{})}
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var receiving sync.WaitGroup
	receiving.Go(func() {
		for l := b.next(ctx, m); l != nil; l = b.next(ctx, m) {
			if b.give(ctx, m, l, receive) != nil {
				pause(ctx)
			}
		}
	})
	return sync.OnceFunc(func() {
		cancel()
		receiving.Wait()
		b.leave(t, m)
	}), nil
}

func pause(ctx context.Context) {
	select {
	case <-time.After(localPause):
	case <-ctx.Done():
	}
}

// join returns the queue of a group, or one that the caller has alone.
func (t *localTopic) join(group string) *localQueue {
	for _, q := range t.queues {
		if q.group == group && group != "" {
			return q
		}
	}
	q := &localQueue{group: group, limit: localBacklog, changed: make(chan struct{})}
	t.queues = append(t.queues, q)
	if group != "" {
		q.limit = groupBacklog
		for _, e := range t.early {
			q.push(e)
		}
		t.early = nil
	}
	return q
}

// next returns what m receives next, or nil when it ends.
func (b *LocalBackplane) next(ctx context.Context, m *localMember) *localLetter {
	b.mu.Lock()
	defer b.mu.Unlock()
	q := m.queue
	for ctx.Err() == nil && (len(q.ready) == 0 || len(m.has) >= localInFlight) {
		_ = b.await(ctx, q)
	}
	if ctx.Err() != nil {
		return nil
	}
	l := q.ready[0]
	q.ready = q.ready[1:]
	if q.group != "" {
		m.has[l] = struct{}{}
	}
	q.change()
	return l
}

// give calls receive. A member settles the envelope then or later.
func (b *LocalBackplane) give(ctx context.Context, m *localMember, l *localLetter, receive func(context.Context, broker.Envelope) error) error {
	e := l.Envelope
	if m.queue.group == "" {
		return receive(ctx, e)
	}
	e.Done = message.NewCompletion(message.Handled, func(err error) { b.settle(m, l, err) })
	err := receive(ctx, e)
	e.Done.Release(err)
	return err
}

// settle ends what m has of l. With an error it comes again.
func (b *LocalBackplane) settle(m *localMember, l *localLetter, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, ok := m.has[l]; !ok {
		return // m has left, and somebody else has it
	}
	delete(m.has, l)
	if err != nil {
		m.queue.putBack(l)
	}
	m.queue.change()
}

func (q *localQueue) putBack(l *localLetter) {
	i, _ := slices.BinarySearchFunc(q.ready, l.number, func(o *localLetter, n uint64) int { return int(o.number) - int(n) })
	q.ready = slices.Insert(q.ready, i, l)
}

// leave ends a subscription. What it had of a group comes to the others.
func (b *LocalBackplane) leave(t *localTopic, m *localMember) {
	b.mu.Lock()
	defer b.mu.Unlock()
	q := m.queue
	for l := range m.has {
		q.putBack(l)
	}
	m.has = nil
	if q.group == "" {
		q.gone = true
		t.queues = slices.DeleteFunc(t.queues, func(o *localQueue) bool { return o == q })
	}
	q.change()
}
