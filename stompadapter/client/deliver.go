package client

import (
	"context"
	"errors"

	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/stompadapter/frame"
)

// deliver hands a MESSAGE to its subscription. It waits for room there, which
// is how a slow handler slows down the server.
func (c *Client) deliver(l *link, f frame.Frame) {
	c.mu.Lock()
	s := c.byID[f.Header.Get(frame.HeaderSubscription)]
	if s == nil { // sent before the server knew of UNSUBSCRIBE
		c.mu.Unlock()
		return
	}
	m := message.Raw{
		Destination:  f.Header.Get(frame.HeaderDestination),
		Subscription: s.config.ID,
		Header:       f.Header.Without(frame.HeaderDestination, frame.HeaderSubscription, frame.HeaderContentLength),
		Payload:      f.Body,
	}
	hand := true
	switch {
	case s.answers(m):
		hand = s.place.answered(m.Header) // what is missing is told in its turn
	case s.config.Ack == AckAuto:
		s.passed(m.Header)
	default:
		m.Done = c.expect(s.arrived(l, m.Header))
	}
	c.mu.Unlock()
	if !hand {
		return
	}
	select {
	case s.queue <- m:
	case <-s.ended:
	case <-c.closing:
	}
}

// answers reports whether m is not a message but the answer to one who resumes.
func (s *Subscription) answers(m message.Raw) bool {
	_, ok := m.Header.Lookup(message.HeaderRecovered)
	return ok && s.config.Resume
}

// isAgain reports whether the server sends a message not for the first time.
func isAgain(h message.Header) bool {
	_, again := h.Lookup(message.HeaderDeliveries)
	return again
}

// passed notes that a message came which needs no acknowledgement.
func (s *Subscription) passed(h message.Header) {
	if at, ok := spotOf(h); ok && s.config.Resume {
		s.place.passed(at)
	}
}

// arrived returns the delivery of a message that needs one.
func (s *Subscription) arrived(l *link, h message.Header) *delivery {
	d := &delivery{link: l, subscription: s, header: h}
	if at, ok := spotOf(h); ok && s.config.Resume && s.place.arrived(at, isAgain(h)) {
		d.spot = at
	}
	return d
}

// next waits for a message. It returns false after Unsubscribe.
func (s *Subscription) next(ctx context.Context) (m message.Raw, ok bool, err error) {
	for {
		select {
		case <-s.client.closing: // before what waits in the queue
			return m, false, ErrClosed
		default:
		}
		select {
		case m = <-s.queue:
		case <-s.client.closing:
			return m, false, ErrClosed
		case <-ctx.Done():
			return m, false, context.Cause(ctx)
		case <-s.ended:
			if s.err == nil {
				return m, false, nil
			}
			select {
			case m = <-s.queue: // came before the end
			default:
				return m, false, s.err
			}
		}
		switch {
		case s.answers(m):
			s.missed(ctx)
		case s.client.valid(m.Done):
			return m, true, nil
		}
	}
}

// missed tells that messages are missing here.
func (s *Subscription) missed(ctx context.Context) {
	s.client.config.Logger.Warn("stomp: messages may be missing", "destination", s.destination)
	if s.config.Missed == nil {
		return
	}
	tell := func(context.Context, message.Raw) error { s.config.Missed(); return nil }
	if err := call(ctx, tell, message.Raw{}); err != nil {
		s.client.config.Logger.Warn("stomp: Missed failed", "destination", s.destination, "error", err)
	}
}

// pump gives the messages to the handler.
func (s *Subscription) pump(ctx context.Context, handle func(context.Context, message.Raw) error) {
	c := s.client
	defer func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.handlers[s]()
		delete(c.handlers, s)
	}()
	for {
		m, ok, err := s.next(ctx)
		if !ok || err != nil {
			return
		}
		err = call(ctx, handle, m)
		if err != nil && !errors.Is(err, message.ErrDropped) {
			c.config.Logger.Warn("stomp: handler failed", "destination", m.Destination, "error", err)
		}
		m.Done.Release(err)
	}
}

// call calls handle. A panic there is an error of this message.
func call(ctx context.Context, handle func(context.Context, message.Raw) error, m message.Raw) (err error) {
	defer message.Recover(&err)
	return handle(ctx, m)
}
