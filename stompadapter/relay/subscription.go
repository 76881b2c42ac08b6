package relay

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/stompadapter/frame"
)

// subscription is one of a session.
type subscription struct {
	id          string // the client's
	destination string // as the client wrote it
	user        bool   // it is one of the user's own
	mode        message.AckMode
	frame       frame.Frame
	seq         int
	made        bool      // the broker has said that it is there
	ending      *outgoing // its UNSUBSCRIBE
	failures    int       // in a row, of what came again and is to be settled
}

// subscribe asks the broker. All that acknowledge do it one by one there: RabbitMQ takes
// one acknowledgement for all before it for those of other subscriptions too.
func (s *session) subscribe(ctx context.Context, m message.Raw) error {
	b := s.broker
	event := broker.Event{Kind: broker.Subscribe, Session: m.Session, Destination: m.Destination, Subscription: m.Subscription}
	b.tell(ctx, event)
	mode, err := message.AckModeOf(m.Header)
	if err != nil {
		return err
	}
	if m.Header.Get(message.HeaderSelector) != "" && !b.Features().Selectors {
		return errSelector
	}
	if err := b.config.allowed(m); err != nil {
		return err
	}
	destination, more := m.Destination, []message.Field(nil)
	user := b.isUsers(m.Destination)
	if user {
		if destination, err = b.ownDestination(m.Destination, m.Session.ID()); err != nil {
			return err
		}
		more = ownQueue
	}
	if mode != message.AckAuto {
		more = append(slices.Clip(more), b.config.prefetch(m.Header))
	}
	sub := &subscription{id: strings.Clone(m.Subscription), destination: strings.Clone(m.Destination), user: user, mode: mode}
	f, err := s.enter(sub, m, destination, more)
	if err != nil {
		return err
	}
	if _, ok := m.Header.Lookup(message.HeaderOffset); ok { // the broker keeps nothing that it could resume
		fields := message.NewHeader(message.Field{Name: message.HeaderRecovered, Value: "false"})
		_ = b.deliver(ctx, message.Raw{Destination: m.Destination, Session: m.Session, Subscription: m.Subscription, Header: fields}) // it is counted
	}
	err = s.push(ctx, f, m.Done, func(err error) {
		if err != nil {
			s.take(sub.id, sub)
			return
		}
		s.made(sub)
		event.Kind = broker.Subscribed
		b.tell(ctx, event)
	})
	if err != nil {
		s.take(sub.id, sub)
	}
	return err
}

// enter adds a subscription and returns its frame.
func (s *session) enter(sub *subscription, m message.Raw, destination string, more []message.Field) (f frame.Frame, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	limit := s.broker.config.MaxSubscriptions
	switch {
	case s.leaving:
		return f, errNotConnected
	case sub.id == "":
		return f, errNoID
	case s.subscriptions[sub.id] != nil:
		return f, errDuplicate
	case limit >= 0 && len(s.subscriptions) >= limit:
		return f, errTooMany(limit)
	}
	s.lastID++
	sub.seq = s.lastID
	id := sub.id // durable subscriptions are known by it
	if s.atBroker[id] != nil {
		id += "#" + strconv.Itoa(sub.seq) // the one before has not ended there yet
	}
	mode := "auto"
	if sub.mode != message.AckAuto {
		mode = "client-individual"
	}
	fields := append([]message.Field{
		{Name: frame.HeaderID, Value: id},
		{Name: frame.HeaderDestination, Value: destination},
		{Name: frame.HeaderAck, Value: mode},
	}, more...)
	set := []string{frame.HeaderID, frame.HeaderAck}
	for _, field := range more {
		set = append(set, field.Name)
	}
	sub.frame = frame.Frame{Command: frame.Subscribe, Header: message.NewHeader(append(fields, passing(m.Header, set...)...)...)}
	if err := check(sub.frame); err != nil {
		return f, err
	}
	s.subscriptions[sub.id], s.atBroker[id] = sub, sub
	return sub.frame, nil
}

func (sub *subscription) brokerID() string { return sub.frame.Header.Get(frame.HeaderID) }

// take takes a subscription out of those of the client; which is nil for whichever has
// the id. The broker may still send something for it.
func (s *session) take(id string, which *subscription) *subscription {
	s.mu.Lock()
	defer s.mu.Unlock()
	sub := s.subscriptions[id]
	if sub == nil || which != nil && sub != which {
		return nil
	}
	delete(s.subscriptions, id)
	if which != nil {
		delete(s.atBroker, sub.brokerID())
	}
	return sub
}

// made notes that the broker has the subscription: it ends with the connection then, and
// is made again on the next one.
func (s *session) made(sub *subscription) {
	s.mu.Lock()
	sub.made = true
	ending := sub.ending
	s.mu.Unlock()
	if ending != nil {
		s.link.tie(ending)
	}
}

// unsubscribe ends a subscription; one that is not there is no error, for it may be
// another broker's.
func (s *session) unsubscribe(ctx context.Context, m message.Raw) error {
	if err := s.broker.config.allowed(m); err != nil {
		return err
	}
	fields := append([]message.Field{{Name: frame.HeaderID, Value: m.Subscription}}, passing(m.Header, frame.HeaderID)...)
	if err := check(frame.Frame{Command: frame.Unsubscribe, Header: message.NewHeader(fields...)}); err != nil {
		return err
	}
	m.Done.Hold()
	var sub *subscription
	err := s.link.must(func() []*outgoing {
		if sub = s.take(m.Subscription, nil); sub == nil {
			return nil
		}
		fields[0].Value = sub.brokerID()
		return s.ending(sub, &outgoing{
			frame:  frame.Frame{Command: frame.Unsubscribe, Header: message.NewHeader(fields...)},
			settle: func(err error) { s.ended(ctx, sub, m.Done, err) },
		})
	})
	if sub == nil {
		m.Done.Release(nil) // an error is told by who is given it
	}
	return err
}

// ending returns the frames that end a subscription, with what RabbitMQ is to have back. It
// knows no subscription of it afterwards, and before it would deliver all to the same one
// again: so it is told before, in a transaction, and does it afterwards.
func (s *session) ending(sub *subscription, unsubscribe *outgoing) []*outgoing {
	s.mu.Lock()
	defer s.mu.Unlock()
	sub.ending, unsubscribe.once = unsubscribe, sub.made
	back := s.deliveries.retire(sub)
	if len(back) == 0 || s.broker.config.Dialect == ActiveMQ { // which takes back by itself
		return []*outgoing{unsubscribe}
	}
	tx := message.Field{Name: frame.HeaderTransaction, Value: s.broker.ackIDs + strconv.Itoa(sub.seq)}
	bracket := func(command frame.Command) *outgoing {
		return &outgoing{frame: frame.Frame{Command: command, Header: message.NewHeader(tx)}, once: true}
	}
	frames := []*outgoing{bracket(frame.Begin)}
	for _, d := range back {
		nack := settling(frame.Nack, d.brokerID, tx)
		nack.once = true
		frames = append(frames, nack)
	}
	return append(frames, unsubscribe, bracket(frame.Commit))
}

// ended is when a subscription is no more, at the broker either.
func (s *session) ended(ctx context.Context, sub *subscription, done *message.Completion, err error) {
	s.mu.Lock()
	delete(s.atBroker, sub.brokerID())
	s.mu.Unlock()
	s.broker.tell(ctx, broker.Event{Kind: broker.Unsubscribed, Session: s.session, Destination: sub.destination, Subscription: sub.id})
	if isAway(err) {
		err = nil // it has ended with the connection
	}
	done.Release(err)
}

// resubscribe returns the frames that make the subscriptions on another connection. Those
// that no connection had yet wait among what is sent again.
func (s *session) resubscribe() (first []*outgoing) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var subs []*subscription
	for _, sub := range s.subscriptions {
		if sub.made {
			subs = append(subs, sub)
		}
	}
	slices.SortFunc(subs, func(a, b *subscription) int { return a.seq - b.seq })
	for _, sub := range subs {
		first = append(first, &outgoing{frame: sub.frame, once: true, settle: func(error) {}})
	}
	return first
}
