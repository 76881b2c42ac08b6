package pubsub

import (
	"context"
	"sync"
	"time"

	wmessage "github.com/ThreeDotsLabs/watermill/message"
)

// startLimit bounds how long an engine may take to begin a subscription.
const startLimit = 10 * time.Second

// Start begins a subscription at the engine: what is published after it returned is
// received. ctx is that of the beginning alone. receive hands out until the context
// of out ends, or the subscription did.
type Start func(ctx context.Context) (receive func(out *Out), err error)

// Subscriber is a Watermill subscriber of one subscription.
type Subscriber struct {
	turns    *Turns
	key      string
	inFlight int
	start    Start
	ctx      context.Context // of what Close ends
	cancel   context.CancelFunc
	running  sync.WaitGroup
}

// NewSubscriber returns a subscriber for a topic, which start knows. key is that of its
// turn, the same for all members of a group; it is empty for one that has no group.
func NewSubscriber(turns *Turns, key string, inFlight int, start Start) *Subscriber {
	s := &Subscriber{turns: turns, key: key, inFlight: inFlight, start: start}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s
}

// Subscribe begins the subscription. It ends with ctx, or with Close.
func (s *Subscriber) Subscribe(ctx context.Context, _ string) (<-chan *wmessage.Message, error) {
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(s.ctx, cancel)
	receive, end, err := s.begin(ctx)
	if err != nil {
		stop()
		cancel()
		return nil, err
	}
	out := &Out{ctx: ctx, messages: make(chan *wmessage.Message), slots: make(chan struct{}, s.inFlight)}
	s.running.Go(func() {
		defer close(out.messages)
		defer end()
		receive(out)
		stop()
		cancel()
		out.Settled()
	})
	return out.messages, nil
}

// begin waits for its turn, and for the engine.
func (s *Subscriber) begin(subscription context.Context) (receive func(*Out), end func(), err error) {
	ctx, cancel := context.WithTimeout(subscription, startLimit)
	defer cancel()
	end = func() {}
	if s.key != "" {
		if end, err = s.turns.begin(ctx, subscription, s.key); err != nil {
			return nil, nil, err
		}
	}
	if receive, err = s.start(ctx); err != nil {
		end()
		return nil, nil, err
	}
	return receive, end, nil
}

// Close ends the subscription and waits for that.
func (s *Subscriber) Close() error {
	s.cancel()
	s.running.Wait()
	return nil
}
