package nats

import (
	"context"
	"errors"
	"time"

	wmessage "github.com/ThreeDotsLabs/watermill/message"
	natsgo "github.com/nats-io/nats.go"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/engines/internal/pubsub"
	"github.com/headrace/headrace/watermilladapter"
)

// Core returns a backplane over the core of NATS, which stores nothing: a message gets
// to those who subscribe at the time, at most once. Publish returns when the server has
// it. What is published while the server is away waits for it as long as its context
// says; what is on its way when it goes may be lost.
//
// A server that is not there is no error: Watch tells. The error is that of a
// configuration that the client refuses. Close ends the backplane.
func Core(c Config) (*Backplane, error) {
	k, err := dial(c.withDefaults())
	if err != nil {
		return nil, err
	}
	return &Backplane{connection: k, Backplane: watermilladapter.NewBackplane(watermilladapter.BackplaneConfig{
		Publisher:  publisher(k.publish),
		Prompt:     true,
		Subscriber: k.subscriber,
		Watch:      k.health.Watch,
		InFlight:   k.config.InFlight,
		Features:   broker.Features{Ordered: true, Queues: true},
		Logger:     c.Logger,
	})}, nil
}

func (k *connection) publish(ctx context.Context, topic string, m *wmessage.Message) error {
	down, err := k.health.Wait(ctx)
	if err != nil {
		return err
	}
	before, to := k.nc.LastError(), subject(k.config.Prefix, topic)
	if err := k.nc.PublishMsg(toMsg(to, m)); err != nil {
		return refusal(err)
	}
	switch err = k.flush(ctx); {
	case err != nil:
		return err
	case down.Err() != nil: // another connection answered
		return pubsub.ErrAway
	}
	return k.denied(before, publishing, to)
}

// subscriber subscribes as the client does: for ever, whatever becomes of the server.
func (k *connection) subscriber(topic, group string) (wmessage.Subscriber, error) {
	return pubsub.NewSubscriber(k.config.InFlight, func(ctx context.Context) (func(*pubsub.Out), error) {
		if _, err := k.health.Wait(ctx); err != nil {
			return nil, err
		}
		queue := ""
		if group != "" {
			queue = queueGroup(group)
		}
		before, from := k.nc.LastError(), subject(k.config.Prefix, topic)
		s, err := k.nc.QueueSubscribeSync(from, queue)
		if err != nil {
			return nil, err
		}
		if err = k.flush(ctx); err == nil {
			err = k.denied(before, subscribing, from)
		}
		if err != nil {
			_ = s.Unsubscribe() // the connection may be lost, or closed
			return nil, err
		}
		return func(out *pubsub.Out) { k.receive(s, group != "", out) }, nil
	}), nil
}

// receive hands out until the subscription ends. What a member of a group has by then is
// given to the others.
func (k *connection) receive(s *natsgo.Subscription, group bool, out *pubsub.Out) {
	ctx, end := out.Context(), s.Unsubscribe
	if group {
		late, over := out.Late()
		defer over()
		ctx, end = late, s.Drain
		defer s.Unsubscribe()
	}
	stop := context.AfterFunc(out.Context(), func() { _ = end() }) // the connection may be closed
	defer stop()
	var gaps gaps
	for {
		m, err := s.NextMsgWithContext(ctx)
		switch {
		case errors.Is(err, natsgo.ErrSlowConsumer): // the client has told
			continue
		case err != nil:
			return
		}
		if group {
			out.Give(fromMsg(m.Header, m.Data), k.published(m))
		} else if !out.One(fromMsg(m.Header, m.Data)) || gaps.behind(s) && !out.One(watermilladapter.Missed()) {
			return
		}
	}
}

// gaps is where the client has dropped messages, because too many waited.
type gaps struct{ came, until, dropped int }

// behind is asked after each message, and reports whether some may have been dropped right
// behind it: behind which of those that wait it was the client does not say.
func (g *gaps) behind(s *natsgo.Subscription) bool {
	g.came++
	if dropped, err := s.Dropped(); err == nil && dropped != g.dropped {
		waiting, _, _ := s.Pending()
		g.dropped, g.until = dropped, g.came+waiting
	}
	return g.came <= g.until
}

// published are messages of a group, of which the server knows nothing any more: what is
// refused is published again. That is not confirmed, one by one, when a member leaves.
func (k *connection) published(m *natsgo.Msg) pubsub.Held {
	nothing := func(context.Context) error { return nil }
	return pubsub.Held{
		Ack:   nothing,
		Nack:  func(context.Context) error { return k.nc.PublishMsg(m) },
		Keep:  nothing,
		Every: time.Hour,
	}
}
