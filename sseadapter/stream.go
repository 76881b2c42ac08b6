package sseadapter

import (
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/transport"
)

// stream is one client: a session, and the responses that carry it.
type stream struct {
	user    string // "" for nobody
	carried *transport.Carried
	dialect *dialect
	history history // of whoever writes
}

var errMissed = message.Errorf(message.CodeConflict, "the session cannot be resumed")

// listen goes on with a session, or begins one.
func (a *Adapter) listen(w http.ResponseWriter, r *http.Request, q url.Values) {
	last := r.Header.Get("Last-Event-ID")
	if token, number, ok := strings.Cut(last, "."); ok {
		info, ok := a.server.Identify(w, r)
		if !ok {
			return
		}
		seen, err := strconv.ParseUint(number, 10, 64)
		if s := a.find(token, info); s != nil && err == nil && a.carry(s, w, r, &seen) == nil {
			return
		}
	}
	s := a.open(w, r)
	if s == nil {
		return
	}
	connect := transport.Request{Name: "connect", Message: message.Raw{Kind: message.KindConnect}}
	connect.Message.Header, connect.Err = header(r, q, message.KindConnect)
	s.ask(connect, nil)
	for i, destination := range q["destination"] {
		m := message.Raw{Kind: message.KindSubscribe, Destination: destination, Subscription: strconv.Itoa(i + 1)}
		if last != "" {
			m.Header = m.Header.With("last-event-id", last)
		}
		s.ask(transport.Request{Name: "subscribe", Message: m}, []byte(destination)) // it counts as sent
	}
	a.carry(s, w, r, nil)
}

// open makes a connection of a request, or answers it and returns nil.
func (a *Adapter) open(w http.ResponseWriter, r *http.Request) *stream {
	s := &stream{dialect: &dialect{token: rand.Text()}}
	var ok bool
	s.carried, ok = a.server.Carry(w, r, transport.CarryConfig{
		Transport: "sse",
		Patience:  a.config.ResumeTimeout,
		Goodbye:   goodbye,
		Ended:     func() { a.streams.Delete(s.dialect.token) },
	}, func(c *transport.Conn) transport.Protocol {
		s.dialect.conn, s.user = c, userOf(c.Info())
		a.streams.Store(s.dialect.token, s)
		return a.exchange.Open(c, s.dialect)
	})
	if !ok {
		return nil
	}
	return s
}

// goodbye tells clients of a server that shuts down when to come back.
func goodbye(reason error) []byte {
	if e, ok := errors.AsType[*transport.ShutdownError](reason); ok {
		return fmt.Appendf(nil, "retry: %d\n\n", e.RetryAfter.Milliseconds())
	}
	return nil
}

// find returns the stream of a token if it belongs to who asks.
func (a *Adapter) find(token string, who message.SessionInfo) *stream {
	if s, ok := a.streams.Load(token); ok && s.(*stream).user == userOf(who) {
		return s.(*stream)
	}
	return nil
}

func userOf(i message.SessionInfo) string {
	if i.Principal == nil {
		return ""
	}
	return i.Principal.Name()
}

// ask hands a request and its body to the session, one at a time: after those of
// listen, which nobody knows the token of yet, in the turn of Take.
func (s *stream) ask(r transport.Request, body []byte) error {
	s.dialect.next = &r
	return s.carried.Receive(body)
}

// carry writes events to a response until the client or the session is gone. A
// client that comes back gets what followed on the event that it saw last; an
// error means that this is not known, and that nothing was written.
func (a *Adapter) carry(s *stream, w http.ResponseWriter, r *http.Request, seen *uint64) error {
	begun := false
	return s.carried.Listen(w, r, func(frames [][]byte, last bool) (p []byte, err error) {
		switch {
		case begun:
		case seen == nil && len(frames) == 0 && !last:
			return nil, nil // whether it is turned away is not known yet
		case seen != nil && last && len(frames) == 0:
			return nil, errMissed // it is over
		case seen != nil:
			if p, err = s.history.since(*seen); err != nil {
				return nil, err
			}
		}
		if !begun {
			begun = true
			w.Header().Set("Content-Type", "text/event-stream")
			w.Header().Set("X-Accel-Buffering", "no") // nginx passes events on at once
			p = append([]byte("retry: 1000\n\n"), p...)
		}
		return append(p, s.history.add(s.dialect.token, frames)...), nil
	})
}
