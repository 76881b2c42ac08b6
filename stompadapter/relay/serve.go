package relay

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/stompadapter/frame"
	"github.com/headrace/headrace/stompadapter/internal/line"
)

// lastWords is how long a connection is read that cannot be written any more: an
// ERROR frame may tell why.
const lastWords = time.Second

// serve reads c, with which the link has begun, and has a goroutine write it, until the
// connection ends.
func (l *link) serve(c *line.Line) error {
	done, failed := make(chan struct{}), make(chan error, 1)
	go func() {
		err := l.write(c, done)
		if err != nil {
			select {
			case <-done: // the reader knows why
				err = nil
			case <-time.After(lastWords):
				c.Close()
			}
		}
		failed <- err
	}()
	err := l.read(c)
	close(done)
	c.Close()
	if w := <-failed; w != nil {
		err = w
	}
	l.mu.Lock()
	l.conn = nil
	l.mu.Unlock()
	return err
}

// begin takes c for what is sent from now on, and puts the first frames before all that
// waits. What ifConnected is asked for comes either with them or after them.
func (l *link) begin(c *line.Line, frames func() []*outgoing) {
	l.mu.Lock()
	defer l.mu.Unlock()
	first := frames()
	for _, o := range first {
		l.seq++
		o.seq, o.since, o.size = l.seq, time.Now(), sizeOf(o.frame)
		l.bytes += o.size
	}
	l.queue = slices.Concat(first, l.queue)
	l.conn, l.idle = c, nil
	l.signal()
}

// ifConnected adds what frame returns if there is a connection to write it to. What frame
// changes of what a connection begins with, it changes between two connections.
func (l *link) ifConnected(frame func() *outgoing) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if o := frame(); l.conn != nil && l.shut == nil {
		o.size = sizeOf(o.frame)
		l.add(o)
	}
}

// write writes what is to be written, and heart-beats, until the connection ends.
// What waited while the last write went on goes out in the next one.
func (l *link) write(c *line.Line, done <-chan struct{}) error {
	for {
		for o := l.next(); o != nil; o = l.next() {
			if err := l.put(c, o); err != nil {
				return err
			}
			if o.last {
				return c.Flush()
			}
		}
		if err := c.Flush(); err != nil {
			return err
		}
		select {
		case <-done:
			return nil
		case <-l.wake:
		case <-c.BeatDue():
			if err := c.Beat(); err != nil {
				return err
			}
		}
	}
}

// put joins o to what is written next. One that no frame can express is refused alone.
func (l *link) put(c *line.Line, o *outgoing) error {
	var receipt []message.Field
	if o.settle != nil {
		receipt = []message.Field{{Name: frame.HeaderReceipt, Value: strconv.FormatUint(o.seq, 10)}}
	}
	if err := c.Put(o.frame, receipt...); err != nil {
		l.settle(o.seq, err)
		return nil
	}
	if c.Joined() < line.JoinBytes {
		return nil
	}
	return c.Flush()
}

func (l *link) read(c *line.Line) error {
	for {
		f, err := c.Next()
		if err != nil {
			return err
		}
		switch f.Command {
		case frame.Message:
			l.deliver(c, f)
		case frame.Receipt:
			if seq, err := strconv.ParseUint(f.Header.Get(frame.HeaderReceiptID), 10, 64); err == nil {
				l.settle(seq, nil)
			}
		case frame.Error:
			if l.dialect.harmless(f) {
				continue
			}
			e := &brokerError{f}
			if l.dialect.forced(f) {
				return errors.New(e.Error()) // nothing is refused by it
			}
			l.refused(e)
			return e
		default:
			return fmt.Errorf("the broker sent %s", f.Command)
		}
	}
}

// refused settles the frame that an ERROR frame is about. Where the broker does not
// say which, and several wait for its word, they are suspect: the next connection
// carries them one at a time, so that the one is found. So is one alone where there is a
// next connection, for the broker may have had reasons of its own.
func (l *link) refused(e *brokerError) {
	l.mu.Lock()
	seq, err := strconv.ParseUint(e.frame.Header.Get(frame.HeaderReceiptID), 10, 64)
	if err != nil && len(l.sent) == 1 {
		for only, o := range l.sent {
			if o.suspect || !l.twice {
				seq = only
			}
		}
	}
	var command frame.Command
	if o := l.sent[seq]; o != nil { // none has the number 0
		command = o.frame.Command
	} else {
		for _, o := range l.sent {
			o.suspect = true
		}
	}
	l.mu.Unlock()
	if command != "" {
		l.settle(seq, refusedBy(command, e))
	}
}

// isRefusal reports whether a connection ended by an ERROR frame.
func isRefusal(err error) bool {
	_, ok := errors.AsType[*brokerError](err)
	return ok
}

// isUnclear reports whether it did by one that does not say which frame it is about.
func isUnclear(err error) bool {
	e, ok := errors.AsType[*brokerError](err)
	if !ok {
		return false
	}
	_, named := e.frame.Header.Lookup(frame.HeaderReceiptID)
	return !named
}
