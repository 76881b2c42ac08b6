package sockjs

import (
	"context"
	"crypto/rand"
	"errors"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/transport"
)

// Session is one client of a [Handler], whatever its transport. Its methods may
// be called from any goroutine.
type Session struct {
	id     string
	conn   *transport.Conn
	ctx    context.Context
	cancel context.CancelCauseFunc
	inbox  chan string
	bytes  atomic.Int64  // about as many are in inbox
	room   chan struct{} // holds a sign that inbox has given something away
}

func newSession(c *transport.Conn, pending int) *Session {
	s := &Session{id: rand.Text(), conn: c, inbox: make(chan string, pending), room: make(chan struct{}, 1)}
	s.ctx, s.cancel = context.WithCancelCause(c.Info().Context)
	return s
}

// ID returns the session's id: 128 random bits, which no client has chosen or
// been told.
func (s *Session) ID() string { return s.id }

// Info returns what the handshake found out about the client. Its Transport is
// "sockjs/websocket", "sockjs/xhr-streaming", "sockjs/xhr-polling",
// "sockjs/eventsource", "sockjs/htmlfile", "sockjs/jsonp-polling", or
// "websocket" for WebSocket without SockJS.
func (s *Session) Info() message.SessionInfo { return s.conn.Info() }

// Context returns a context that carries the values of the handshake and ends
// with the session. Its cause is why the session ended.
func (s *Session) Context() context.Context { return s.ctx }

// ErrNotText is returned by [Session.Send] for what is not valid UTF-8: SockJS
// carries text.
var ErrNotText error = message.Errorf(message.CodeInvalid, "not valid UTF-8")

// Send queues a message; messages go out in the order of the calls. It does not
// block. It returns [ErrNotText], [transport.ErrSlow] when the client was cut
// because too much waits for it, and [transport.ErrClosed] when the session has
// ended.
func (s *Session) Send(m string) error {
	if !utf8.ValidString(m) {
		return ErrNotText
	}
	return s.conn.Send(transport.NewFrame(s.conn.Framing(), []byte(m)))
}

// Receive returns the client's next message. It blocks until there is one, ctx
// is over, which returns its cause, or the session has ended: then it returns
// why it ended, or [transport.ErrClosed] after an orderly end. Either way what
// was received before is returned first.
func (s *Session) Receive(ctx context.Context) (string, error) {
	select {
	case m := <-s.inbox:
		s.took(m)
		return m, nil
	case <-ctx.Done():
	case <-s.ctx.Done():
		ctx = s.ctx
	}
	select {
	case m := <-s.inbox: // ctx may be the session's
		s.took(m)
		return m, nil
	default:
		return "", context.Cause(ctx)
	}
}

func (s *Session) took(m string) {
	s.bytes.Add(int64(-len(m)))
	select {
	case s.room <- struct{}{}:
	default:
	}
}

// maxPendingBytes is how much may wait for Receive, unless it is one message.
const maxPendingBytes = 512 << 10

// offer puts m into the inbox if there is room.
func (s *Session) offer(m string) bool {
	if n := s.bytes.Load(); n > 0 && n+int64(len(m)) > maxPendingBytes {
		return false
	}
	select {
	case s.inbox <- m:
		s.bytes.Add(int64(len(m)))
		return true
	default:
		return false
	}
}

// Close ends the session; further calls with a valid code do nothing. What is queued reaches the
// client first, then the code, which must be 1000 or from 3000 to 4999, and the
// reason, valid UTF-8 of at most 123 bytes. It does not block. Anything else
// is refused with an error, and the session goes on.
func (s *Session) Close(code int, reason string) error {
	if code != 1000 && (code < 3000 || code > 4999) {
		return errors.New("sockjs: close code is neither 1000 nor from 3000 to 4999")
	}
	if len(reason) > 123 || !utf8.ValidString(reason) {
		return errors.New("sockjs: close reason is longer than 123 bytes or not valid UTF-8")
	}
	s.end(&closeError{code, reason})
	return nil
}

// end closes the connection and lets go of whoever waits for the session.
func (s *Session) end(reason error) {
	s.conn.Close(reason)
	s.cancel(transport.ErrClosed)
}

// closeError is the reason of a session that serve has closed.
type closeError struct {
	code   int
	reason string
}

func (e *closeError) Error() string { return "sockjs: closed by the application: " + e.reason }

// CloseCode is asked for by the transport.
func (e *closeError) CloseCode() int { return e.code }

// Unwrap returns what the client is told.
func (e *closeError) Unwrap() error { return message.Errorf(message.CodeUnavailable, "%s", e.reason) }

// intake is the protocol that fills a session's inbox.
type intake struct {
	session *Session
	message []byte // what has come of it; bounded by the endpoint
}

// Receive gathers a message.
func (in *intake) Receive(p []byte) error {
	in.message = append(in.message, p...)
	return nil
}

// patience is how long a client is held back that sends faster than its
// messages are received. As long as it is, nobody would notice that it has
// gone.
const patience = time.Minute

// EndMessage hands a message on.
func (in *intake) EndMessage() error {
	m := string(in.message)
	in.message = nil // an idle session holds no buffer
	if in.session.offer(m) {
		return nil
	}
	late := time.After(patience)
	for {
		select {
		case <-in.session.room:
			if in.session.offer(m) {
				return nil
			}
		case <-in.session.ctx.Done():
			return nil
		case <-late:
			return message.Errorf(message.CodeFull, "messages are not received")
		}
	}
}

// Closed ends the session's context.
func (in *intake) Closed(reason error) {
	if reason == nil {
		reason = transport.ErrClosed
	}
	in.session.cancel(reason)
}
