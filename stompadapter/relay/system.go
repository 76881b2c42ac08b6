package relay

import (
	"context"
	"crypto/rand"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/stompadapter/frame"
	"github.com/headrace/headrace/stompadapter/internal/line"
)

// state is whether the broker is there.
type state uint8

const (
	unknown state = iota // nobody has asked yet
	up
	gone
)

// headerID tells messages of the application apart: one that is sent again has the same.
const headerID = message.ReservedPrefix + "id"

// system is the connection for what the application sends, and for its subscriptions.
type system struct {
	broker *Broker
	link   *link
	name   string // begins the ids of messages
	ids    atomic.Uint64

	mu        sync.Mutex
	state     state
	lastID    int
	listeners map[string]*listener // by id of the subscription
	changed   chan struct{}        // closed when the state has changed
}

// listener is a subscription of the application.
type listener struct {
	destination string
	header      []message.Field
	handler     message.RawHandler
	acks        bool        // deliveries are settled by the outcome of the handler
	made        func(error) // told whenever it was made, or refused
	id          string
	doubted     bool // the broker seems to have refused it, without saying so
}

func newName() string { return strings.ToLower(rand.Text()[:12]) }

func newSystem(b *Broker) *system {
	s := &system{broker: b, name: newName(), listeners: make(map[string]*listener), changed: make(chan struct{})}
	s.link = newLink(b.config.Dialect, b.config.WindowFrames, b.config.WindowBytes, s.deliver)
	s.link.twice = true
	return s
}

func (s *system) current() state {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state
}

func (s *system) isAway() bool { return s.current() == gone }
func (s *system) isUp() bool   { return s.current() == up }

// set notes whether the broker is there, and tells when that is news.
func (s *system) set(to state, err error) {
	s.mu.Lock()
	news := s.state != to
	s.state = to
	if news {
		close(s.changed)
		s.changed = make(chan struct{})
	}
	s.mu.Unlock()
	if !news {
		return
	}
	kind := broker.Available
	if to == gone {
		kind = broker.Unavailable
		if s.broker.ctx.Err() == nil { // else it is the relay that goes
			s.broker.config.Logger.Warn("relay: the message broker is away", "error", err)
		}
	} else {
		s.broker.config.Logger.Info("relay: the message broker is there")
	}
	s.broker.tell(s.broker.ctx, broker.Event{Kind: kind})
}

// run keeps a connection, for ever.
func (s *system) run() {
	b := s.broker
	for again := false; b.ctx.Err() == nil; {
		began := time.Now()
		c, err := b.config.dial(b.ctx, b.config.SystemLogin, b.config.SystemPasscode)
		if err == nil {
			b.counts.connections.Add(1)
			if again {
				b.counts.reconnects.Add(1)
			}
			again = true
			err = s.serve(c)
		}
		if b.ctx.Err() != nil {
			break
		}
		s.set(gone, err)
		lasted := time.Since(began)
		if c != nil && isRefusal(err) { // of a frame, by a broker that is well
			lasted = b.config.ReconnectDelay + 1
		}
		b.config.pause(b.ctx, lasted)
	}
	if s.current() == up {
		s.set(gone, errClosed)
	}
	if lost := s.link.close(errClosed); lost > 0 {
		b.counts.lost.Add(uint64(lost))
		b.config.Logger.Warn("relay: closed with messages that were not confirmed", "messages", lost)
	}
}

// serve uses one connection until it is lost.
func (s *system) serve(c *line.Line) error {
	stop := context.AfterFunc(s.broker.ctx, func() { c.Close() })
	defer stop()
	s.set(up, nil)
	s.link.begin(c, s.resubscribe)
	err := s.link.serve(c)
	resent, _ := s.link.again(away(err))
	s.broker.counts.resent.Add(uint64(resent))
	return err
}

// send takes a message over.
func (s *system) send(ctx context.Context, m message.Raw) error {
	if _, ok := m.Header.Lookup(message.HeaderTransaction); ok {
		return errTransaction
	}
	if s.isAway() {
		return ErrAway
	}
	id := s.name + "-" + strconv.FormatUint(s.ids.Add(1), 36)
	f := sendFrame(m, message.Field{Name: headerID, Value: id})
	if err := check(f); err != nil {
		return err
	}
	m.Done.Hold()
	err := s.link.send(ctx, &outgoing{frame: f, settle: s.outcome(ctx, m.Done)}, s.broker.config.SendTimeout)
	if err != nil {
		m.Done.Release(nil) // the error is told by who is given it
	}
	return err
}

// outcome tells a message's completion what became of it. When ctx ends before, the
// sender is told that, and the message may be sent all the same.
func (s *system) outcome(ctx context.Context, done *message.Completion) func(error) {
	if done == nil {
		return func(err error) {
			s.count(err)
			if err != nil {
				s.broker.logFailure(ctx, "a message is lost", err)
			}
		}
	}
	var once sync.Once
	tell := func(err error) {
		once.Do(func() {
			if err == nil {
				done.Reached(message.Stored)
			}
			done.Release(err)
		})
	}
	stop := func() bool { return true }
	if ctx.Done() != nil {
		stop = context.AfterFunc(ctx, func() { tell(errTimeout.WithCause(context.Cause(ctx))) })
	}
	return func(err error) {
		s.count(err)
		stop()
		tell(err)
	}
}

func (s *system) count(err error) {
	switch {
	case err == nil:
		s.broker.counts.sent.Add(1)
	case message.Public(err).Code != message.CodeUnavailable:
		s.broker.counts.refused.Add(1)
	}
}

// subscribe adds a subscription, which is made on each connection.
func (s *system) subscribe(l *listener) {
	s.link.ifConnected(func() *outgoing {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.lastID++
		l.id = "system-" + strconv.Itoa(s.lastID)
		s.listeners[l.id] = l
		return s.subscription(l)
	})
}

// unsubscribe takes it back.
func (s *system) unsubscribe(l *listener) {
	s.link.ifConnected(func() *outgoing {
		s.forget(l)
		id := message.Field{Name: frame.HeaderID, Value: l.id}
		return &outgoing{frame: frame.Frame{Command: frame.Unsubscribe, Header: message.NewHeader(id)}, once: true}
	})
}

// subscription is the SUBSCRIBE of l for one connection. One that the broker refuses is
// not made again; where it does not say what it refuses, it is asked for once more.
func (s *system) subscription(l *listener) *outgoing {
	mode := "auto"
	if l.acks {
		mode = "client-individual"
	}
	h := append([]message.Field{
		{Name: frame.HeaderID, Value: l.id},
		{Name: frame.HeaderDestination, Value: l.destination},
		{Name: frame.HeaderAck, Value: mode},
	}, l.header...)
	return &outgoing{
		frame: frame.Frame{Command: frame.Subscribe, Header: message.NewHeader(h...)},
		once:  true,
		settle: func(err error) {
			switch {
			case isAway(err):
				return
			case isUnclear(err) && !l.doubted:
				l.doubted = true
				return
			case err != nil:
				s.forget(l)
				s.broker.logFailure(s.broker.ctx, "the subscription to "+l.destination+" is refused", err)
			}
			l.doubted = false
			if l.made != nil {
				l.made(err)
			}
		},
	}
}

func (s *system) resubscribe() (first []*outgoing) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range s.listeners {
		o := s.subscription(l)
		o.suspect = true // so that the connection is not ended by two that are refused
		first = append(first, o)
	}
	return first
}

func (s *system) forget(l *listener) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.listeners, l.id)
}

// deliver hands a MESSAGE to its handler.
func (s *system) deliver(c *line.Line, f frame.Frame) {
	s.mu.Lock()
	l := s.listeners[f.Header.Get(frame.HeaderSubscription)]
	s.mu.Unlock()
	if l == nil {
		return
	}
	m := message.Raw{
		Destination: f.Header.Get(frame.HeaderDestination),
		Header:      f.Header.Without(frame.HeaderDestination, frame.HeaderSubscription, frame.HeaderContentLength, frame.HeaderAck),
		Payload:     f.Body,
	}
	if l.acks {
		m.Done = message.NewCompletion(message.Handled, func(err error) {
			command := frame.Ack
			if err != nil {
				command = frame.Nack
			}
			id := message.Field{Name: frame.HeaderID, Value: f.Header.Get(frame.HeaderAck)}
			_ = s.link.mustOn(c, &outgoing{frame: frame.Frame{Command: command, Header: message.NewHeader(id)}}) // or it comes again
		})
	}
	err := handle(s.broker.ctx, l.handler, m)
	m.Done.Release(err)
	if err != nil && !l.acks {
		s.broker.logFailure(s.broker.ctx, "the handler of "+l.destination+" failed", err)
	}
}

// handle calls h, whose panic is its error.
func handle(ctx context.Context, h message.RawHandler, m message.Raw) (err error) {
	defer message.Recover(&err)
	return h.Handle(ctx, m)
}
