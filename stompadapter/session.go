package stompadapter

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/stompadapter/frame"
	"github.com/headrace/headrace/transport"
)

// maxHeld bounds, in octets, what a client may send between CONNECT and
// CONNECTED.
const maxHeld = 8 << 10

// session is one client: the protocol on its connection and the sink of its
// message session.
//
// The reader goroutine decodes and dispatches. It gives the turn away once at
// most: frames that were held are dispatched by a goroutine of their own, since
// whoever delivers CONNECTED must not block, and the reader waits for it.
type session struct {
	adapter *Adapter
	conn    *transport.Conn
	session *message.Session

	// The reader's. version and beats are set before KindConnect is sent, and
	// nobody else knows the session before that.
	decoder *frame.Decoder
	began   bool // KindConnect was sent
	version frame.Version
	beats   frame.HeartBeat // what the client announced

	// Whoever has the turn may use it.
	subscriptions map[string]struct{}

	mu        sync.Mutex
	changed   sync.Cond // replaying or over changed, or an entry left the ledger
	state     state
	over      bool // the connection is closing: nothing more is sent
	replaying bool // the held frames have the turn
	login     *time.Timer
	held      []frame.Frame
	heldBytes int
	ledger    ledger
}

func newSession(a *Adapter, c *transport.Conn) *session {
	s := &session{adapter: a, conn: c, decoder: frame.NewDecoder(a.config.Limits)}
	s.changed.L = &s.mu
	s.session = message.NewSession(s, c.Info())
	s.mu.Lock() // the timer may fire before it is stored
	defer s.mu.Unlock()
	s.login = time.AfterFunc(a.config.LoginTimeout, s.loginExpired)
	return s
}

func (s *session) loginExpired() {
	s.mu.Lock()
	late := s.state == stateNew || s.state == stateAuth
	if late {
		s.fail(&entry{command: frame.Connect}, errLoginTimeout)
	}
	s.mu.Unlock()
	if late {
		s.report(frame.Connect, errLoginTimeout)
	}
}

// Receive takes what the client sent, split anywhere.
func (s *session) Receive(p []byte) error {
	for {
		f, rest, ok, err := s.decoder.Decode(p)
		held := s.count(len(p) - len(rest))
		p = rest
		switch {
		case err != nil:
			broken, _ := errors.AsType[*frame.DecodeError](err)
			s.refuse(broken.Frame, err)
			return nil
		case held > maxHeld:
			s.refuse(f, errHeld)
			return nil
		case !ok:
			return nil
		}
		if !s.take(f, false) {
			return nil
		}
	}
}

// count returns how much was sent since CONNECT, n octets more than before, as
// long as there is no CONNECTED. Octets count, not frames, so that a long frame
// is refused before it is complete.
func (s *session) count(n int) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state != stateAuth {
		return 0
	}
	s.heldBytes += n
	return s.heldBytes
}

// take does with f what the state says. It returns false when nothing more is
// to be read.
func (s *session) take(f frame.Frame, replayed bool) bool {
	v, e := s.admit(f, replayed)
	switch v {
	case login:
		s.connect(f)
	case dispatch:
		s.dispatch(e, f)
	case leave:
		s.settle(e, nil)
	case refuse:
		s.settle(e, e.err)
	}
	return v != drop
}

// admit waits until f's turn has come and decides about it. What will be
// answered is entered into the ledger under the same lock, so that a drain
// either refuses it or waits for it.
func (s *session) admit(f frame.Frame, replayed bool) (verdict, *entry) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.await(func() bool { return replayed || !s.replaying }) ||
		!s.await(func() bool { return s.ledger.len < s.adapter.config.MaxPending }) {
		return drop, nil
	}
	v := s.state.verdict(f.Command)
	switch v {
	case login:
		s.state = stateAuth
	case hold:
		s.held = append(s.held, f)
	case dispatch, leave, refuse:
		e := newEntry(f)
		switch v {
		case leave:
			e.last = true
			e.wanted = e.wanted && s.state >= stateOpen // CONNECTED comes first, or nothing
		case refuse:
			e.err = s.state.refusal(f.Command)
		}
		s.ledger.push(e)
		return v, e
	}
	return v, nil
}

// await waits, with the lock held, until ready. It returns false when the
// session or its context ended instead.
func (s *session) await(ready func() bool) bool {
	ctx := s.session.Context()
	if !ready() {
		defer context.AfterFunc(ctx, func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.changed.Broadcast()
		})()
	}
	for !ready() && !s.over && ctx.Err() == nil {
		s.changed.Wait()
	}
	return ready() && !s.over
}

// refuse answers f, which could not be read, with an error in its turn.
func (s *session) refuse(f frame.Frame, err error) {
	if e := s.enter(f); e != nil {
		s.settle(e, err)
	}
}

// enter waits until f's turn has come and enters it into the ledger, unless
// nothing is read any more.
func (s *session) enter(f frame.Frame) *entry {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.await(func() bool { return !s.replaying }) || s.state == stateClosed {
		return nil
	}
	e := newEntry(f)
	s.ledger.push(e)
	return e
}

// settle notes how a frame ended. It is a completion: it runs on any
// goroutine and does not block.
func (s *session) settle(e *entry, err error) {
	if err != nil {
		s.report(e.command, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	e.done, e.err = true, err
	if err != nil || e.last {
		s.state = stateClosed // its answer is the last, so nothing more is read
	}
	s.answer()
}

// answer sends what the ledger has ready. The lock is held.
func (s *session) answer() {
	for e := s.ledger.pop(); e != nil; e = s.ledger.pop() {
		switch {
		case e.err != nil:
			s.fail(e, e.err)
		case e.wanted:
			s.sendReceipt(e)
		}
		if e.last {
			s.end(nil)
		}
	}
	if s.state == stateDrain && s.ledger.len == 0 {
		s.end(transport.ErrShutdown)
	}
	s.changed.Broadcast()
}

// fail sends ERROR and closes, as STOMP 1.2 demands. The lock is held.
func (s *session) fail(e *entry, err error) {
	if s.over {
		return
	}
	s.sendError(e, err)
	s.end(message.Public(err))
}

// end closes the connection once what was sent is out. The lock is held.
func (s *session) end(reason error) {
	s.state = stateClosed
	if s.over {
		return
	}
	s.over = true
	s.held = nil
	s.login.Stop()
	s.changed.Broadcast()
	s.conn.Close(reason)
}

// Drain ends the session once what was accepted is done.
func (s *session) Drain() {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch s.state {
	case stateNew, stateAuth:
		s.end(transport.ErrShutdown)
	case stateOpen:
		s.state = stateDrain
		s.answer()
	}
}

// Closed sends the session's last message.
func (s *session) Closed(reason error) {
	s.mu.Lock()
	s.end(reason)
	for s.replaying {
		s.changed.Wait()
	}
	s.mu.Unlock()
	s.session.Close(reason)
	if !s.began {
		return
	}
	// The broker has to learn of it even when the session's context ended.
	ctx := context.WithoutCancel(s.session.Context())
	if err := s.handle(ctx, message.Raw{Kind: message.KindDisconnect, Session: s.session}); err != nil {
		s.report(frame.Disconnect, err)
	}
	s.adapter.sessions.Add(-1)
}
