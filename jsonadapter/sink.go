package jsonadapter

import (
	"context"
	"sync/atomic"

	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/transport"
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

// frameCache remembers the last frame, so that the deliveries of a broadcast
// to subscriptions of one id share it. The zero value is ready.
type frameCache struct {
	encodings atomic.Uint64
	last      atomic.Pointer[cachedFrame]
}

// cachedFrame keeps its message alive. Payload and header are never changed in
// place, so the same memory means the same content.
type cachedFrame struct {
	of    message.Raw
	frame *transport.Frame
}

// get returns the frame of m, whose object is o but for the content. It may be
// called from any goroutine.
func (c *frameCache) get(f transport.Framing, m message.Raw, o object) *transport.Frame {
	if e := c.last.Load(); e != nil && same(&e.of, &m) {
		return e.frame
	}
	c.encodings.Add(1)
	o.setContent(m.Header, m.Payload)
	m.Session, m.Done = nil, nil
	e := &cachedFrame{m, transport.NewFrame(f, encode(o))}
	c.last.Store(e)
	return e.frame
}

func same(a, b *message.Raw) bool {
	return len(a.Payload) == len(b.Payload) && (len(a.Payload) == 0 || &a.Payload[0] == &b.Payload[0]) &&
		a.Header.Same(b.Header) && a.Subscription == b.Subscription && a.Destination == b.Destination && a.Kind == b.Kind
}
