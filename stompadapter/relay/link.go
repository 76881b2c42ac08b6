package relay

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/headrace/headrace/stompadapter/frame"
	"github.com/headrace/headrace/stompadapter/internal/line"
)

// outgoing is a frame on its way to the broker.
type outgoing struct {
	frame   frame.Frame
	settle  func(error)  // told once how it ended, by a receipt; does not block; nil where nobody asks
	admit   func() error // says, with the link's lock, why it is not taken after all; nil where nothing can be
	once    bool         // it makes sense on one connection only
	last    bool         // nothing may be written after it
	squeeze bool         // it needs no room
	suspect bool         // it may be what the broker ended a connection for
	seq     uint64       // its place among all frames, and its receipt
	since   time.Time    // it waits
	size    int
}

func (o *outgoing) end(err error) {
	if o.settle != nil {
		o.settle(err)
	}
}

// link carries frames to the broker, over one connection at a time, and keeps what is
// not confirmed: it may be sent again over the next one. Its methods may be called
// from any goroutine.
type link struct {
	dialect             Dialect
	maxFrames, maxBytes int
	deliver             func(c *line.Line, f frame.Frame) // a MESSAGE of c, on the goroutine that reads
	wake                chan struct{}                     // there is something to write
	twice               bool                              // what the broker seems to have refused is sent once more
	lost                func()                            // forgets, with the lock, what was tied to a connection; nil where nothing is

	mu     sync.Mutex
	shut   error // why nothing is taken any more
	idle   error // why nothing is taken until there is a connection
	seq    uint64
	queue  []*outgoing // to be written
	sent   map[uint64]*outgoing
	trying bool // what is sent is suspect, so nothing is sent beside it
	bytes  int
	room   chan struct{} // closed when there is room again; nil while nobody waits
	conn   *line.Line    // nil while there is none
}

func newLink(dialect Dialect, maxFrames, maxBytes int, deliver func(*line.Line, frame.Frame)) *link {
	return &link{
		dialect: dialect, maxFrames: maxFrames, maxBytes: maxBytes, deliver: deliver,
		wake: make(chan struct{}, 1), sent: make(map[uint64]*outgoing),
	}
}

// frameBytes is what a frame takes beside its header and body, about.
const frameBytes = 256

func sizeOf(f frame.Frame) int {
	n := frameBytes + len(f.Body)
	for name, value := range f.Header.All() {
		n += 32 + len(name) + len(value)
	}
	return n
}

// send puts o at the end of what is to be written. Where too much waits already it
// waits for room, as long as ctx and timeout last.
func (l *link) send(ctx context.Context, o *outgoing, timeout time.Duration) error {
	if o.size = sizeOf(o.frame); o.size > l.maxBytes {
		return errTooLarge
	}
	var expired <-chan time.Time
	for {
		room, err := l.push(o)
		if room == nil {
			return err
		}
		if expired == nil {
			timer := time.NewTimer(timeout)
			defer timer.Stop()
			expired = timer.C
		}
		select {
		case <-room:
		case <-expired:
			return errFull
		case <-ctx.Done():
			return errFull.WithCause(context.Cause(ctx))
		}
	}
}

// push takes o, or returns what is closed when there may be room.
func (l *link) push(o *outgoing) (room <-chan struct{}, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.shut != nil:
		return nil, l.shut
	case l.idle != nil:
		return nil, l.idle
	}
	if n := len(l.queue) + len(l.sent); !o.squeeze && (n >= l.maxFrames || n > 0 && l.bytes+o.size > l.maxBytes) {
		if l.room == nil {
			l.room = make(chan struct{})
		}
		return l.room, nil
	}
	if o.admit != nil {
		if err := o.admit(); err != nil {
			return nil, err
		}
	}
	l.add(o)
	return nil, nil
}

// mustOn puts a frame at the end that is about what came over c, where room does not
// matter: there are no more such frames than deliveries. Once c is lost it is refused.
func (l *link) mustOn(c *line.Line, o *outgoing) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.shut != nil:
		return l.shut
	case c != l.conn:
		return ErrAway
	}
	o.once = true
	o.size = sizeOf(o.frame)
	l.add(o)
	return nil
}

// must puts what frames returns at the end, where room does not matter: there are no more
// such frames than subscriptions. It asks for them either before another connection begins or
// afterwards. Those that make sense on a connection only end at once where there is none, and
// all do once that was given up.
func (l *link) must(frames func() []*outgoing) error {
	l.mu.Lock()
	if l.shut != nil {
		defer l.mu.Unlock()
		return l.shut
	}
	var gone []*outgoing
	for _, o := range frames() {
		if l.idle != nil || o.once && l.conn == nil {
			gone = append(gone, o)
			continue
		}
		o.size = sizeOf(o.frame)
		l.add(o)
	}
	l.mu.Unlock()
	for _, o := range gone {
		o.end(ErrAway)
	}
	return nil
}

// tie says of a frame that was taken that it makes sense on this connection only.
func (l *link) tie(o *outgoing) {
	l.mu.Lock()
	defer l.mu.Unlock()
	o.once = true
}

// ending puts the last frame at the end, unless there is no connection to write it to.
func (l *link) ending(o *outgoing) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.shut != nil:
		return l.shut
	case l.conn == nil:
		return ErrAway
	}
	l.add(o)
	return nil
}

// add appends o. The lock is held.
func (l *link) add(o *outgoing) {
	l.seq++
	o.seq, o.since = l.seq, time.Now()
	l.bytes += o.size
	l.queue = append(l.queue, o)
	if o.last {
		l.shut = errNotConnected
	}
	l.signal()
}

// signal wakes the writer.
func (l *link) signal() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// maxAhead is how many frames are written before the broker has confirmed them: all of
// them come twice where it was killed after it had stored them. That the writer waits for
// half of them lets it join what it writes then.
const maxAhead = 1024

// gone counts o as not there any more. The lock is held.
func (l *link) gone(o *outgoing) {
	l.bytes -= o.size
	if l.room != nil {
		close(l.room)
		l.room = nil
	}
}

// next takes what is to be written now, or nil.
func (l *link) next() *outgoing {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.queue) == 0 {
		return nil
	}
	o := l.queue[0]
	if (o.suspect || l.trying) && len(l.sent) > 0 || len(l.sent) >= maxAhead {
		return nil
	}
	l.queue[0] = nil
	l.queue = l.queue[1:]
	if o.settle == nil {
		l.gone(o)
	} else {
		l.sent[o.seq], l.trying = o, o.suspect
	}
	return o
}

// settle ends the frame of a number as confirmed, or refused.
func (l *link) settle(seq uint64, err error) {
	l.mu.Lock()
	o := l.sent[seq]
	if o != nil {
		delete(l.sent, seq)
		l.gone(o)
		if l.trying || len(l.sent) == maxAhead/2 {
			l.trying = false
			l.signal()
		}
	}
	l.mu.Unlock()
	if o != nil {
		o.settle(err)
	}
}

// waiting is how many frames and bytes are not confirmed.
func (l *link) waiting() (frames, bytes int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.queue) + len(l.sent), l.bytes
}

// again makes ready for another connection: what was sent and not confirmed is sent
// again, in its order, but for what made sense on the last one only. It returns how
// much that is, and how long the first of all that is left waits.
func (l *link) again(err error) (resent int, waited time.Duration) {
	l.mu.Lock()
	sent := slices.SortedFunc(maps.Values(l.sent), func(a, b *outgoing) int { return int(int64(a.seq - b.seq)) })
	clear(l.sent)
	l.trying = false
	if l.lost != nil {
		l.lost()
	}
	var kept, dropped []*outgoing
	for i, o := range slices.Concat(sent, l.queue) {
		if o.once {
			dropped = append(dropped, o)
			l.gone(o)
			continue
		}
		if i < len(sent) {
			resent++
		}
		kept = append(kept, o)
	}
	l.queue = kept
	if len(kept) > 0 {
		waited = time.Since(kept[0].since)
	}
	l.mu.Unlock()
	for _, o := range dropped {
		o.end(err)
	}
	return resent, waited
}

// giveUp ends all that waits with err, and refuses what comes, until another connection
// begins.
func (l *link) giveUp(err error) {
	l.mu.Lock()
	l.idle = err
	all := l.takeAll()
	l.mu.Unlock()
	for _, o := range all {
		o.end(err)
	}
}

// takeAll takes all that waits. The lock is held.
func (l *link) takeAll() []*outgoing {
	all := slices.Concat(slices.Collect(maps.Values(l.sent)), l.queue)
	clear(l.sent)
	l.queue, l.bytes = nil, 0
	if l.room != nil {
		close(l.room)
		l.room = nil
	}
	return all
}

// close refuses what comes later and ends all that waits with err. It returns how many
// messages that were, for which somebody waited.
func (l *link) close(err error) (lost int) {
	l.mu.Lock()
	l.shut = err
	all := l.takeAll()
	l.mu.Unlock()
	for _, o := range all {
		if o.settle != nil {
			if !o.once {
				lost++
			}
			o.settle(err)
		}
	}
	return lost
}
