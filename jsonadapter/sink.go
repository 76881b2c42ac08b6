package jsonadapter

import (
	"context"

	"github.com/headrace/headrace/message"
)

// Deliver sends m to the client.
func (s *session) Deliver(_ context.Context, m message.Raw) error {
	o := object{Type: "message", ID: m.Subscription, Destination: m.Destination}
	switch m.Kind {
	case message.KindConnected:
		return s.deliverConnected()
	case message.KindError:
		o.Type = "error"
	case message.KindData:
	default:
		return invalid("a client cannot be sent a message of the kind %s", m.Kind)
	}
	f := s.adapter.frames.get(s.conn.Framing(), m, o)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over || s.state < stateOpen {
		return errAway
	}
	return s.conn.Send(f)
}

// deliverConnected opens the session.
func (s *session) deliverConnected() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over || s.state == stateNew {
		return errAway
	}
	if s.state != stateAuth {
		return errConnected
	}
	o := object{Type: "connected", Session: s.session.ID()}
	if user := s.session.User(); user != nil {
		o.User = user.Name()
	}
	s.send(o)
	s.login.Stop()
	s.state = stateOpen
	s.answer()
	return nil
}

// Close ends the connection, with an error object when there is a reason.
func (s *session) Close(reason error) {
	s.mu.Lock()
	told := reason != nil && !s.over
	if told {
		s.refuse(new(entry), reason)
	}
	s.end(reason)
	s.mu.Unlock()
	if told {
		s.report("", reason)
	}
}
