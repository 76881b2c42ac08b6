package jsonadapter

import (
	"context"

	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/transport"
)

// maxDestination bounds, in octets, a destination: brokers keep those of
// subscriptions.
const maxDestination = 255

// What clients and senders are told.
var (
	errNoObject  error = message.Errorf(message.CodeInvalid, "what was sent is not a sequence of JSON objects")
	errTooLarge  error = message.Errorf(message.CodeTooLarge, "the object is too large")
	errFirst     error = message.Errorf(message.CodeInvalid, "the first object must be of the type connect")
	errConnected error = message.Errorf(message.CodeConflict, "the session is connected already")
	errLogin     error = message.Errorf(message.CodeTimeout, "the login took too long")
	errAway      error = message.Errorf(message.CodeUnavailable, "the session is not connected")
)

func invalid(format string, args ...any) error {
	return message.Errorf(message.CodeInvalid, format, args...)
}

// Receive takes what the client sent, split anywhere.
func (s *session) Receive(p []byte) error {
	for {
		octets, rest, err := s.split.next(p)
		var o object
		if err == nil && octets == nil {
			return nil
		} else if err == nil {
			o, err = parse(octets)
		}
		if !s.take(o, err) {
			return nil
		}
		p = rest
	}
}

// take does with an object what the state says; bad is why it could not be
// read. It returns false when nothing more is to be read.
func (s *session) take(o object, bad error) bool {
	e := s.enter(o, bad)
	if e == nil || e.done {
		return e != nil
	}
	m, err := o.message()
	if e.err != nil {
		err = e.err
	}
	if err != nil || e.last {
		s.settle(e, err)
		return !e.last
	}
	if m.Kind == message.KindConnect {
		s.began = true
		s.adapter.sessions.Add(1)
	}
	m.Session = s.session
	m.Done = message.NewCompletion(message.Handled, func(err error) { s.settle(e, err) })
	m.Done.Release(s.handle(s.session.Context(), m))
	return true
}

// enter waits until the session can take one more object and makes it pending,
// with an error when it is not to be handled. Both are under one lock, so that
// a drain either refuses an object or waits for it. It returns nil when nothing
// is read any more, and an entry that is done when there is nothing to do.
func (s *session) enter(o object, bad error) *entry {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.await() {
		return nil
	}
	e := &entry{kind: o.Type, receipt: o.Receipt, last: o.Type == "disconnect" && bad == nil}
	fresh := s.state == stateNew
	switch {
	case bad != nil:
		e.err, e.last = bad, fresh || bad == errNoObject || bad == errTooLarge
	case o.Type == "ping":
		s.send(object{Type: "pong"})
		return &entry{done: true}
	case o.Type == "connect" && fresh:
		s.state, e.login = stateAuth, true
	case o.Type == "connect":
		e.err = errConnected
	case o.Type == "disconnect":
	case fresh:
		e.err, e.last = errFirst, true
	case s.state == stateDrain:
		e.err = transport.ErrShutdown
	}
	s.pending = append(s.pending, e)
	return e
}

// handle calls inbound. A panic there is an error of this message.
func (s *session) handle(ctx context.Context, m message.Raw) (err error) {
	defer message.Recover(&err)
	return s.adapter.inbound.Handle(ctx, m)
}

// forms says what the objects of clients become and which fields they have.
var forms = map[string]struct {
	kind            message.Kind
	destination, id bool
}{
	"connect":     {kind: message.KindConnect},
	"send":        {kind: message.KindData, destination: true},
	"subscribe":   {kind: message.KindSubscribe, destination: true, id: true},
	"unsubscribe": {kind: message.KindUnsubscribe, id: true},
	"disconnect":  {kind: message.KindDisconnect},
}

// message makes a message of an object.
func (o *object) message() (m message.Raw, err error) {
	form, known := forms[o.Type]
	m = message.Raw{Kind: form.kind, Destination: o.Destination, Subscription: o.ID}
	m.Header, m.Payload, err = o.content()
	switch {
	case err != nil:
	case !known:
		err = invalid("there is no type %q", o.Type)
	case form.destination != (o.Destination != ""):
		err = invalid("send and subscribe, and no others, need a destination")
	case form.id != (o.ID != ""):
		err = invalid("subscribe and unsubscribe, and no others, need an id")
	case len(o.Destination) > maxDestination:
		err = message.Errorf(message.CodeTooLarge, "a destination has at most %d octets", maxDestination)
	}
	return m, err
}
