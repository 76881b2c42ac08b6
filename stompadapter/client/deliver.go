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
	id := f.Header.Get(frame.HeaderSubscription)
	c.mu.Lock()
	s := c.byID[id]
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
	if s.config.Ack != AckAuto {
		s.delivered++
		m.Done = c.expect(&delivery{link: l, subscription: s, number: s.delivered, header: m.Header})
	}
	c.mu.Unlock()
	select {
	case s.queue <- m:
	case <-s.ended:
	case <-c.closing:
	}
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
		if s.client.valid(m.Done) {
			return m, true, nil
		}
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
