package interceptor

import (
	"cmp"
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/headrace/headrace/message"
)

var errExpired = message.Errorf(message.CodeUnauthenticated, "the credentials have expired")

// ExpireConfig says what [Expire] does before the end.
type ExpireConfig struct {
	// Refresh is asked for a new principal of the same user shortly before a session's
	// ends, once for each. It runs on a goroutine of its own, which lasts as long as
	// the call. ctx ends when the principal does, or the session, or when Refresh is
	// asked for the successor of a principal that the session got meanwhile: what
	// others renew stays. Neither a principal nor an error means that there is none.
	// Zero (nil) means that nobody is asked.
	Refresh func(ctx context.Context, s *message.Session) (message.Principal, error)
	// Before is how long before the end Refresh is called, but never before half of
	// the time that is left when the principal is first seen. Zero means 30 s.
	Before time.Duration
	// Logger is told of errors and panics of Refresh, at level Warn. Zero (nil)
	// means slog.Default().
	Logger *slog.Logger
}

// Expire ends sessions whose user is a [message.Expirer], at the moment that it
// names: messages of the session are refused with [message.CodeUnauthenticated] from
// then on, nothing is delivered to it any more, and it is closed with an error of this
// code. Users without an end are left alone.
//
// The interceptor that it returns goes to both sides: onto an inbound channel, behind
// [Authenticate], where it takes care of the session, and to where what is delivered
// passes last, which keeps a session from being delivered what comes too late:
//
//	expire := interceptor.Expire(interceptor.ExpireConfig{})
//	node := headrace.New(headrace.Config{Gate: []message.RawInterceptor{expire}})
//	node.Inbound.Intercept(interceptor.Authenticate(...), expire)
//
// A session goes on when it gets a new principal in time: from config.Refresh, or from
// an endpoint of the program to which the client sends a new token and which calls
// [Renew]. To end one earlier, close it.
//
// There is one timer for each session whose user has an end. It is stopped by
// KindDisconnect, which comes when the session is closed and waits for a Refresh that
// runs. Expire panics when config.Before is
// negative.
func Expire(config ExpireConfig) message.RawInterceptor {
	if config.Before < 0 {
		panic("interceptor: Expire needs a Before that is not negative")
	}
	config.Before = cmp.Or(config.Before, 30*time.Second)
	e := &expiry{config: config}
	return func(next message.RawHandler) message.RawHandler {
		return message.HandlerFunc[[]byte](func(ctx context.Context, m message.Raw) error {
			if m.Session == nil {
				return next.Handle(ctx, m)
			}
			if m.Kind == message.KindDisconnect {
				defer e.forget(m.Session)
			} else if err := e.check(&m); err != nil {
				return err
			}
			return next.Handle(ctx, m)
		})
	}
}

// Renew gives a session a new principal of the same user, such as one with a later end.
// It returns an error with [message.CodeUnauthenticated], and changes nothing, when p
// is nil, has ended, or is somebody else: who a session belongs to is settled when it
// begins. An end that is nearer than before counts from the session's next message on,
// to it or from it.
func Renew(s *message.Session, p message.Principal) error { return renew(s, p, time.Time{}) }

// renewing is held while a session gets a new principal, so that none gets lost.
var renewing sync.Mutex

// renew is Renew in the place of the principal with this end, zero for any: when the
// session has another by now, that one stays.
func renew(s *message.Session, p message.Principal, old time.Time) error {
	if p == nil {
		return errWrong
	}
	name, end := p.Name(), endOf(p)
	renewing.Lock()
	defer renewing.Unlock()
	before := s.User()
	switch {
	case !old.IsZero() && !endOf(before).Equal(old):
		return nil
	case before == nil || before.Name() != name:
		return errOtherUser
	case !end.IsZero() && !time.Now().Before(end):
		return errExpired
	}
	s.SetUser(p)
	return nil
}

// endOf returns when a user ends, zero for never.
func endOf(user message.Principal) time.Time {
	if e, ok := user.(message.Expirer); ok {
		return e.Expires()
	}
	return time.Time{}
}

// expiry knows the sessions whose users have an end.
type expiry struct {
	config ExpireConfig
	terms  sync.Map // *message.Session to *term
}

// check refuses what comes after the end, and sets the alarm, also for an end that passed
// in silence. A session that would begin after it is its adapter's to end.
func (e *expiry) check(m *message.Raw) error {
	s := m.Session
	end := endOf(s.User())
	if end.IsZero() {
		return nil
	}
	over := !time.Now().Before(end)
	t, ok := e.terms.Load(s)
	if !ok {
		if over && m.Kind == message.KindConnect {
			return errExpired
		}
		fresh := &term{expiry: e}
		fresh.session, fresh.ring = s, fresh.due
		t, _ = e.terms.LoadOrStore(s, fresh)
	}
	t.(*term).plan(end)
	if !ok && ended(s) { // of which forget may have been told before
		e.forget(s)
	}
	if over {
		return errExpired
	}
	return nil
}

func (e *expiry) forget(s *message.Session) {
	if t, ok := e.terms.LoadAndDelete(s); ok {
		t.(*term).stop()
	}
}

// term is the time that is left to a session.
type term struct {
	alarm
	expiry *expiry

	deciding sync.Mutex   // about the end and the alarm together: plan may run beside due, and due beside itself
	planned  atomic.Int64 // the end that the alarm is set for, as UnixNano
	asked    int64        // the end for which Refresh was called, as UnixNano
}

// plan sets the alarm for the end that its caller has seen, unless it is set for it
// already; when the user has another by now, for that one.
func (t *term) plan(seen time.Time) {
	if t.planned.Load() == seen.UnixNano() {
		return
	}
	t.deciding.Lock()
	defer t.deciding.Unlock()
	if end := endOf(t.session.User()); !end.IsZero() {
		t.aim(end)
	}
}

// aim sets the alarm for an end, unless it is set for it already.
func (t *term) aim(end time.Time) {
	if n := end.UnixNano(); t.planned.Swap(n) == n {
		return
	}
	left := time.Until(end)
	if t.expiry.config.Refresh != nil {
		left -= min(t.expiry.config.Before, left/2)
	}
	t.set(left)
}

// due does what is to be done now.
func (t *term) due() {
	if ended(t.session) {
		t.expiry.forget(t.session)
		return
	}
	switch end, then := t.look(); then {
	case closing:
		t.session.Close(errExpired)
	case refreshing:
		t.refresh(end)
	}
}

// What comes of an alarm.
const (
	waiting = iota
	refreshing
	closing
)

// look sets the alarm anew, and returns the end and what is to be done now.
func (t *term) look() (end time.Time, then int) {
	t.deciding.Lock()
	defer t.deciding.Unlock()
	end = endOf(t.session.User()) // which may be another by now
	n, left := end.UnixNano(), time.Until(end)
	switch {
	case end.IsZero():
		t.planned.Store(0)
	case left <= 0:
		return end, closing
	case t.planned.Load() != n:
		t.aim(end)
	default:
		if t.expiry.config.Refresh != nil && t.asked != n {
			t.asked, then = n, refreshing
		}
		t.set(left) // the end comes whatever Refresh does
	}
	return end, then
}

// refresh asks for a new principal in the place of the one with this end. When somebody
// else was faster, that one's stays.
func (t *term) refresh(end time.Time) {
	ok, err := t.call(time.Until(end), func(ctx context.Context) error {
		p, err := t.expiry.config.Refresh(ctx, t.session)
		if err != nil || p == nil {
			return err
		}
		return renew(t.session, p, end)
	})
	switch {
	case !ok:
	case err != nil:
		cmp.Or(t.expiry.config.Logger, slog.Default()).Warn("refresh failed", "session", t.session.ID(), "error", err)
	default:
		if end := endOf(t.session.User()); !end.IsZero() {
			t.plan(end)
		}
	}
}
