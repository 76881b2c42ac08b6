package transport

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/headrace/headrace/message"
)

// maxHeld bounds, in octets, what a client may send before it is connected, and
// heldOverhead is what each request counts for beside its octets.
const (
	maxHeld      = 8 << 10
	heldOverhead = 128
)

// maxDestination bounds, in octets, the destination of a subscription: brokers
// keep it for as long as that lasts.
const maxDestination = 255

// What clients are told.
var (
	errHeld         error = message.Errorf(message.CodeTooLarge, "more than %d octets were sent before the session was connected", maxHeld)
	errLoginTimeout error = message.Errorf(message.CodeTimeout, "the login took too long").WithCause(&cause{"auth", "no CONNECT was accepted in time"})
	errDestination  error = message.Errorf(message.CodeTooLarge, "a destination has at most %d octets", maxDestination)
	errNUL          error = message.Errorf(message.CodeInvalid, "NUL stands in no destination, id or header")
)

// session is one client of an [Exchange]: the protocol on its connection and
// the sink of its message session.
//
// The reader goroutine reads and dispatches. It gives the turn away once at
// most: requests that were held are dispatched by a goroutine of their own,
// since whoever delivers KindConnected must not block, and the reader waits for
// it.
type session struct {
	exchange *Exchange
	conn     *Conn
	dialect  Dialect
	session  *message.Session
	began    bool // the reader's: KindConnect was sent

	mu        sync.Mutex
	state     sessionState
	version   uint8     // the dialect's, which is settled once the session is open
	over      bool      // the connection is closing: nothing more is sent
	replaying bool      // the held requests have the turn
	changed   sync.Cond // replaying or over changed, or an entry left the ledger
	login     *time.Timer
	held      []Request
	heldBytes int
	ledger    ledger
	parting   error // of a drain
}

func (s *session) loginExpired() {
	s.mu.Lock()
	late := s.state < stateOpen
	if late {
		s.fail(Request{}, errLoginTimeout)
	}
	s.mu.Unlock()
	if late {
		s.report(s.session.Context(), "login", errLoginTimeout, true)
	}
}

// Receive takes what the client sent, split anywhere.
func (s *session) Receive(p []byte) error {
	for !s.closed() {
		r, rest, ok := s.dialect.Read(p)
		n := len(p) - len(rest)
		if ok {
			n += heldOverhead
		}
		if s.count(n) > maxHeld && !r.Broken {
			r.Err, r.Broken, ok = errHeld, true, true
		}
		if !ok {
			return nil
		}
		s.conn.out.flusher.received.add(r.Name, 1)
		if r.Err == nil {
			r.Err = screenMessage(&r.Message)
		}
		s.take(r, false)
		p = rest
	}
	return nil
}

// screenMessage finds what some protocols cannot pass on, and what would be kept
// for too long.
func screenMessage(m *message.Raw) error {
	if m.Kind == message.KindSubscribe && len(m.Destination) > maxDestination {
		return errDestination
	}
	found := hasNUL(m.Destination) || hasNUL(m.Subscription)
	for name, value := range m.Header.All() {
		found = found || hasNUL(name) || hasNUL(value)
	}
	if found {
		return errNUL
	}
	return nil
}

func hasNUL(s string) bool { return strings.IndexByte(s, 0) >= 0 }

func (s *session) closed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state == stateClosed
}

// count returns how much was sent since KindConnect, n octets more than before,
// as long as there is no KindConnected. Octets count, not requests, so that a
// long one is refused before it is complete.
func (s *session) count(n int) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state != stateAuth {
		return 0
	}
	s.heldBytes += n
	return s.heldBytes
}

// take does with r what the state says.
func (s *session) take(r Request, replayed bool) {
	switch e, v := s.admit(r, replayed); v {
	case toLogin, toDispatch:
		s.dispatch(e, r)
	case toLeave:
		s.settle(e, nil)
	case toRefuse:
		s.settle(e, e.err)
	}
}

// admit waits until r's turn has come and decides about it. What will be
// answered is entered into the ledger under the same lock, so that a drain
// either refuses it or waits for it.
func (s *session) admit(r Request, replayed bool) (*entry, verdict) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.await(func() bool { return (replayed || !s.replaying) && s.ledger.len < s.exchange.config.MaxPending }) {
		return nil, toDrop
	}
	e, v := newEntry(r), s.verdict(r)
	e.fatal = !s.exchange.config.Tolerant || r.Broken || s.state == stateNew
	switch v {
	case toLogin:
		s.state = stateAuth
	case toHold:
		s.held = append(s.held, r)
		return nil, v
	case toLeave:
		e.last = true
		e.request.WantsReceipt = r.WantsReceipt && s.state >= stateOpen // nothing comes before the answer to the login
	case toRefuse:
		e.err = s.refusal(r)
	case toDrop:
		return nil, v
	}
	s.ledger.push(e)
	return e, v
}

// await waits, with the lock held, until ready. It returns false when the
// session, its connection or its context ended instead.
func (s *session) await(ready func() bool) bool {
	ctx, ended := s.session.Context(), false
	if !ready() {
		stop := make(chan struct{})
		defer close(stop)
		s.conn.server.tasks.Go(func() {
			select {
			case <-stop:
				return
			case <-s.conn.gone:
			case <-ctx.Done():
			}
			s.mu.Lock()
			defer s.mu.Unlock()
			ended = true
			s.changed.Broadcast()
		})
	}
	for !ready() && !s.over && !ended {
		s.changed.Wait()
	}
	return ready() && !s.over
}

// dispatch sends r to inbound; its outcome settles e.
func (s *session) dispatch(e *entry, r Request) {
	if r.Err != nil {
		s.settle(e, r.Err)
		return
	}
	if r.Message.Kind == message.KindConnect {
		s.began = true
		s.exchange.sessions.Add(1)
	}
	m := r.Message
	m.Session = s.session
	m.Done = message.NewCompletion(message.Handled, func(err error) { s.settle(e, err) })
	e.told = m.Done
	m.Done.Release(s.handle(s.session.Context(), m))
}

// handle calls inbound. A panic there is an error of this message.
func (s *session) handle(ctx context.Context, m message.Raw) (err error) {
	defer message.Recover(&err)
	return s.exchange.inbound.Handle(ctx, m)
}

// settle notes how a request ended. It is a completion: it runs on any
// goroutine and does not block.
func (s *session) settle(e *entry, err error) {
	if err != nil {
		s.report(e.told.Context(s.session.Context()), e.request.Name, err, e.fatal)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	e.done, e.err = true, err
	if e.last = e.last || e.fatal && err != nil; e.last {
		if s.state < stateOpen { // nothing before it will be answered any more
			s.ledger = ledger{}
			s.ledger.push(e)
		}
		s.state = stateClosed // its answer is the last, so nothing more is read
		s.session.Leave()     // what is under way must end for it
	}
	s.answer()
}

// answer sends what the ledger has ready, once the session is open or ends. The
// lock is held.
func (s *session) answer() {
	if s.state == stateAuth {
		return
	}
	for e := s.ledger.pop(); e != nil; e = s.ledger.pop() {
		switch {
		case s.over:
		case e.err != nil && e.last:
			s.fail(e.request, e.err)
		case e.err != nil:
			s.dialect.Refuse(e.request, e.err)
		case e.request.WantsReceipt:
			if err := s.dialect.Receipt(e.request); err != nil {
				s.fail(Request{}, err)
			}
		}
		if e.last {
			s.end(nil)
		}
	}
	if s.state == stateDrain && s.ledger.len == 0 && !s.replaying {
		s.end(s.parting)
	}
	s.changed.Broadcast()
}

// fail tells the client why its session ends. The lock is held.
func (s *session) fail(r Request, err error) {
	if s.over {
		return
	}
	s.dialect.Refuse(r, err)
	s.end(err)
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
func (s *session) Drain(reason error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.parting = reason
	switch s.state {
	case stateNew, stateAuth:
		s.end(reason)
	case stateOpen:
		s.state = stateDrain
		s.session.Leave()
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
		s.report(ctx, "disconnect", err, true)
	}
	s.exchange.sessions.Add(-1)
}

// report counts and logs that something was refused or failed. Of what the client
// sent, nothing is logged that the error does not quote. What is in ctx, such as a span,
// is for the log handler. The lock is not held: a log that blocks must not hold up
// deliveries.
func (s *session) report(ctx context.Context, request string, err error, fatal bool) {
	s.exchange.refused.Add(1)
	attrs := []slog.Attr{slog.String("session", s.session.ID()), slog.String("request", request), slog.Any("error", err)}
	if p, ok := errors.AsType[*message.PanicError](err); ok {
		attrs = append(attrs, slog.String("stack", string(p.Stack)))
	}
	s.exchange.config.Logger.LogAttrs(ctx, s.level(err, fatal), "request refused", attrs...)
}

// level says who has to mend what err tells. What was authored for the client is the
// client's matter, and one whose session goes on may have it as often as it likes; so
// are mistakes in what it sends, whatever they come from. An error behind a refusal
// may be ours, and anything else is.
func (s *session) level(err error, fatal bool) slog.Level {
	authored, _ := errors.AsType[*message.Error](err)
	_, panicked := errors.AsType[*message.PanicError](err)
	switch {
	case panicked:
		return slog.LevelError
	case errors.Is(err, message.ErrDropped), s.cut(err):
		return slog.LevelDebug
	case authored == nil:
		return slog.LevelError
	}
	switch authored.Code {
	case message.CodeInvalid, message.CodeTooLarge:
	case message.CodeUnauthenticated, message.CodeDenied, message.CodeNotFound, message.CodeConflict:
		if authored.Unwrap() != nil {
			return slog.LevelWarn
		}
	default:
		if authored.Unwrap() != nil && authored != errLoginTimeout { // whoever connects can be late
			return slog.LevelError
		}
	}
	if fatal {
		return slog.LevelInfo
	}
	return slog.LevelDebug
}

// cut reports whether err only says that the adapter was closed while a request
// still waited somewhere. That is no failure, and there is one for each client.
func (s *session) cut(err error) bool {
	return s.session.Context().Err() != nil && errors.Is(err, context.Canceled)
}
