package redis

import (
	"context"
	"errors"
	"net"
	"strings"
	"time"

	wmessage "github.com/ThreeDotsLabs/watermill/message"
	goredis "github.com/redis/go-redis/v9"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/engines/internal/pubsub"
	"github.com/headrace/headrace/watermilladapter"
)

const (
	// pause comes between attempts while the server is away.
	pause = 100 * time.Millisecond
	// round is how long a read waits for messages.
	round = time.Second
	// batch is how many messages a read asks for.
	batch = 128
)

// Backplane carries envelopes over Redis.
type Backplane struct {
	// Backplane does the work.
	*watermilladapter.Backplane
	engine *engine
}

// Close ends the subscriptions, and closes the connections.
func (b *Backplane) Close() {
	b.engine.health.Close() // what waits for the server does no more
	b.Backplane.Close()
	b.engine.close()
}

// engine is a server of Redis, or a cluster.
type engine struct {
	config Config
	client goredis.UniversalClient // of all that does not wait for messages
	health *pubsub.Health
	watch  *pubsub.Pinger
}

// Streams returns a backplane over streams of Redis, one for each topic, at least once.
// A message that Publish returned nil for survives the server as far as that keeps what
// it has: with appendonly yes and appendfsync no the end of its process, with always that
// of its machine too. With everysec, which is Redis's default, it answers while it waits
// for the disk, and loses that, up to two seconds of it, with its process already. One
// that keeps nothing loses what waits; subscriptions go on.
//
// Each subscription has a connection that waits for messages. Without a group it reads
// on from the last message that it got, in order and without doubles; one that is more
// than MaxLen messages behind misses what was cut off meanwhile, and logs an error that says
// how much that was, where the server is Redis 7 or later. A group begins with what the
// topic has; what a node of it has not acknowledged when that is not heard of any more
// goes to another.
//
// While the server is away, Publish waits for it as long as its context says, and
// Watch tells, within seconds. Close ends the backplane.
func Streams(c Config) (*Backplane, error) {
	c = c.withDefaults()
	e := &engine{config: c, client: goredis.NewUniversalClient(&c.Redis), health: pubsub.NewHealth()}
	e.watch = pubsub.Ping(e.health, func(ctx context.Context) error { return e.client.Ping(ctx).Err() }, c.logger())
	return &Backplane{engine: e, Backplane: watermilladapter.NewBackplane(watermilladapter.BackplaneConfig{
		Publisher:  publisher{e},
		Subscriber: e.subscriber,
		Watch:      e.health.Watch,
		InFlight:   c.InFlight,
		Features:   broker.Features{Ordered: true, Queues: true, Backlog: true, Acks: true, Durable: true},
		Logger:     c.Logger,
	})}, nil
}

func (e *engine) close() {
	e.watch.Stop()
	_ = e.client.Close() // its connections go either way
}

// publisher adds messages to streams.
type publisher struct{ *engine }

// Publish tries again while the server cannot be reached. What it may have got is not
// sent again: its error is told.
func (p publisher) Publish(topic string, messages ...*wmessage.Message) error {
	for _, m := range messages {
		if err := p.publish(m.Context(), key(p.config.Prefix, topic), m); err != nil {
			return err
		}
	}
	return nil
}

func (publisher) Close() error { return nil }

func (p publisher) publish(ctx context.Context, key string, m *wmessage.Message) error {
	values := toValues(m)
	for {
		if _, err := p.health.Wait(ctx); err != nil {
			return err
		}
		pipe := p.client.Pipeline()
		added := pipe.XAdd(ctx, &goredis.XAddArgs{Stream: key, MaxLen: p.config.MaxLen, Approx: true, Values: values})
		pipe.PExpire(ctx, key, p.config.MaxAge)
		_, _ = pipe.Exec(ctx) // each command has its own error
		err := added.Err()
		if err == nil || !untouched(err) {
			return err
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return err
		}
	}
}

// untouched reports whether an error says that the server has not seen the command, or
// refused it for now.
func untouched(err error) bool {
	if e, ok := errors.AsType[*net.OpError](err); ok && e.Op == "dial" {
		return true
	}
	return strings.HasPrefix(err.Error(), "LOADING ") || strings.HasPrefix(err.Error(), "MASTERDOWN ")
}

func (e *engine) subscriber(topic, group string) (wmessage.Subscriber, error) {
	key := key(e.config.Prefix, topic)
	return pubsub.NewSubscriber(e.config.InFlight, func(ctx context.Context) (func(*pubsub.Out), error) {
		if _, err := e.health.Wait(ctx); err != nil {
			return nil, err
		}
		if group != "" {
			return e.group(ctx, key, watermilladapter.EscapeTopic(group))
		}
		return e.all(ctx, key)
	}), nil
}

// reader returns a client with a connection of its own, for reads that wait. Closing it
// ends one that does.
func (e *engine) reader() goredis.UniversalClient {
	options := e.config.Redis
	options.PoolSize = 1
	options.MinIdleConns = 0
	options.ContextTimeoutEnabled = false
	options.ReadTimeout = max(options.ReadTimeout, 3*time.Second) // beside the time that a read waits
	return goredis.NewUniversalClient(&options)
}

// closeWith closes a client when ctx ends.
func closeWith(ctx context.Context, client goredis.UniversalClient) (closed func()) {
	stop := context.AfterFunc(ctx, func() { _ = client.Close() })
	return func() {
		stop()
		_ = client.Close() // it may be closed
	}
}

// rest waits after an error, until the subscription ends.
func rest(ctx context.Context) {
	select {
	case <-time.After(pause):
	case <-ctx.Done():
	}
}
