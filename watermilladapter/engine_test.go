package watermilladapter_test

import (
	"context"
	"errors"
	"fmt"
	"sync"

	wmessage "github.com/ThreeDotsLabs/watermill/message"
)

// groupEngine is a pub/sub with groups, whose members have several messages under
// way. It can be away: then nothing is published and no subscription is made, and
// breakAll ends those that there are.
type groupEngine struct {
	underWay int // of a member of a group

	mu         sync.Mutex
	topics     map[string]map[string]chan *wmessage.Message // by topic, and group or subscription
	subs       map[*groupSubscriber]context.CancelFunc
	away       bool
	made, open int // subscribers
}

var errAway = errors.New("engine is away")

func newGroupEngine(underWay int) *groupEngine {
	return &groupEngine{
		underWay: underWay,
		topics:   make(map[string]map[string]chan *wmessage.Message),
		subs:     make(map[*groupSubscriber]context.CancelFunc),
	}
}

func (e *groupEngine) setAway(away bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.away = away
}

// breakAll ends every subscription, as a connection that is lost does.
func (e *groupEngine) breakAll() {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, cancel := range e.subs {
		cancel()
	}
}

// counts tells how many subscribers were made, and how many are not closed.
func (e *groupEngine) counts() (made, open int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.made, e.open
}

func (e *groupEngine) Publish(topic string, messages ...*wmessage.Message) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.away {
		return errAway
	}
	for _, m := range messages {
		for _, queue := range e.topics[topic] {
			queue <- m.Copy()
		}
	}
	return nil
}

func (*groupEngine) Close() error { return nil }

func (e *groupEngine) subscriber(_, group string) (wmessage.Subscriber, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.made++
	if e.away {
		return nil, errAway
	}
	e.open++
	return &groupSubscriber{engine: e, group: group}, nil
}

// groupSubscriber makes one subscription.
type groupSubscriber struct {
	engine  *groupEngine
	group   string
	cancel  context.CancelFunc
	running sync.WaitGroup
}

func (s *groupSubscriber) Subscribe(ctx context.Context, topic string) (<-chan *wmessage.Message, error) {
	e := s.engine
	e.mu.Lock()
	defer e.mu.Unlock()
	ctx, s.cancel = context.WithCancel(ctx)
	e.subs[s] = s.cancel
	if e.topics[topic] == nil {
		e.topics[topic] = make(map[string]chan *wmessage.Message)
	}
	name, underWay := s.group, e.underWay
	if name == "" {
		name, underWay = fmt.Sprint("alone ", e.made), 1
	}
	queue := e.topics[topic][name]
	if queue == nil {
		queue = make(chan *wmessage.Message, 4096)
		e.topics[topic][name] = queue
	}
	out := make(chan *wmessage.Message)
	var senders sync.WaitGroup
	senders.Go(func() { s.send(ctx, &senders, make(chan struct{}, underWay), queue, out) })
	s.running.Go(func() {
		senders.Wait()
		close(out)
		e.mu.Lock()
		defer e.mu.Unlock()
		delete(e.subs, s)
		if s.group == "" {
			delete(e.topics[topic], name)
		}
	})
	return out, nil
}

// send hands out the messages in their order. slots has those that are under way.
func (s *groupSubscriber) send(ctx context.Context, waiting *sync.WaitGroup, slots chan struct{}, queue chan *wmessage.Message, out chan<- *wmessage.Message) {
	for {
		select {
		case slots <- struct{}{}:
		case <-ctx.Done():
			return
		}
		select {
		case m := <-queue:
			settled := s.deliver(ctx, m, out)
			waiting.Go(func() {
				for !settled() {
					if ctx.Err() != nil || s.group != "" {
						queue <- m // for whoever of the group comes first
						break
					}
					settled = s.deliver(ctx, m, out)
				}
				<-slots
			})
		case <-ctx.Done():
			return
		}
	}
}

// deliver hands out m. What it returns waits until m is settled, and tells whether
// that is by an acknowledgement.
func (s *groupSubscriber) deliver(ctx context.Context, m *wmessage.Message, out chan<- *wmessage.Message) (acked func() bool) {
	c := m.Copy()
	mctx, taken := context.WithCancel(ctx)
	c.SetContext(mctx)
	select {
	case out <- c:
	case <-ctx.Done():
	}
	return func() bool {
		defer taken()
		select {
		case <-c.Acked():
			return true
		case <-c.Nacked():
		case <-ctx.Done():
		}
		return false
	}
}

func (s *groupSubscriber) Close() error {
	s.engine.mu.Lock()
	s.engine.open--
	s.engine.mu.Unlock()
	if s.cancel != nil {
		s.cancel()
	}
	s.running.Wait()
	return nil
}

// waiting tells how many messages wait for a group, those under way apart.
func (e *groupEngine) waiting(topic, group string) int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.topics[topic][group])
}
