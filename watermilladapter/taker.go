package watermilladapter

import (
	"context"
	"sync"
	"time"

	wmessage "github.com/ThreeDotsLabs/watermill/message"

	"github.com/headrace/headrace/channel"
	"github.com/headrace/headrace/message"
)

// topic is one of a PubSub.
type topic struct {
	queue channel.PollableChannel[[]byte]
	own   *channel.QueueChannel[[]byte] // the same, when the PubSub made it

	mu       sync.Mutex
	returned []message.Raw // what subscriptions had that ended; goes before queue
	takers   map[*taker]struct{}
}

// giveBack is for what a subscription has and cannot settle. Who waits for the queue
// looks here instead.
func (t *topic) giveBack(m message.Raw) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.returned = append(t.returned, m)
	for s := range t.takers {
		s.interrupt()
	}
}

// next returns what was given back, or else a context in which to wait for the queue.
func (t *topic) next(ctx context.Context, s *taker) (m message.Raw, ok bool, wait context.Context) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.returned) > 0 {
		m, t.returned = t.returned[0], t.returned[1:]
		return m, true, nil
	}
	if s.wait == nil || s.wait.Err() != nil {
		s.wait, s.interrupt = context.WithCancel(ctx)
		t.takers[s] = struct{}{}
	}
	return m, false, s.wait
}

func (t *topic) leave(s *taker) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if s.interrupt != nil {
		s.interrupt()
	}
	delete(t.takers, s)
}

// close is called when there are no subscriptions any more.
func (t *topic) close() {
	for _, m := range t.returned {
		m.Done.Release(channel.ErrClosed)
	}
	if t.own != nil {
		t.own.Close()
	}
}

// taker is a subscription to a topic.
type taker struct {
	topic     *topic
	nackDelay time.Duration
	out       chan *wmessage.Message

	wait      context.Context // for the queue
	interrupt context.CancelFunc
}

func (s *taker) run(ctx context.Context) {
	defer close(s.out)
	defer s.topic.leave(s)
	for ctx.Err() == nil {
		m, ok, wait := s.topic.next(ctx, s)
		if !ok {
			var err error
			if m, err = s.topic.queue.Receive(wait); err != nil {
				if wait.Err() == nil {
					return // the queue has ended
				}
				continue
			}
		}
		if !s.settle(ctx, m) {
			s.topic.giveBack(m)
		}
	}
}

// settle delivers m until it is acknowledged, or ctx ends.
func (s *taker) settle(ctx context.Context, m message.Raw) bool {
	w := fromRaw(m)
	for {
		acked, ended := s.deliver(ctx, w.Copy())
		if acked {
			m.Done.Release(nil)
		}
		if acked || ended {
			return acked
		}
		if s.nackDelay <= 0 {
			continue
		}
		select {
		case <-time.After(s.nackDelay):
		case <-ctx.Done():
			return false
		}
	}
}

func (s *taker) deliver(ctx context.Context, w *wmessage.Message) (acked, ended bool) {
	mctx, cancel := context.WithCancel(ctx)
	defer cancel()
	w.SetContext(mctx)
	select {
	case s.out <- w:
	case <-ctx.Done():
		return false, true
	}
	select {
	case <-w.Acked():
		return true, false
	case <-w.Nacked():
		return false, false
	case <-ctx.Done():
		return isClosed(w.Acked()), true
	}
}
