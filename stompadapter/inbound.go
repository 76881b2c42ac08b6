package stompadapter

import (
	"context"
	"slices"
	"strings"

	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/stompadapter/frame"
)

// maxDestination bounds, in octets, the destination of a subscription: brokers
// keep it for as long as the subscription lasts.
const maxDestination = 255

// Headers that are the protocol's own and not the message's. A SEND's
// transaction is left in for whoever handles transactions on the way.
var (
	connectOwn     = []string{frame.HeaderAcceptVersion, frame.HeaderHeartBeat, frame.HeaderContentLength, frame.HeaderReceipt}
	sendOwn        = []string{frame.HeaderDestination, frame.HeaderReceipt, frame.HeaderContentLength, frame.HeaderSubscription, frame.HeaderAck, frame.HeaderLogin, frame.HeaderPasscode}
	subscribeOwn   = []string{frame.HeaderDestination, frame.HeaderReceipt, frame.HeaderContentLength, frame.HeaderID, frame.HeaderLogin, frame.HeaderPasscode}
	acknowledgeOwn = append(subscribeOwn, frame.HeaderSubscription)
)

// without returns the fields of h that may go on: none of own and none that
// only the server may set.
func without(h message.Header, own []string) message.Header {
	fields := make([]message.Field, 0, h.Len())
	for name, value := range h.All() {
		if !message.Reserved(name) && !slices.Contains(own, name) {
			fields = append(fields, message.Field{Name: name, Value: value})
		}
	}
	return message.NewHeader(fields...)
}

// dispatch sends f on as a message whose outcome settles e.
func (s *session) dispatch(e *entry, f frame.Frame) {
	m, err := s.translate(f)
	if err != nil {
		s.settle(e, err)
		return
	}
	m.Session = s.session
	m.Done = message.NewCompletion(message.Handled, func(err error) { s.settle(e, err) })
	s.send(m)
}

// send gives m to inbound and lets go of its completion.
func (s *session) send(m message.Raw) { m.Done.Release(s.handle(s.session.Context(), m)) }

// handle calls inbound. A panic there is an error of this message.
func (s *session) handle(ctx context.Context, m message.Raw) (err error) {
	defer message.Recover(&err)
	return s.adapter.inbound.Handle(ctx, m)
}

// translate makes a message of a frame that is dispatched.
func (s *session) translate(f frame.Frame) (message.Raw, error) {
	switch f.Command {
	case frame.Send:
		destination, err := require(f, frame.HeaderDestination)
		return message.Raw{Destination: destination, Header: without(f.Header, sendOwn), Payload: f.Body}, err
	case frame.Subscribe:
		return s.subscribe(f)
	case frame.Unsubscribe:
		return s.unsubscribe(f)
	case frame.Ack:
		return s.acknowledge(message.KindAck, f)
	case frame.Nack:
		return s.acknowledge(message.KindNack, f)
	case frame.Begin:
		return transaction(message.KindBegin, f)
	case frame.Commit:
		return transaction(message.KindCommit, f)
	}
	return transaction(message.KindAbort, f)
}

// require returns a header that f must have.
func require(f frame.Frame, name string) (string, error) {
	value := f.Header.Get(name)
	if value == "" {
		return "", invalid("%s needs the header %s", f.Command, name)
	}
	return value, nil
}

// subscriptionID returns the id of a subscription. In 1.0 it is optional, and
// a subscription without one goes by its destination. It is cloned because it
// is kept, and its memory is that of all headers of the frame.
func (s *session) subscriptionID(f frame.Frame) (string, error) {
	id, err := require(f, frame.HeaderID)
	if err != nil && s.version == frame.V10 {
		id, err = require(f, frame.HeaderDestination)
	}
	return strings.Clone(id), err
}

func (s *session) subscribe(f frame.Frame) (message.Raw, error) {
	id, err := s.subscriptionID(f)
	if err != nil {
		return message.Raw{}, err
	}
	destination, err := require(f, frame.HeaderDestination)
	if err != nil {
		return message.Raw{}, err
	}
	if len(destination) > maxDestination {
		return message.Raw{}, message.Errorf(message.CodeTooLarge, "a destination has at most %d octets", maxDestination)
	}
	if !slices.Contains([]string{"", "auto", "client", "client-individual"}, f.Header.Get(frame.HeaderAck)) {
		return message.Raw{}, invalid("ack is none of auto, client and client-individual")
	}
	if _, taken := s.subscriptions[id]; taken {
		return message.Raw{}, message.Errorf(message.CodeConflict, "the session has a subscription of this id already")
	}
	if most := s.adapter.config.MaxSubscriptions; len(s.subscriptions) >= most {
		return message.Raw{}, message.Errorf(message.CodeFull, "a session has at most %d subscriptions", most)
	}
	if s.subscriptions == nil {
		s.subscriptions = make(map[string]struct{})
	}
	s.subscriptions[id] = struct{}{}
	return message.Raw{
		Kind:         message.KindSubscribe,
		Destination:  strings.Clone(destination),
		Subscription: id,
		Header:       without(f.Header, subscribeOwn),
	}, nil
}

func (s *session) unsubscribe(f frame.Frame) (message.Raw, error) {
	id, err := s.subscriptionID(f)
	if err != nil {
		return message.Raw{}, err
	}
	if _, ok := s.subscriptions[id]; !ok {
		return message.Raw{}, message.Errorf(message.CodeNotFound, "the session has no subscription of this id")
	}
	delete(s.subscriptions, id)
	return message.Raw{Kind: message.KindUnsubscribe, Subscription: id, Header: without(f.Header, subscribeOwn)}, nil
}

// acknowledge names the delivered message by message-id in every version: 1.2
// calls it id, the older ones message-id.
func (s *session) acknowledge(k message.Kind, f frame.Frame) (message.Raw, error) {
	name := frame.HeaderMessageID
	switch {
	case s.version == frame.V12:
		name = frame.HeaderID
	case s.version == frame.V10 && k == message.KindNack:
		return message.Raw{}, invalid("STOMP 1.0 has no NACK")
	}
	id, err := require(f, name)
	if err != nil {
		return message.Raw{}, err
	}
	subscription := f.Header.Get(frame.HeaderSubscription)
	if s.version == frame.V11 && subscription == "" {
		return message.Raw{}, invalid("%s needs the header %s", f.Command, frame.HeaderSubscription)
	}
	return message.Raw{
		Kind:         k,
		Subscription: subscription,
		Header:       without(f.Header, acknowledgeOwn).With(message.HeaderMessageID, id),
	}, nil
}

// transaction leaves the id in the header, as SEND does.
func transaction(k message.Kind, f frame.Frame) (message.Raw, error) {
	_, err := require(f, frame.HeaderTransaction)
	return message.Raw{Kind: k, Header: without(f.Header, sendOwn)}, err
}
