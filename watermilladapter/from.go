package watermilladapter

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	wmessage "github.com/ThreeDotsLabs/watermill/message"

	"github.com/headrace/headrace/interceptor"
	"github.com/headrace/headrace/message"
)

// FromConfig says how a [Source] takes messages.
type FromConfig struct {
	// Destination is the destination of the messages. Zero means the topic.
	Destination string
	// InFlight is how many messages may be under way at once. Zero means 1: in
	// order, one at a time.
	InFlight int
	// AckDeadline is how long a message may take. A message that takes longer is
	// refused, so that the engine delivers it again; it stays under way until its
	// handler is done. A handler that runs within Handle is told by the end of
	// its context. One behind an executor channel is not: its context ends with
	// that channel, so that it may run beside the next delivery of its message.
	// Zero means 30 seconds; negative means for ever.
	AckDeadline time.Duration
	// NackDelay is how long a message that failed is kept before it is refused,
	// so that one that always fails does not make the engine spin. Zero means
	// 100 milliseconds; negative means none.
	NackDelay time.Duration
	// Logger is told of messages that failed and of a subscription that ended by
	// itself. Zero (nil) means slog.Default() at the time.
	Logger *slog.Logger
}

func (c FromConfig) withDefaults(topic string) FromConfig {
	if c.Destination == "" {
		c.Destination = topic
	}
	if c.InFlight == 0 {
		c.InFlight = 1
	}
	if c.AckDeadline == 0 {
		c.AckDeadline = 30 * time.Second
	}
	if c.NackDelay == 0 {
		c.NackDelay = 100 * time.Millisecond
	}
	return c
}

func (c FromConfig) logger() *slog.Logger {
	if c.Logger != nil {
		return c.Logger
	}
	return slog.Default()
}

// handleFunc handles one message; done is told how that ended.
type handleFunc func(ctx context.Context, m *wmessage.Message, done *message.Completion) error

// Source takes the messages of one topic. Its methods may be called from any
// goroutine but those of its own handlers.
type Source struct {
	topic  string
	config FromConfig
	handle handleFunc
	in     <-chan *wmessage.Message
	cancel context.CancelFunc // ends the subscription

	slots     chan struct{} // one entry per message under way
	stop      chan struct{} // closed to end the intake
	idle      chan struct{} // closed when the intake has ended
	abandoned chan struct{} // closed when nobody waits any more
	done      chan struct{} // closed when the goroutine is gone

	stopOnce, abandonOnce sync.Once
	underway
}

// From subscribes to topic and hands its messages to the handler, one after the
// other on a goroutine of the source, until Shutdown or Close. The messages'
// contexts are the engine's, which most engines derive from ctx. The end of ctx
// ends the subscription. The error is the subscriber's. From panics when sub or
// to is nil, or InFlight is negative.
func From(ctx context.Context, sub wmessage.Subscriber, topic string, to message.RawHandler, c FromConfig) (*Source, error) {
	if sub == nil || to == nil {
		panic("watermilladapter: From needs a subscriber and a handler")
	}
	if c.InFlight < 0 {
		panic("watermilladapter: FromConfig has a negative InFlight")
	}
	c = c.withDefaults(topic)
	to = interceptor.Recover(to)
	return subscribe(ctx, sub, topic, c, func(ctx context.Context, m *wmessage.Message, done *message.Completion) error {
		return to.Handle(ctx, message.Raw{
			Destination: c.Destination,
			Header:      toHeader(m),
			Payload:     m.Payload,
			Done:        done,
		})
	})
}

// subscribe is From, with all that is in c set, and a handle that does not panic.
func subscribe(ctx context.Context, sub wmessage.Subscriber, topic string, c FromConfig, handle handleFunc) (*Source, error) {
	ctx, cancel := context.WithCancel(ctx)
	in, err := sub.Subscribe(ctx, topic)
	if err != nil {
		cancel()
		return nil, fmt.Errorf("watermilladapter: subscribe to %q: %w", topic, err)
	}
	s := &Source{
		topic:     topic,
		config:    c,
		handle:    handle,
		in:        in,
		cancel:    cancel,
		slots:     make(chan struct{}, c.InFlight),
		stop:      make(chan struct{}),
		idle:      make(chan struct{}),
		abandoned: make(chan struct{}),
		done:      make(chan struct{}),
		underway:  underway{all: make(map[*delivery]struct{}), told: newTold(c.InFlight)},
	}
	go s.run()
	return s, nil
}

// Shutdown takes no more messages, waits until those under way are settled and
// ends the subscription, after it gave the engine up to a second to take the last
// acknowledgements. When ctx ends first it returns ctx's error and the source goes
// on draining until Close.
func (s *Source) Shutdown(ctx context.Context) error {
	s.stopOnce.Do(func() { close(s.stop) })
	select {
	case <-s.done:
		return nil
	case <-ctx.Done():
	}
	select {
	case <-s.done: // too: that counts
		return nil
	default:
		return fmt.Errorf("watermilladapter: source %q: %w", s.topic, ctx.Err())
	}
}

// Close refuses what is under way at once and ends the subscription; the engine,
// which has a tenth of a second to take that, delivers again what was not
// acknowledged. A handler that runs within
// Handle is told by the end of its context, and Close waits for it; one behind
// an executor channel runs on until it is done or that channel is closed. Close
// also waits for the subscriber to end the subscription.
func (s *Source) Close() {
	s.stopOnce.Do(func() { close(s.stop) })
	s.abandonOnce.Do(func() {
		s.abandon()
		close(s.abandoned)
	})
	<-s.done
}

func (s *Source) run() {
	defer close(s.done)
	s.take()
	close(s.idle)
	s.drain()
	s.timers.Wait()
	s.flush()
	// Only now: what the engine is told it takes only while the subscription lasts.
	s.cancel()
	for m := range s.in { // handed out by the engine, but never begun
		m.Nack()
	}
}

// take hands messages on until intake ends.
func (s *Source) take() {
	for {
		select {
		case s.slots <- struct{}{}:
		case <-s.stop:
			return
		}
		select {
		case m, ok := <-s.in:
			if !ok {
				<-s.slots
				s.ended()
				return
			}
			s.begin(m)
		case <-s.stop:
			<-s.slots
			return
		}
	}
}

// ended tells of a subscription that nobody of ours ended.
func (s *Source) ended() {
	select {
	case <-s.stop:
	default:
		s.config.logger().Warn("subscription ended", "topic", s.topic)
	}
}

// drain waits until no message is under way.
func (s *Source) drain() {
	for range cap(s.slots) {
		select {
		case s.slots <- struct{}{}:
		case <-s.abandoned:
			return
		}
	}
}
