package client

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/stompadapter/frame"
)

// tolerance is the number of the server's heart-beats after which silence means
// that it is dead.
const tolerance = 2

// link is one connection to the server, from CONNECTED on.
type link struct {
	log     *slog.Logger
	wire    wire
	version frame.Version
	send    time.Duration // how often something has to be sent, or 0
	receive time.Duration // how often something is to be heard, or 0
	done    chan struct{} // closed once nothing more is read
	stopped chan struct{} // closed once nothing more is written

	connected message.Header // of the CONNECTED frame

	// The writer's.
	joins   bool      // several frames may go out in one write
	out     []byte    // frames to be written
	written time.Time // when something was written last

	// The reader's.
	decoder *frame.Decoder
	buffer  []byte
	rest    []byte // what of buffer was not decoded yet

	mu      sync.Mutex
	over    error       // why waiting takes no more
	waiting []*outgoing // written, their receipts not yet here, in order
}

// connect opens a connection and logs in. It ends with ctx or after the
// timeout of the config.
func (c *Client) connect(ctx context.Context) (*link, error) {
	ctx, cancel := context.WithTimeout(ctx, c.config.ConnectTimeout)
	defer cancel()
	w, err := c.dialer.open(ctx)
	if err != nil {
		return nil, err
	}
	_, messages := w.(*socket)
	l := &link{
		log:     c.config.Logger,
		wire:    w,
		joins:   !messages,
		written: time.Now(),
		done:    make(chan struct{}),
		stopped: make(chan struct{}),
		decoder: frame.NewDecoder(c.config.Limits),
		buffer:  make([]byte, 8<<10),
	}
	stop := context.AfterFunc(ctx, func() { w.Close() })
	err = l.login(c.dialer.hello, c.config.Version, frame.HeartBeat(c.config.Heartbeat))
	if !stop() {
		err = context.Cause(ctx) // what login says of it is that the connection is closed
	}
	if err != nil {
		w.Close()
		return nil, err
	}
	return l, nil
}

// login sends CONNECT and reads CONNECTED.
func (l *link) login(hello []byte, highest frame.Version, own frame.HeartBeat) error {
	if _, err := l.wire.Write(hello); err != nil {
		return err
	}
	f, err := l.next()
	switch {
	case err != nil:
		return err
	case f.Command == frame.Error:
		return serverError(f)
	case f.Command != frame.Connected:
		return fmt.Errorf("the server answered CONNECT with %s", f.Command)
	}
	l.version = frame.V10 // whose servers do not say
	if v, ok := f.Header.Lookup(frame.HeaderVersion); ok {
		if l.version, ok = frame.ParseVersion(v); !ok || l.version > highest {
			return fmt.Errorf("the server speaks version %.16q", v)
		}
	}
	if beats, ok := f.Header.Lookup(frame.HeaderHeartBeat); ok && l.version > frame.V10 {
		peer, err := frame.ParseHeartBeat(beats)
		if err != nil {
			return err
		}
		l.send, l.receive = own.Negotiate(peer)
	}
	l.decoder.SetVersion(l.version)
	l.connected = f.Header
	return nil
}

// next reads a frame.
func (l *link) next() (frame.Frame, error) {
	for {
		f, rest, ok, err := l.decoder.Decode(l.rest)
		if l.rest = rest; ok || err != nil {
			return f, err
		}
		// The time in which a handler held up the reader does not count: the
		// deadline begins anew with each read.
		if l.receive > 0 {
			if err := l.wire.SetReadDeadline(time.Now().Add(tolerance * l.receive)); err != nil {
				return f, err
			}
		}
		n, err := l.wire.Read(l.buffer)
		if n == 0 && err != nil {
			if errors.Is(err, os.ErrDeadlineExceeded) {
				err = fmt.Errorf("the server was silent for %v: %w", tolerance*l.receive, err)
			}
			return f, err
		}
		l.rest = l.buffer[:n]
	}
}

// write writes what comes out of the outbox, and heart-beats, until the
// connection ends. First come the frames that subscribe again.
//
// There is no deadline: a server that does not read for a while, as brokers
// short of memory do, holds up those who send and loses nothing.
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
		if err := l.flush(); err != nil {
			return err
		}
		var beat <-chan time.Time
		if l.send > 0 {
			early := l.send / 10 // to be in time
			beat = time.After(time.Until(l.written.Add(l.send - early)))
		}
		select {
		case <-l.done:
			return nil
		case <-b.wake:
		case <-beat:
			l.out = append(l.out, '\n')
			if err := l.flush(); err != nil {
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

// joinBytes is how much is joined before it is written, and the most that the
// buffer for it keeps.
const joinBytes = 32 << 10

// writeFrame enters o among those that wait for their receipt, and writes it,
// together with what follows where frames may be joined: what waited while the
// last write went on goes out in the next one. It reports whether anything may
// follow.
func (l *link) writeFrame(o *outgoing) (more bool, err error) {
	var receipt []message.Field
	if o.receipt != "" {
		receipt = []message.Field{{Name: frame.HeaderReceipt, Value: o.receipt}}
	}
	octets, err := frame.Append(l.out, l.version, o.frame, receipt...)
	if err != nil { // it was checked, but for the version of an earlier connection
		l.log.Error("stomp: a frame cannot be written", "command", o.frame.Command, "error", err)
		o.fail(err)
		return true, nil
	}
	if o.settle != nil && !l.wait(o) {
		return false, nil
	}
	l.out = octets
	if l.joins && !o.last && len(l.out) < joinBytes {
		return true, nil
	}
	return !o.last, l.flush()
}

// flush writes what was joined.
func (l *link) flush() error {
	if len(l.out) == 0 {
		return nil
	}
	_, err := l.wire.Write(l.out)
	l.written = time.Now()
	if l.out = l.out[:0]; cap(l.out) > 2*joinBytes {
		l.out = nil
	}
	return err
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
// again and again, it would be refused again and again.
func (l *link) refused(e *ServerError) {
	id, named := e.Header.Lookup(frame.HeaderReceiptID)
	if !named {
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
