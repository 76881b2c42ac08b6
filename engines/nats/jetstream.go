package nats

import (
	"context"
	"errors"
	"sync"
	"time"

	wmessage "github.com/ThreeDotsLabs/watermill/message"
	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nuid"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/engines/internal/pubsub"
	"github.com/headrace/headrace/watermilladapter"
)

const (
	// attempt is how long the server may take to acknowledge before it is asked again.
	attempt = 5 * time.Second
	// pause comes between attempts of what the server refuses for now.
	pause = 100 * time.Millisecond
	// duplicates is how long the server knows what was published: it stores an attempt
	// that is repeated once.
	duplicates = 2 * time.Minute
	// pullExpiry is how long the server keeps a request for more; it says that it is
	// there twice in that time, and is asked anew when it does not.
	pullExpiry = 4 * time.Second
)

// JetStream returns a backplane over a stream of JetStream, which is stored in files: a
// message that Publish returned nil for is delivered, whatever becomes of the server or
// of nodes, at least once. Where there is no stream of the name of c it is made; all
// nodes share it.
//
// Without a group a subscription has a consumer of its own, which the server forgets
// half a minute after its node is gone; it continues behind the last message that it
// got, in order and without doubles; what MaxAge or MaxBytes removed before it got that is
// missing, and nobody is told: the server does not count it. A group has one consumer, which begins with what
// the stream has, and is forgotten when nobody asked for MaxAge: what it had got by then
// is gone from the stream as well.
//
// While the server is away, Publish waits for it as long as its context says. That it is
// not there is no error of JetStream: Watch tells. The error is that of a configuration
// that the client refuses. Close ends the backplane.
func JetStream(c Config) (*Backplane, error) {
	k, err := dial(c.withDefaults())
	if err != nil {
		return nil, err
	}
	js, err := jetstream.New(k.nc)
	if err != nil {
		k.close()
		return nil, err
	}
	s := &stream{connection: k, js: js}
	return &Backplane{connection: k, Backplane: watermilladapter.NewBackplane(watermilladapter.BackplaneConfig{
		Publisher:  publisher(s.publish),
		Prompt:     true,
		Subscriber: s.subscriber,
		Watch:      k.health.Watch,
		InFlight:   k.config.InFlight,
		Features:   broker.Features{Ordered: true, Queues: true, Backlog: true, Acks: true, Durable: true},
		Logger:     c.Logger,
	})}, nil
}

// stream is the one that has all messages.
type stream struct {
	*connection
	js   jetstream.JetStream
	mu   sync.Mutex
	made bool // it was there when we looked
}

// publish tries until the server has stored m, or ctx ends. The id of the call lets the
// server recognise what it has already.
func (s *stream) publish(ctx context.Context, topic string, m *wmessage.Message) error {
	msg, id := toMsg(subject(s.config.Prefix, topic), m), nuid.Next()
	for {
		down, err := s.health.Wait(ctx)
		if err != nil {
			return err
		}
		again, err := s.try(ctx, down, msg, id)
		if err == nil || ctx.Err() != nil || !again {
			return err
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return err
		}
	}
}

// try publishes once, and reports whether an error may be gone the next time.
func (s *stream) try(ctx context.Context, down context.Context, msg *natsgo.Msg, id string) (again bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, attempt)
	defer cancel()
	ctx, end := pubsub.During(ctx, down)
	defer end()
	if err := s.make(ctx); err != nil {
		return passes(err), err
	}
	_, err = s.js.PublishMsg(ctx, msg, jetstream.WithMsgID(id), jetstream.WithExpectStream(s.config.Stream), jetstream.WithRetryAttempts(0))
	if errors.Is(err, jetstream.ErrNoStreamResponse) || errors.Is(err, natsgo.ErrNoResponders) {
		s.lost() // the stream is gone, or the server has not found it yet
	}
	return passes(err), refusal(err)
}

// passes reports whether an error may have gone soon, unlike that of a message that is
// too large or a stream that others have.
func passes(err error) bool {
	if e, ok := errors.AsType[*jetstream.APIError](err); ok {
		return e.Code >= 500
	}
	return !errors.Is(err, natsgo.ErrMaxPayload) && !errors.Is(err, natsgo.ErrConnectionClosed)
}

// make makes the stream where there is none.
func (s *stream) make(ctx context.Context) error {
	s.mu.Lock()
	made := s.made
	s.mu.Unlock()
	if made {
		return nil
	}
	_, err := s.js.Stream(ctx, s.config.Stream)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		_, err = s.js.CreateStream(ctx, jetstream.StreamConfig{
			Name:        s.config.Stream,
			Description: "what the nodes of headrace tell each other",
			Subjects:    []string{subject(s.config.Prefix, ">")},
			MaxAge:      s.config.MaxAge,
			MaxBytes:    s.config.MaxBytes,
			Replicas:    s.config.Replicas,
			Duplicates:  min(duplicates, s.config.MaxAge),
		})
		if errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) { // somebody else was faster
			err = nil
		}
	}
	if err == nil {
		s.mu.Lock()
		s.made = true
		s.mu.Unlock()
	}
	return err
}

func (s *stream) lost() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.made = false
}

func (s *stream) subscriber(topic, group string) (wmessage.Subscriber, error) {
	name := subject(s.config.Prefix, topic)
	return pubsub.NewSubscriber(s.config.InFlight, func(ctx context.Context) (func(*pubsub.Out), error) {
		down, err := s.health.Wait(ctx)
		if err != nil {
			return nil, err
		}
		ctx, cancel := pubsub.During(ctx, down)
		defer cancel()
		if err := s.make(ctx); err != nil {
			return nil, err
		}
		if group != "" {
			return s.group(ctx, name, group)
		}
		return s.all(ctx, name)
	}), nil
}
