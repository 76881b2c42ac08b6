package relay

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/url"
	"sync"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/stompadapter/frame"
)

// Backplane joins nodes by RabbitMQ: it is for nodes that have relays to one, so that
// [broker.Users] of each knows the users of all. It has topics and no groups, so that
// queues are left to the relay. What is sent while a connection is lost is lost.
//
// A subscription has a goroutine, on which its function is called, and a queue of the
// broker's that ends with the connection; up to 256 messages wait in it here. Publish
// waits for the broker's word. Make one with [NewBackplane].
type Backplane struct {
	out, in *Broker // for their connections: who receives may publish

	mu       sync.Mutex
	there    [2]state // of the connections
	told     state
	watchers map[*func(bool)]struct{}
}

var _ broker.Backplane = (*Backplane)(nil)

// NewBackplane returns a backplane that begins to connect, as c says of the connection of
// the application. The virtual host of c must be one which no connection of clients gets
// to, whatever they may send and subscribe to: so nobody is able to speak as a node, or to
// hear what nodes tell each other. It panics when c names none, or another broker than
// RabbitMQ. Close ends it.
func NewBackplane(c Config) *Backplane {
	if c.VirtualHost == "" || c.Dialect != RabbitMQ {
		panic("relay: a backplane needs RabbitMQ and a virtual host of its own")
	}
	c.Subscriptions = nil
	nobody := message.HandlerFunc[[]byte](func(context.Context, message.Raw) error { return errNoSession })
	b := &Backplane{watchers: make(map[*func(bool)]struct{})}
	c.Events = b.changed(0)
	b.out = New(nobody, c)
	c.Events = b.changed(1)
	b.in = New(nobody, c)
	return b
}

// Close ends the connections and the goroutines of subscriptions. It must not be called
// by a function that receives.
func (b *Backplane) Close() {
	b.out.Close()
	b.in.Close()
}

// Features says that messages of one publisher keep their order.
func (b *Backplane) Features() broker.Features { return broker.Features{Ordered: true} }

// changed notes whether one of the connections is there.
func (b *Backplane) changed(which int) message.Handler[broker.Event] {
	return message.HandlerFunc[broker.Event](func(_ context.Context, m message.Message[broker.Event]) error {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.there[which] = gone
		if m.Payload.Kind == broker.Available {
			b.there[which] = up
		}
		if now := b.state(); now != unknown && now != b.told {
			b.told = now
			for changed := range b.watchers {
				(*changed)(now == up)
			}
		}
		return nil
	})
}

// state is that of both. The lock is held.
func (b *Backplane) state() state {
	switch {
	case b.there[0] == gone || b.there[1] == gone:
		return gone
	case b.there[0] == up && b.there[1] == up:
		return up
	}
	return unknown
}

// Watch calls changed when the connections come and go, and at the beginning, as soon as
// that is known. changed must not wait, nor call stop.
func (b *Backplane) Watch(changed func(available bool)) (stop func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.watchers[&changed] = struct{}{}
	if b.told != unknown {
		changed(b.told == up)
	}
	return func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		delete(b.watchers, &changed)
	}
}

// Publish returns when the broker has e. It is not sent again over another connection:
// it comes at most once.
func (b *Backplane) Publish(ctx context.Context, topic string, e broker.Envelope) error {
	if b.out.system.isAway() {
		return ErrAway
	}
	told := make(chan error, 1)
	to := message.Field{Name: frame.HeaderDestination, Value: place(topic)}
	err := b.out.system.link.send(ctx, &outgoing{
		frame:  frame.Frame{Command: frame.Send, Header: message.NewHeader(to), Body: encode(e)},
		once:   true,
		settle: func(err error) { told <- err },
	}, b.out.config.SendTimeout)
	switch {
	case errors.Is(err, errFull):
		return away(err) // which says nothing of e
	case err != nil:
		return err
	}
	select {
	case err = <-told:
		return err
	case <-ctx.Done():
		return errTimeout.WithCause(context.Cause(ctx))
	}
}

// Subscribe refuses groups.
func (b *Backplane) Subscribe(ctx context.Context, topic, group string, receive func(context.Context, broker.Envelope) error) (unsubscribe func(), err error) {
	if group != "" {
		return nil, errGroups
	}
	s, made := b.in.system, make(chan error, 1)
	i := &inbox{queue: make(chan message.Raw, 256), over: make(chan struct{})}
	l := &listener{destination: place(topic), header: ownQueue, handler: i, made: func(err error) {
		select {
		case made <- err:
		default: // it is made again, on another connection
		}
	}}
	s.subscribe(l)
	select {
	case err = <-made:
	case <-ctx.Done():
		s.unsubscribe(l)
		err = errTimeout.WithCause(context.Cause(ctx))
	case <-b.in.ctx.Done():
		err = errClosed
	}
	if err != nil {
		return nil, err
	}
	if !b.in.begin(func() { i.run(b.in, topic, receive) }, &i.running) {
		return nil, errClosed
	}
	return sync.OnceFunc(func() {
		close(i.over)
		i.running.Wait()
		s.unsubscribe(l)
	}), nil
}

// inbox is where what comes to a subscription waits.
type inbox struct {
	queue   chan message.Raw
	over    chan struct{}
	running sync.WaitGroup
}

// Handle is called on the goroutine that reads.
func (i *inbox) Handle(ctx context.Context, m message.Raw) error {
	select {
	case i.queue <- m:
	case <-i.over:
	case <-ctx.Done():
	}
	return nil
}

func (i *inbox) run(b *Broker, topic string, receive func(context.Context, broker.Envelope) error) {
	for {
		select { // what waits is given up
		case <-i.over:
			return
		case <-b.ctx.Done():
			return
		default:
		}
		select {
		case m := <-i.queue:
			if err := hand(b.ctx, m.Payload, receive); err != nil {
				b.logFailure(b.ctx, "what came to "+topic+" is not taken", err)
			}
		case <-i.over:
		case <-b.ctx.Done():
		}
	}
}

// hand calls receive, whose panic is its error.
func hand(ctx context.Context, octets []byte, receive func(context.Context, broker.Envelope) error) (err error) {
	defer message.Recover(&err)
	e, err := decode(octets)
	if err != nil {
		return err
	}
	return receive(ctx, e)
}

// place is where a topic is at RabbitMQ: a key of an exchange that is always there. A key
// has 255 octets at most.
func place(topic string) string {
	key := url.PathEscape(topic)
	if len(key) > 255 {
		sum := sha256.Sum256([]byte(topic))
		key = "sha256." + hex.EncodeToString(sum[:])
	}
	return directExchange + key
}
