package nats

import (
	"context"
	"errors"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/headrace/headrace/engines/internal/pubsub"
)

// maxAckPending bounds what all nodes of a group have at once.
const maxAckPending = 65536

// group takes messages from the consumer that a group shares.
func (s *stream) group(ctx context.Context, subject, group string) (func(*pubsub.Out), error) {
	consumer, err := s.js.CreateOrUpdateConsumer(ctx, s.config.Stream, jetstream.ConsumerConfig{
		Durable:           durable(subject, group),
		Description:       "group " + queueGroup(group) + " of " + subject,
		FilterSubject:     subject,
		DeliverPolicy:     jetstream.DeliverAllPolicy,
		AckPolicy:         jetstream.AckExplicitPolicy,
		AckWait:           s.config.AckWait,
		MaxAckPending:     maxAckPending,
		InactiveThreshold: s.config.MaxAge,
	})
	if err != nil {
		if errors.Is(err, jetstream.ErrStreamNotFound) {
			s.lost()
		}
		return nil, err
	}
	return func(out *pubsub.Out) { s.take(consumer, subject, out) }, nil
}

// take hands out until the subscription ends, or the server has lost the consumer: then
// the subscription is made again. It asks for as much as there is room for: what waited
// here without being handed out would come to somebody else after AckWait.
func (s *stream) take(consumer jetstream.Consumer, subject string, out *pubsub.Out) {
	late, over := out.Late()
	defer over()
	for room := out.Reserve(); room > 0 && s.some(late, consumer, subject, out, room); room = out.Reserve() {
	}
	// The server, asked for this, forgets requests that nobody listens to: with what is
	// refused next it would try them first, and then put that behind what is refused later.
	_, _ = consumer.Info(late)
}

// some hands out so many messages. It is false if there will be no more.
func (s *stream) some(late context.Context, consumer jetstream.Consumer, subject string, out *pubsub.Out, n int) bool {
	messages, err := consumer.Messages(
		jetstream.PullMaxMessages(n), jetstream.StopAfter(n),
		jetstream.PullExpiry(pullExpiry), jetstream.PullHeartbeat(pullExpiry/2-1), jetstream.WithMessagesErrOnMissingHeartbeat(true))
	if err != nil {
		return false
	}
	defer messages.Stop()
	stop := context.AfterFunc(out.Context(), messages.Drain) // what the server has sent is given back
	defer stop()
	for n > 0 {
		m, err := messages.Next(jetstream.NextContext(late))
		switch {
		case err == nil:
			out.Give(fromMsg(m.Headers(), m.Data()), s.held(m))
			n--
		case errors.Is(err, jetstream.ErrNoHeartbeat) && s.nc.IsConnected():
			if s.has(out.Context(), consumer) {
				continue
			}
			s.config.logger().Warn("nats: the consumer of a group was lost: messages may come again", "subject", subject)
			return false
		case errors.Is(err, jetstream.ErrNoHeartbeat): // it goes on with the next connection
		default:
			return false
		}
	}
	return true
}

// has reports whether the server still has the consumer, as far as it says.
func (s *stream) has(ctx context.Context, consumer jetstream.Consumer) bool {
	ctx, cancel := context.WithTimeout(ctx, attempt)
	defer cancel()
	_, err := consumer.Info(ctx)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		s.lost()
	}
	return !errors.Is(err, jetstream.ErrConsumerNotFound) && !errors.Is(err, jetstream.ErrStreamNotFound)
}

func (s *stream) held(m jetstream.Msg) pubsub.Held {
	return pubsub.Held{
		Ack:   func(ctx context.Context) error { return acknowledge(ctx, m) },
		Nack:  func(context.Context) error { return m.Nak() },
		Keep:  func(context.Context) error { return m.InProgress() },
		Every: max(s.config.AckWait/3, time.Millisecond),
	}
}

// acknowledge waits until the server knows: what it does not know it delivers again.
func acknowledge(ctx context.Context, m jetstream.Msg) error {
	ctx, cancel := context.WithTimeout(ctx, attempt)
	defer cancel()
	return m.DoubleAck(ctx)
}
