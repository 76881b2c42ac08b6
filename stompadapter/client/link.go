package client

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"

	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/stompadapter/frame"
	"github.com/headrace/headrace/stompadapter/internal/line"
)

// link is one connection to the server, from CONNECTED on.
type link struct {
	*line.Line
	log     *slog.Logger
	joins   bool          // several frames may go out in one write
	done    chan struct{} // closed once nothing more is read
	stopped chan struct{} // closed once nothing more is written

	mu      sync.Mutex
	over    error       // why waiting takes no more
	waiting []*outgoing // written, their receipts not yet here, in order
}

// connect opens a connection and logs in. It ends with ctx or after the
// timeout of the config.
func (c *Client) connect(ctx context.Context) (*link, error) {
	ctx, cancel := context.WithTimeout(ctx, c.config.ConnectTimeout)
	defer cancel()
	g, err := c.dialer.greet(ctx)
	if err != nil {
		return nil, err
	}
	w, err := c.dialer.open(ctx, g.http)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { w.Close() })
	l, err := line.Login(w, g.login, g.hello, c.config.Limits)
	if !stop() {
		err = context.Cause(ctx) // what Login says of it is that the connection is closed
	}
	if err != nil {
		w.Close()
		if refused, ok := errors.AsType[*line.Refused](err); ok {
			err = serverError(refused.Frame)
		}
		return nil, err
	}
	_, messages := w.(*socket)
	return &link{
		Line:    l,
		log:     c.config.Logger,
		joins:   !messages,
		done:    make(chan struct{}),
		stopped: make(chan struct{}),
	}, nil
}

// write writes what comes out of the outbox, and heart-beats, until the
// connection ends. First come the frames that subscribe again.
func (l *link) write(b *outbox, first []*outgoing) error {
	for _, o := range first {
		if _, err := l.writeFrame(o); err != nil {
			return err
		}
	}
	for {
		for l.alive() {
			o := b.pop(l)
			if o == nil {
				break
			}
			if more, err := l.writeFrame(o); err != nil || !more {
				return err
			}
		}
		if err := l.Flush(); err != nil {
			return err
		}
		select {
		case <-l.done:
			return nil
		case <-b.wake:
		case <-l.BeatDue():
			if err := l.Beat(); err != nil {
				return err
			}
		}
	}
}

func (l *link) alive() bool {
	select {
	case <-l.done:
		return false
	default:
		return true
	}
}

// writeFrame enters o among those that wait for their receipt, and writes it,
// together with what follows where frames may be joined: what waited while the
// last write went on goes out in the next one. It reports whether anything may
// follow.
func (l *link) writeFrame(o *outgoing) (more bool, err error) {
	var receipt []message.Field
	if o.receipt != "" {
		receipt = []message.Field{{Name: frame.HeaderReceipt, Value: o.receipt}}
	}
	if err := l.Put(o.frame, receipt...); err != nil { // it was checked, but for the version of an earlier connection
		l.log.Error("stomp: a frame cannot be written", "command", o.frame.Command, "error", err)
		o.fail(err)
		return true, nil
	}
	if o.settle != nil && !l.wait(o) {
		return false, nil
	}
	if l.joins && !o.last && l.Joined() < line.JoinBytes {
		return true, nil
	}
	return !o.last, l.Flush()
}

// wait enters o among the frames that wait.
func (l *link) wait(o *outgoing) bool {
	l.mu.Lock()
	over := l.over
	if over == nil && !o.abandoned.Load() {
		l.waiting = append(l.waiting, o)
	}
	l.mu.Unlock()
	if over != nil {
		o.fail(over)
	}
	return over == nil
}

// forget takes o off the frames that wait.
func (l *link) forget(o *outgoing) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if i := slices.Index(l.waiting, o); i >= 0 {
		l.waiting = slices.Delete(l.waiting, i, i+1)
	}
}

// receipt settles the frame that asked for it.
func (l *link) receipt(id string, err error) {
	l.mu.Lock()
	i := slices.IndexFunc(l.waiting, func(o *outgoing) bool { return o.receipt == id })
	if i < 0 {
		l.mu.Unlock()
		return
	}
	o := l.waiting[i]
	l.waiting = slices.Delete(l.waiting, i, i+1)
	l.mu.Unlock()
	o.settle(err)
}

// refused settles the frame that an ERROR frame is about. Where the server does
// not say which, it is a SUBSCRIBE that has waited longest, if one has: made
// again and again, it would be refused again and again. But a server of this
// module that names none, and has one of these codes, ends the session.
func (l *link) refused(e *ServerError) {
	id, named := e.Header.Lookup(frame.HeaderReceiptID)
	over := e.Code == message.CodeUnauthenticated || e.Code == message.CodeUnavailable
	if !named && !over {
		l.mu.Lock()
		if len(l.waiting) > 0 && l.waiting[0].frame.Command == frame.Subscribe {
			id = l.waiting[0].receipt
		}
		l.mu.Unlock()
	}
	l.receipt(id, e)
}

// finish fails the frames that still wait.
func (l *link) finish(err error) {
	l.mu.Lock()
	l.over = err
	waiting := l.waiting
	l.waiting = nil
	l.mu.Unlock()
	for _, o := range waiting {
		o.settle(err)
	}
}
