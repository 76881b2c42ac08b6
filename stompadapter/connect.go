package stompadapter

import (
	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/stompadapter/frame"
)

// tolerance is the number of the client's heart-beats that may be missing.
const tolerance = 3

// connect negotiates and begins the session.
func (s *session) connect(f frame.Frame) {
	if err := s.negotiate(f.Header); err != nil {
		s.refuse(f, err)
		return
	}
	s.decoder.SetVersion(s.version)
	s.began = true
	s.adapter.sessions.Add(1)
	e := newEntry(f)
	s.send(message.Raw{
		Kind:    message.KindConnect,
		Session: s.session,
		Header:  without(f.Header, connectOwn),
		Done: message.NewCompletion(message.Handled, func(err error) {
			if err != nil {
				s.refuseConnect(e, err)
			}
		}),
	})
}

// negotiate settles version and heart-beats (STOMP 1.2, "Protocol Negotiation"
// and "Heart-beating"). 1.0 has no heart-beats.
func (s *session) negotiate(h message.Header) (err error) {
	v, ok := frame.Negotiate(h.Get(frame.HeaderAcceptVersion))
	if !ok {
		return errVersion
	}
	if beats, ok := h.Lookup(frame.HeaderHeartBeat); ok && v > frame.V10 {
		if s.beats, err = frame.ParseHeartBeat(beats); err != nil {
			return err
		}
	}
	s.version = v
	return nil
}

// refuseConnect ends a session that nobody wanted. CONNECT is not in the
// ledger: nothing came before it, and its good answer is CONNECTED.
func (s *session) refuseConnect(e *entry, err error) {
	s.report(e.command, err)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fail(e, err)
}

// deliverConnected opens the session.
func (s *session) deliverConnected() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.over:
		return errEnded
	case s.state == stateNew:
		return errNotConnected
	case s.state != stateAuth:
		return errConnectedTwice
	}
	if err := s.sendConnected(); err != nil {
		return err
	}
	s.login.Stop()
	s.state = stateOpen
	if held := s.held; len(held) > 0 {
		s.held, s.replaying = nil, true
		go s.replay(held) // Closed waits for it
	}
	return nil
}

// sendConnected sends CONNECTED and starts the heart-beats.
func (s *session) sendConnected() error {
	own := frame.HeartBeat(s.adapter.config.Heartbeat)
	fields := []message.Field{
		{Name: frame.HeaderVersion, Value: s.version.String()},
		{Name: frame.HeaderSession, Value: s.session.ID()},
		{Name: frame.HeaderServer, Value: s.adapter.config.Server},
	}
	if s.version > frame.V10 {
		fields = append(fields, message.Field{Name: frame.HeaderHeartBeat, Value: own.String()})
	}
	if user := s.session.User(); user != nil {
		fields = append(fields, message.Field{Name: headerUserName, Value: user.Name()})
	}
	f, err := s.encode(frame.Frame{Command: frame.Connected}, fields...)
	if err != nil {
		return err
	}
	if err := s.conn.Send(f); err != nil {
		return err
	}
	send, receive := own.Negotiate(s.beats)
	s.conn.Heartbeat(send, tolerance*receive, s.adapter.beat)
	return nil
}

// headerUserName tells the client whom the server takes it for.
const headerUserName = "user-name"

// replay dispatches the frames that were held.
func (s *session) replay(held []frame.Frame) {
	for _, f := range held {
		s.take(f, true)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.replaying = false
	s.changed.Broadcast()
}
