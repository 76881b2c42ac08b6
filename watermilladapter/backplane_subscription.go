package watermilladapter

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	wmessage "github.com/ThreeDotsLabs/watermill/message"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/message"
)

// A subscription that ended is made again after a pause that doubles. The engine
// is believed to be well again when one lived as long as the longest pause.
const (
	firstPause   = 100 * time.Millisecond
	longestPause = 5 * time.Second
	leaveTime    = 3 * time.Second // how long a member of a group waits for the engine when it leaves
)

var errEnded = errors.New("watermilladapter: subscription has ended")

// subscription is one of a Backplane.
type subscription struct {
	b            *Backplane
	destination  string
	topic, group string
	config       FromConfig
	window       *window
	ctx          context.Context
	cancel       context.CancelFunc
	over         chan struct{} // closed when the engine has it no more

	receiving sync.Mutex // held while receive runs
	receive   func(context.Context, broker.Envelope) error
	ended     bool
}

func newSubscription(b *Backplane, topic, group string, receive func(context.Context, broker.Envelope) error) *subscription {
	s := &subscription{
		b:           b,
		destination: topic,
		topic:       b.config.Topic(topic),
		group:       group,
		over:        make(chan struct{}),
		window:      newWindow(),
		receive:     receive,
	}
	s.config = FromConfig{AckDeadline: -1, Logger: b.config.Logger}
	if group != "" {
		s.config.InFlight = b.config.InFlight
	}
	s.config = s.config.withDefaults(s.topic)
	s.ctx, s.cancel = context.WithCancel(b.ctx)
	return s
}

// end is unsubscribe.
func (s *subscription) end() {
	s.cancel()
	s.receiving.Lock()
	s.ended = true
	s.receiving.Unlock()
	if s.group == "" {
		return
	}
	select { // the next member here is to get what this one leaves before what comes later
	case <-s.over:
	case <-time.After(leaveTime):
	}
}

// connection is the subscription as the engine has it now.
type connection struct {
	sub    wmessage.Subscriber
	source *Source         // nil when sub calls
	over   <-chan struct{} // closed when nothing comes any more
	cancel context.CancelFunc
}

// run subscribes until the subscription ends. It says how it went the first time.
func (s *subscription) run(first chan<- error) {
	defer close(s.over)
	defer s.cancel()
	c, err := s.connect(func() {})
	<-s.b.pending
	first <- err
	for pause := firstPause; err == nil; {
		began := time.Now()
		select {
		case <-c.over:
			if c.source == nil && s.ctx.Err() == nil { // a source tells itself
				s.log(slog.LevelWarn, "subscription ended")
			}
		case <-s.ctx.Done():
		}
		s.close(c)
		if time.Since(began) >= longestPause {
			pause = firstPause
		}
		c, pause, err = s.again(pause)
	}
}

// again connects until that succeeds, or the subscription ends. What others publish before it
// does may be missed. That is told at both ends of it: what the node publishes itself meanwhile
// is received behind the beginning, and ahead of what is missed later.
func (s *subscription) again(pause time.Duration) (connection, time.Duration, error) {
	if s.ctx.Err() == nil {
		s.missed()
	}
	for s.ctx.Err() == nil {
		select {
		case <-time.After(pause):
		case <-s.ctx.Done():
			continue
		}
		pause = min(2*pause, longestPause)
		c, err := s.connect(sync.OnceFunc(s.missed))
		if err == nil {
			s.b.stats.rebuilt.Add(1)
			s.log(slog.LevelInfo, "subscription was made again")
			return c, pause, nil
		}
		if s.ctx.Err() == nil {
			s.b.available.is(false)
			s.log(slog.LevelWarn, "subscription could not be made again", slog.Any("error", err), slog.Duration("pause", pause))
		}
	}
	return connection{}, 0, errEnded
}

// connect is given up when the subscription ends; what it makes ends with close, for
// the engine is to be told before what becomes of the last messages. It calls back when the
// engine has made it, before anything is received.
func (s *subscription) connect(back func()) (c connection, err error) {
	defer message.Recover(&err)
	if c.sub, err = s.b.config.Subscriber(s.topic, s.group); err != nil {
		return c, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	c.cancel = cancel
	defer context.AfterFunc(s.ctx, cancel)()
	err = c.begin(ctx, s, func(ctx context.Context, m *wmessage.Message, done *message.Completion) error {
		back()
		return s.handle(ctx, m, done)
	})
	if err != nil {
		cancel()
		_ = c.sub.Close() // that it is of no use is known
		return c, err
	}
	back()
	s.b.available.is(true)
	return c, nil
}

func (s *subscription) close(c connection) {
	if sub, ok := c.sub.(leaver); ok {
		sub.Leave()
	}
	if c.source != nil {
		c.source.Close()
	}
	c.cancel()
	if err := c.sub.Close(); err != nil {
		s.log(slog.LevelWarn, "subscriber could not be closed", slog.Any("error", err))
	}
}

func (s *subscription) log(level slog.Level, text string, attrs ...slog.Attr) {
	attrs = append(attrs, slog.String("topic", s.topic), slog.String("group", s.group))
	s.config.logger().LogAttrs(s.ctx, level, text, attrs...)
}

// handle is what the sources of the subscription call.
func (s *subscription) handle(ctx context.Context, m *wmessage.Message, done *message.Completion) error {
	if m.Metadata[metaMissed] != "" {
		s.missed()
		return nil
	}
	e, err := toEnvelope(m)
	if err != nil {
		s.b.stats.unreadable.Add(1)
		s.log(slog.LevelError, "message is no envelope", slog.String("message_id", m.UUID), slog.Any("error", err))
		return nil
	}
	if !s.window.begin(e.ID, done) {
		s.b.stats.duplicates.Add(1)
		return nil
	}
	settle := func(err error) { s.window.settle(e.ID, err) }
	if s.group == "" {
		err := s.call(ctx, e)
		settle(err)
		return err
	}
	done.Hold()
	e.Done = message.NewCompletion(message.Handled, func(err error) {
		settle(err)
		if away(err) {
			err = errEnded
		}
		done.Release(err)
	})
	e.Done.Release(s.call(ctx, e))
	return nil
}

// missed tells of a gap. Groups have none: what one member does not get, another one does.
func (s *subscription) missed() {
	if s.group == "" {
		s.b.misses.mu.Lock()
		defer s.b.misses.mu.Unlock()
		s.b.misses.tell(s.destination)
	}
}

// away reports whether an error says no more than that somebody else is to have the
// message, as every node does that goes. That is no failure.
func away(err error) bool {
	e, ok := errors.AsType[*message.Error](err)
	return ok && e.Code == message.CodeUnavailable
}

// call hands an envelope to the receiver, until the subscription has ended.
func (s *subscription) call(ctx context.Context, e broker.Envelope) (err error) {
	s.receiving.Lock()
	defer s.receiving.Unlock()
	if s.ended {
		return errEnded
	}
	defer message.Recover(&err)
	return s.receive(ctx, e)
}
