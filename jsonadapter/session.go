package jsonadapter

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/transport"
)

// state is where a session stands as far as its client's objects are concerned.
type state uint8

const (
	stateNew    state = iota // the connection is up
	stateAuth                // connect was taken, connected not yet sent
	stateOpen                // connected was sent
	stateDrain               // the server shuts down: what was accepted ends
	stateClosed              // nothing more is read
)

// maxPending bounds the objects of a session that are under way.
const maxPending = 1024

// entry is one object that is under way.
type entry struct {
	kind    string
	receipt *string // what the answer has to echo, or nil
	login   bool    // the session ends when this one fails
	last    bool    // nothing is read after this one, and its answer is the last
	done    bool
	err     error
}

// session is one client: the protocol on its connection and the sink of its
// message session.
type session struct {
	adapter *Adapter
	conn    *transport.Conn
	session *message.Session

	split splitter // the reader's
	began bool     // the reader's: KindConnect was sent

	mu      sync.Mutex
	changed sync.Cond // state or over changed, or an entry left pending
	state   state
	over    bool // the connection is closing: nothing more is sent
	login   *time.Timer
	pending []*entry // in the order in which they came
}

func newSession(a *Adapter, c *transport.Conn) *session {
	s := &session{adapter: a, conn: c, split: splitter{limit: a.config.WebSocket.MessageBytes}}
	s.changed.L = &s.mu
	s.session = message.NewSession(s, c.Info())
	s.mu.Lock() // the timer may fire before it is stored
	defer s.mu.Unlock()
	s.login = time.AfterFunc(a.config.LoginTimeout, s.loginExpired)
	return s
}

func (s *session) loginExpired() {
	s.mu.Lock()
	late := s.state < stateOpen
	if late {
		s.refuse(new(entry), errLogin)
		s.end(errLogin)
	}
	s.mu.Unlock()
	if late {
		s.report("connect", errLogin)
	}
}

// await waits, with the lock held, until one more object can be taken. It
// returns false when the session or its context ended instead.
func (s *session) await() bool {
	ctx := s.session.Context()
	full := func() bool { return s.state == stateAuth || len(s.pending) >= maxPending }
	if full() {
		defer context.AfterFunc(ctx, func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.changed.Broadcast()
		})()
	}
	for full() && !s.over && ctx.Err() == nil {
		s.changed.Wait()
	}
	return s.state != stateClosed && ctx.Err() == nil
}

// settle notes how an object ended. It is a completion: it runs on any
// goroutine and does not block.
func (s *session) settle(e *entry, err error) {
	if err != nil {
		s.report(e.kind, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	e.done, e.err = true, err
	if e.last = e.last || e.login && err != nil; e.last {
		s.state = stateClosed
	}
	s.answer()
}

// answer sends what is ready. The lock is held. Before connected there is
// nothing to answer but that it was refused.
func (s *session) answer() {
	for len(s.pending) > 0 && s.pending[0].done && s.state != stateAuth {
		e := s.pending[0]
		s.pending = s.pending[1:]
		if e.err != nil {
			s.refuse(e, e.err)
		} else if e.receipt != nil {
			s.send(object{Type: "receipt", Receipt: e.receipt})
		}
		if e.last {
			s.end(e.err)
		}
	}
	if s.state == stateDrain && len(s.pending) == 0 {
		s.end(transport.ErrShutdown)
	}
	s.changed.Broadcast()
}

// send sends an object to this client alone. The lock is held.
func (s *session) send(o object) {
	if !s.over {
		s.conn.Send(transport.NewFrame(s.conn.Framing(), encode(o))) // an error means that the connection ends
	}
}

// report counts and logs a refusal. What was authored for the client is the
// client's matter, and a client may have it as often as it likes; anything else
// is ours. The lock is not held: a log that blocks must not hold up deliveries.
func (s *session) report(kind string, err error) {
	s.adapter.refused.Add(1)
	level := slog.LevelError
	if a, ok := errors.AsType[*message.Error](err); errors.Is(err, message.ErrDropped) || ok && a.Unwrap() == nil {
		level = slog.LevelDebug
	}
	s.adapter.config.Logger.Log(context.Background(), level, "object refused", "session", s.session.ID(), "type", kind, "error", err)
}

// refuse tells the client of err. The lock is held.
func (s *session) refuse(e *entry, err error) {
	public := message.Public(err)
	s.send(object{Type: "error", Receipt: e.receipt, Code: public.Code, Message: public.Message})
}

// end closes the connection once what was sent is out. The lock is held.
func (s *session) end(reason error) {
	s.state = stateClosed
	if s.over {
		return
	}
	s.over = true
	s.login.Stop()
	s.changed.Broadcast()
	s.conn.Close(reason)
}

// Drain ends the session once what was accepted is done.
func (s *session) Drain() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state < stateOpen {
		s.end(transport.ErrShutdown)
	} else if s.state == stateOpen {
		s.state = stateDrain
		s.answer()
	}
}

// Closed sends the session's last message.
func (s *session) Closed(reason error) {
	s.mu.Lock()
	s.end(reason)
	s.mu.Unlock()
	s.session.Close(reason)
	if !s.began {
		return
	}
	// The broker has to learn of it even when the session's context ended.
	ctx := context.WithoutCancel(s.session.Context())
	if err := s.handle(ctx, message.Raw{Kind: message.KindDisconnect, Session: s.session}); err != nil {
		s.adapter.config.Logger.Error("disconnect failed", "session", s.session.ID(), "error", err)
	}
	s.adapter.sessions.Add(-1)
}
