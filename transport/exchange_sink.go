package transport

import (
	"context"

	"github.com/headrace/headrace/message"
)

// What senders are told.
var (
	errEnded          error = message.Errorf(message.CodeUnavailable, "the session has ended")
	errNotConnected   error = message.Errorf(message.CodeUnavailable, "the session is not connected yet")
	errConnectedTwice error = message.Errorf(message.CodeConflict, "the session is connected already")
	errSent           error = message.Errorf(message.CodeInternal, "an error was sent")
)

// Deliver sends m to the client.
func (s *session) Deliver(_ context.Context, m message.Raw) error {
	switch m.Kind {
	case message.KindConnected:
		return s.deliverConnected()
	case message.KindData, message.KindError:
	default:
		return message.Errorf(message.CodeInvalid, "a client cannot be sent a message of the kind %s", m.Kind)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.over:
		return errEnded
	case s.state < stateOpen:
		return errNotConnected
	}
	f, err := s.exchange.frames.get(s.conn.framing, s.dialect, s.version, &m)
	if err != nil {
		return err
	}
	if err := s.conn.Send(f); err != nil {
		return err
	}
	if m.Kind == message.KindError && !s.exchange.config.Tolerant {
		s.end(errSent)
	}
	return nil
}

// Waiting says how much waits in the outbox.
func (s *session) Waiting() int {
	s.conn.out.mu.Lock()
	defer s.conn.out.mu.Unlock()
	return s.conn.out.bytes
}

// deliverConnected opens the session.
func (s *session) deliverConnected() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.over || s.state == stateClosed:
		return errEnded
	case s.state == stateNew:
		return errNotConnected
	case s.state != stateAuth:
		return errConnectedTwice
	}
	err := s.conn.server.claim(&s.conn.place, s.session.User())
	if err == nil {
		err = s.dialect.Connected(s.session)
	}
	if err != nil { // of which whoever sent KindConnect may not hear
		s.fail(s.ledger.head.request, err)
		return err
	}
	s.login.Stop()
	s.state, s.version = stateOpen, s.dialect.Version()
	s.answer()
	if held := s.held; len(held) > 0 {
		s.held, s.replaying = nil, true
		go s.replay(held) // Closed waits for it
	}
	return nil
}

// replay takes the requests that were held.
func (s *session) replay(held []Request) {
	for _, r := range held {
		s.take(r, true)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.replaying = false
	s.answer() // a drain may have waited for the held ones
}

// Close ends the connection. The client is told of a reason.
func (s *session) Close(reason error) {
	s.mu.Lock()
	told := reason != nil && !s.over
	if told {
		s.fail(Request{}, reason)
	} else {
		s.end(nil)
	}
	s.mu.Unlock()
	if told {
		s.report(s.session.Context(), "", reason, true)
	}
}
