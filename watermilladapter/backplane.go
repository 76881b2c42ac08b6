package watermilladapter

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"

	wmessage "github.com/ThreeDotsLabs/watermill/message"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/message"
)

var (
	errSubscribe = message.Errorf(message.CodeUnavailable, "engine could not be subscribed to")
	errBusy      = message.Errorf(message.CodeUnavailable, "too many calls wait for the engine")
	errClosed    = message.Errorf(message.CodeUnavailable, "the backplane is closed")
	errNoGroups  = message.Errorf(message.CodeInvalid, "the engine has no groups")
)

// BackplaneConfig says how a [Backplane] reaches its engine.
type BackplaneConfig struct {
	// Publisher publishes, and returns when the engine has what it published. It is
	// its maker's to close, after the backplane. There is no zero: it is needed.
	Publisher wmessage.Publisher
	// Prompt says that Publish of Publisher ends when the context of its message does.
	// Then it runs on the goroutine that publishes. Zero means that it runs on one of its own.
	Prompt bool
	// Subscriber makes the subscriber of one subscription to a topic, which is closed
	// with it. Of those of one group, one gets a message; without a group, which is
	// empty, each gets all that is published from then on. topic is what Topic made,
	// group is as it was asked for. There is no zero: it is needed.
	//
	// A subscriber may have two more methods. Leave() tells it to end its subscription
	// before what it handed out is refused, which might come to the same node again
	// otherwise. Call(ctx, topic, handle) is Subscribe without a group: it calls handle, a
	// func(*message.Message), with one message after the other on a goroutine of its own,
	// which spares them the way to another one. What handle returned from is acknowledged.
	// It returns a <-chan struct{} that is closed when no more come, and an error.
	Subscriber func(topic, group string) (wmessage.Subscriber, error)
	// Topic is the engine's name of a topic, which must be one to one. Zero (nil)
	// means [EscapeTopic].
	Topic func(destination string) string
	// Watch is [broker.Backplane]'s. Zero (nil) means that what publishes and
	// subscriptions tell is believed: one that fails says that the engine is away,
	// one that succeeds that it is there.
	Watch func(changed func(available bool)) (stop func())
	// InFlight is how many messages of a group may be under way at each subscription.
	// Zero means 256. How many an engine hands out before it waits for their
	// acknowledgements is its own matter.
	InFlight int
	// Pending is how many calls may wait for the engine at once, each on a goroutine
	// that is kept for the next one. Zero means 1,024.
	Pending int
	// Features are the engine's: Ordered and Durable; Queues when it has groups, for it
	// is not asked for one otherwise; Backlog and Acks when they keep what waits and
	// deliver again what is refused. Zero means none of them.
	Features broker.Features
	// Logger is told of subscriptions that end and are made again, of messages that
	// failed and of those that are no envelopes. Zero (nil) means slog.Default() at
	// the time.
	Logger *slog.Logger
}

func (c BackplaneConfig) withDefaults() BackplaneConfig {
	if c.Topic == nil {
		c.Topic = EscapeTopic
	}
	if c.InFlight == 0 {
		c.InFlight = 256
	}
	if c.Pending == 0 {
		c.Pending = 1024
	}
	return c
}

// Backplane carries envelopes over any Watermill pub/sub: it is a
// [broker.Backplane]. Its methods may be called from any goroutine.
type Backplane struct {
	config    BackplaneConfig
	pending   chan struct{} // one entry per call of the engine
	idle      chan func()   // to workers that wait for the next call
	available availability
	stats     backplaneCounts
	misses    watchers[string] // by topic

	ctx     context.Context // of all subscriptions
	close   context.CancelFunc
	mu      sync.Mutex // so that none begins while Close waits
	running sync.WaitGroup
}

var (
	_ broker.Backplane   = (*Backplane)(nil)
	_ broker.MissWatcher = (*Backplane)(nil)
)

type backplaneCounts struct{ unreadable, duplicates, rebuilt atomic.Uint64 }

// BackplaneStats is what a [Backplane] counted.
type BackplaneStats struct {
	// Calls is how many calls wait for the engine.
	Calls int
	// Unreadable counts messages that were no envelopes. They are acknowledged.
	Unreadable uint64
	// Duplicates counts messages that the engine delivered again in vain.
	Duplicates uint64
	// Rebuilt counts subscriptions that were made again.
	Rebuilt uint64
}

// NewBackplane returns a backplane over the engine of c. It panics when Publisher
// or Subscriber is missing, or a number is negative.
func NewBackplane(c BackplaneConfig) *Backplane {
	if c.Publisher == nil || c.Subscriber == nil {
		panic("watermilladapter: NewBackplane needs a publisher and subscribers")
	}
	if c.InFlight < 0 || c.Pending < 0 {
		panic("watermilladapter: BackplaneConfig has a negative InFlight or Pending")
	}
	c = c.withDefaults()
	ctx, cancel := context.WithCancel(context.Background())
	return &Backplane{config: c, pending: make(chan struct{}, c.Pending), idle: make(chan func()), ctx: ctx, close: cancel}
}

// Features are those of the configuration.
func (b *Backplane) Features() broker.Features { return b.config.Features }

// Stats counts since the backplane was made.
func (b *Backplane) Stats() BackplaneStats {
	return BackplaneStats{
		Calls:      len(b.pending),
		Unreadable: b.stats.unreadable.Load(),
		Duplicates: b.stats.duplicates.Load(),
		Rebuilt:    b.stats.rebuilt.Load(),
	}
}

// Watch calls changed now and when something changes, until stop is called; changed
// must not call the backplane.
func (b *Backplane) Watch(changed func(available bool)) (stop func()) {
	if b.config.Watch != nil {
		return b.config.Watch(changed)
	}
	return b.available.watch(changed)
}

// WatchMisses calls missed with the topic of a subscription without a group when it is to be
// made again and when it has been, and where the subscriber hands out [Missed], until stop is
// called; missed must not call the backplane.
func (b *Backplane) WatchMisses(missed func(topic string)) (stop func()) {
	b.misses.mu.Lock()
	defer b.misses.mu.Unlock()
	return b.misses.add(missed)
}

// Subscribe makes a subscription with a goroutine of its own, which makes it again
// whenever the engine ends it: at once, then with pauses of up to five seconds.
// What fails the first time is an error with [message.CodeUnavailable], unless a
// subscriber says what is wrong with the topic, by an authored one with another code; a
// group of an engine that has none is one with [message.CodeInvalid].
//
// A message is acknowledged when receive returned nil or, in a group, when the
// envelope's Done was released; after an error it is refused, 100 milliseconds
// later. What the engine delivers again although it was received, in a group
// although it was acknowledged or is still under way, is received once: the last
// 16,384 ids of two minutes are known. unsubscribe refuses what is under way; in a
// group it gives the engine three seconds to learn that. It leaves it to Close to wait for
// the subscriber's end.
func (b *Backplane) Subscribe(ctx context.Context, topic, group string, receive func(context.Context, broker.Envelope) error) (unsubscribe func(), err error) {
	if group != "" && !b.config.Features.Queues {
		return nil, errNoGroups
	}
	if err := b.begin(ctx); err != nil {
		return nil, err
	}
	s := newSubscription(b, topic, group, receive)
	first := make(chan error, 1)
	if !b.run(func() { s.run(first) }) {
		s.cancel()
		<-b.pending
		return nil, errClosed
	}
	select {
	case err = <-first:
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	if err != nil {
		s.cancel()
		if refused(err) {
			return nil, err
		}
		return nil, errSubscribe.WithCause(err)
	}
	return s.end, nil
}

// run begins a subscription, unless the backplane is closed.
func (b *Backplane) run(subscription func()) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ctx.Err() != nil {
		return false
	}
	b.running.Go(subscription)
	return true
}

// Close ends the subscriptions and waits for their receivers and subscribers. A
// Publish that hangs ends with its context, and its goroutine with the publisher.
func (b *Backplane) Close() {
	b.mu.Lock()
	b.close()
	b.mu.Unlock()
	b.running.Wait()
}
