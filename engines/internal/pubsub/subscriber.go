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
	inFlight int
	start    Start
	ctx      context.Context // of what Close ends
	cancel   context.CancelFunc
	running  sync.WaitGroup
}

// NewSubscriber returns a subscriber for one topic, which start knows.
func NewSubscriber(inFlight int, start Start) *Subscriber {
	s := &Subscriber{inFlight: inFlight, start: start}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s
}

// Subscribe begins the subscription. It ends with ended, or with Leave or Close.
func (s *Subscriber) Subscribe(ended context.Context, _ string) (<-chan *wmessage.Message, error) {
	out := newOut(s.inFlight)
	return out.messages, s.begin(ended, out)
}

// Call is Subscribe for messages that come by [Out.One]: it hands them to a function
// instead, and so spares them the way to another goroutine. over is closed when the
// subscription has ended.
func (s *Subscriber) Call(ended context.Context, _ string, handle func(*wmessage.Message)) (over <-chan struct{}, err error) {
	out := newOut(0)
	out.handle = handle
	return out.over, s.begin(ended, out)
}

func (s *Subscriber) begin(ended context.Context, out *Out) error {
	ctx, cancel := context.WithCancel(s.ctx)
	stop := context.AfterFunc(ended, cancel)
	end := func() {
		stop()
		cancel()
	}
	starting, started := context.WithTimeout(ctx, startLimit)
	receive, err := s.start(starting)
	started()
	if err != nil {
		end()
		return err
	}
	out.begin(ctx)
	s.running.Go(func() {
		defer close(out.over)
		defer close(out.messages)
		receive(out)
		end()
		out.Settled()
	})
	return nil
}

// Leave ends the subscription: nothing that is refused from now on comes here again.
func (s *Subscriber) Leave() { s.cancel() }

// Close ends the subscription and waits for that.
func (s *Subscriber) Close() error {
	s.cancel()
	s.running.Wait()
	return nil
}
