package relay

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/stompadapter/frame"
	"github.com/headrace/headrace/stompadapter/internal/line"
)

// session is a client's session and its connection to the broker.
type session struct {
	broker  *Broker
	session *message.Session
	user    string
	login   [2]string // and the passcode
	link    *link
	ctx     context.Context // ends when nothing more is to be dialed or waited for
	cancel  context.CancelFunc

	mu            sync.Mutex
	over          bool // run has ended
	leaving       bool
	bye           *message.Completion      // of KindDisconnect
	subscriptions map[string]*subscription // by the client's id
	atBroker      map[string]*subscription // by the id that the broker knows
	lastID        int                      // that was made for the broker
	deliveries    deliveries
	transactions  map[string][]*delivery // open ones, with what was acknowledged in them
}

func newSession(b *Broker, connect message.Raw) *session {
	of := connect.Session
	s := &session{
		broker: b, session: of,
		login:         b.config.loginOf(connect),
		subscriptions: make(map[string]*subscription),
		atBroker:      make(map[string]*subscription),
		transactions:  make(map[string][]*delivery),
	}
	if user := of.User(); user != nil {
		s.user = user.Name()
	}
	s.link = newLink(b.config.Dialect, b.config.SessionFrames, b.config.SessionBytes, s.deliver)
	s.link.lost = s.lost
	s.ctx, s.cancel = context.WithCancel(b.ctx)
	return s
}

// run opens the connection that connect, a KindConnect, asks for, and serves it until
// the session ends.
func (s *session) run(connect message.Raw) {
	defer s.end()
	c, err := s.open()
	if err == nil && s.hasLeft() {
		c.Close()
		err = errNotConnected
	}
	if err == nil {
		s.link.begin(c, s.resubscribe) // now: the client may say goodbye as soon as it is told
		err = s.broker.deliver(s.session.Context(), message.Raw{Kind: message.KindConnected, Session: s.session})
		if err != nil {
			c.Close()
		}
	}
	if err != nil {
		s.link.close(err)
		s.broker.forget(s.session)
		connect.Done.Release(err)
		if connect.Done == nil {
			s.session.Close(message.Public(err))
		}
		return
	}
	s.broker.tell(s.session.Context(), broker.Event{Kind: broker.Connected, Session: s.session})
	connect.Done.Release(nil)
	for c != nil {
		began := time.Now()
		err = s.serve(c)
		if c, err = s.reattach(err, time.Since(began)); c != nil {
			s.link.begin(c, s.resubscribe)
		}
	}
	s.link.close(err)
	if !s.isLeaving() { // before the session ends, so that who waits learns why
		s.session.Close(err)
	}
}

// open dials for the session, when it is its turn.
func (s *session) open() (*line.Line, error) {
	b := s.broker
	select {
	case b.dials <- struct{}{}:
		defer func() { <-b.dials }()
	case <-s.ctx.Done():
		return nil, ErrAway
	}
	ctx, cancel := context.WithCancel(s.ctx)
	defer cancel()
	stop := context.AfterFunc(s.session.Context(), cancel)
	defer stop()
	c, err := b.config.dial(ctx, s.login[0], s.login[1])
	if err != nil {
		return nil, err
	}
	b.counts.connections.Add(1)
	return c, nil
}

// serve uses one connection until it is lost.
func (s *session) serve(c *line.Line) error {
	stop := context.AfterFunc(s.ctx, func() { c.Close() })
	defer stop()
	s.broker.counts.open.Add(1)
	defer s.broker.counts.open.Add(-1)
	return s.link.serve(c)
}

// reattach returns another connection in place of one that had lasted, or why the session
// is to end. What waits meanwhile does not wait for ever.
func (s *session) reattach(err error, lasted time.Duration) (*line.Line, error) {
	b := s.broker
	err = away(err)
	if !b.config.Reattach || isRefusal(err) {
		return nil, err
	}
	_, waited := s.link.again(err)
	given := make(chan struct{})
	late := time.AfterFunc(b.config.ReattachTimeout-waited, func() {
		defer close(given)
		s.link.giveUp(err)
	})
	defer func() {
		if !late.Stop() {
			<-given
		}
	}()
	for s.ctx.Err() == nil && !s.isLeaving() {
		b.config.pause(s.ctx, lasted)
		lasted = 0
		c, failed := s.open()
		switch {
		case failed == nil:
			b.counts.reconnects.Add(1)
			return c, nil
		case errors.Is(failed, errLogin): // the next one would be too
			return nil, failed
		}
	}
	return nil, err
}

// lost forgets what was tied to a connection, together with the frames that were: the broker
// has taken it back.
func (s *session) lost() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.deliveries.lose()
	clear(s.transactions)
}

func (s *session) isLeaving() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.leaving
}

// hasLeft reports whether the client has gone already, of which it may have been told
// before that it comes.
func (s *session) hasLeft() bool {
	select {
	case <-s.session.Done():
		return true
	default:
		return s.isLeaving()
	}
}

// leave says goodbye to the broker; done, which is held, is told when that is over.
func (s *session) leave(done *message.Completion) {
	s.mu.Lock()
	s.leaving, s.bye = true, done
	over := s.over
	if !over {
		s.broker.leaving.Add(1)
	}
	s.mu.Unlock()
	if over {
		done.Release(nil)
		return
	}
	err := s.link.ending(&outgoing{
		frame:  frame.Frame{Command: frame.Disconnect},
		once:   true,
		last:   true,
		settle: func(error) { s.cancel() },
	})
	if err != nil { // there is no connection
		s.cancel()
		return
	}
	late := time.AfterFunc(goodbye, s.cancel)
	context.AfterFunc(s.ctx, func() { late.Stop() })
}

// end is when nothing of the session runs any more.
func (s *session) end() {
	s.cancel()
	s.mu.Lock()
	s.over = true
	bye, left := s.bye, s.leaving
	timers := s.deliveries.stop()
	s.mu.Unlock()
	timers.Wait()
	bye.Release(nil)
	if left {
		s.broker.leaving.Add(-1)
	}
}

// push sends a frame whose outcome done is told. A transaction's parts have no receipt
// of their own: they are answered with its end.
func (s *session) push(ctx context.Context, f frame.Frame, done *message.Completion, then func(error)) error {
	if err := check(f); err != nil {
		return err
	}
	done.Hold()
	o := &outgoing{frame: f, settle: func(err error) {
		if then != nil {
			then(err)
		}
		if err == nil {
			done.Reached(message.Stored)
		}
		done.Release(err)
	}}
	err := s.link.send(ctx, o, s.broker.config.SendTimeout)
	if err != nil {
		done.Release(nil) // the error is told by who is given it
	}
	return err
}

func (s *session) send(ctx context.Context, m message.Raw) error {
	if err := s.broker.config.allowed(m); err != nil {
		return err
	}
	f := sendFrame(m)
	if id, ok := m.Header.Lookup(message.HeaderTransaction); ok {
		return s.part(ctx, id, f)
	}
	return s.push(ctx, f, m.Done, nil)
}
