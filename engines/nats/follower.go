package nats

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/headrace/headrace/engines/internal/pubsub"
	"github.com/headrace/headrace/watermilladapter"
)

// forgotten is after which time the server removes the consumer of a node that died.
const forgotten = 30 * time.Second

var errGap = errors.New("nats: a message is missing")

// follower reads a subject of the stream from one place to the next, by a consumer that
// the server keeps in memory and that is made again at that place when it is lost.
type follower struct {
	*stream
	subject  string
	born     time.Time // when the stream was made
	last     uint64    // the sequence number of what came last
	consumer jetstream.Consumer
	out      *pubsub.Out
}

// all follows what is stored from now on.
func (s *stream) all(ctx context.Context, subject string) (func(*pubsub.Out), error) {
	f := &follower{stream: s, subject: subject}
	stream, err := s.js.Stream(ctx, s.config.Stream)
	if err != nil {
		s.lost()
		return nil, err
	}
	f.born, f.last = stream.CachedInfo().Created, stream.CachedInfo().State.LastSeq
	return f.run, f.consume(ctx)
}

// consume makes the consumer.
func (f *follower) consume(ctx context.Context) (err error) {
	f.consumer, err = f.js.CreateConsumer(ctx, f.config.Stream, jetstream.ConsumerConfig{
		FilterSubject:     f.subject,
		DeliverPolicy:     jetstream.DeliverByStartSequencePolicy,
		OptStartSeq:       f.last + 1,
		AckPolicy:         jetstream.AckNonePolicy,
		MemoryStorage:     true,
		Replicas:          1,
		InactiveThreshold: forgotten,
	})
	return err
}

func (f *follower) run(out *pubsub.Out) {
	f.out = out
	defer func() { f.forget() }()
	for out.Context().Err() == nil {
		err := f.follow(out)
		if out.Context().Err() != nil {
			return
		}
		f.config.logger().Warn("nats: consumer is made again", "subject", f.subject, "behind", f.last, "error", err)
		f.forget()
		if !f.again(out.Context()) {
			return
		}
	}
}

// follow hands on what comes, until the consumer, the connection or the subscription is
// gone.
func (f *follower) follow(out *pubsub.Out) error {
	down, err := f.health.Wait(out.Context())
	if err != nil {
		return err
	}
	ctx, end := pubsub.During(out.Context(), down)
	defer end()
	messages, err := f.consumer.Messages(
		jetstream.PullExpiry(pullExpiry), jetstream.PullHeartbeat(pullExpiry/2-1), jetstream.WithMessagesErrOnMissingHeartbeat(true))
	if err != nil {
		return err
	}
	defer messages.Stop()
	for next := uint64(1); ; next++ {
		m, err := messages.Next(jetstream.NextContext(ctx))
		if err != nil {
			return cmp.Or(context.Cause(ctx), err)
		}
		at, err := m.Metadata()
		if err != nil {
			return err
		}
		if at.Sequence.Consumer != next {
			return errGap
		}
		if !out.One(fromMsg(m.Headers(), m.Data())) {
			return nil
		}
		f.last = at.Sequence.Stream
	}
}

// again waits for the server and makes the consumer anew, until the subscription ends.
func (f *follower) again(ctx context.Context) bool {
	for ctx.Err() == nil {
		if err := f.retry(ctx); err == nil {
			return true
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
		}
	}
	return false
}

func (f *follower) retry(ctx context.Context) error {
	down, err := f.health.Wait(ctx)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, attempt)
	defer cancel()
	ctx, end := pubsub.During(ctx, down)
	defer end()
	stream, err := f.js.Stream(ctx, f.config.Stream)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		f.lost()
		if err = f.make(ctx); err == nil {
			stream, err = f.js.Stream(ctx, f.config.Stream)
		}
	}
	if err != nil {
		return err
	}
	if info := stream.CachedInfo(); info.State.LastSeq < f.last || !info.Created.Equal(f.born) {
		f.config.logger().Error("nats: the stream was lost: messages may be missing", "subject", f.subject)
		f.out.One(watermilladapter.Missed())
		f.born, f.last = info.Created, 0
	}
	return f.consume(ctx)
}

// forget spares the server the wait until it does so itself.
func (f *follower) forget() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if f.nc.IsConnected() {
		_ = f.js.DeleteConsumer(ctx, f.config.Stream, f.consumer.CachedInfo().Name) // it may be gone
	}
}
