package transport

import (
	"net"
	"runtime"
	"sync"
	"time"
)

// outboxState says who looks after an outbox.
type outboxState uint8

const (
	outboxIdle    outboxState = iota // nothing waits, or a flusher is writing the last of it
	outboxDirty                      // on its flusher's list
	outboxSpilled                    // a goroutine of its own writes, blocking
	outboxClosed                     // the socket is closed or about to be
)

// outbox holds the frames that wait for one connection. The order of put calls
// is the order on the wire because at any time only one goroutine writes: the
// flusher, or the spill goroutine while the socket takes no more.
//
// The lock is never held over a write: publishers would queue up behind the
// system calls, which was measured to cost four to twelve times the CPU.
type outbox struct {
	// What put touches is one cache line: in a broadcast to thousands, waiting
	// for memory is most of what a delivery costs.
	mu      sync.Mutex
	state   outboxState
	closing bool // the last frame is in the queue: no more are taken
	queue   []*Frame
	bytes   int // in the queue, not yet with the kernel
	limit   int // bytes that may wait

	offset  int // bytes of queue[0] that are already written
	conn    *Conn
	nc      net.Conn // nil if the connection is carried
	flusher *flusher
	wake    func()                      // of the carrier; nil if the flusher writes
	timeout time.Duration               // for any progress of a blocking write
	try     func(p []byte) (int, error) // writes what fits without blocking; nil if that is impossible
	write   func(p []byte) (int, error) // blocks until some of p, or with an error, is written
}

// writeTo says which socket the frames go to.
func (o *outbox) writeTo(nc net.Conn) {
	o.nc = nc
	o.try, o.write = writers(nc)
}

// put queues a frame. It does not block.
func (o *outbox) put(f *Frame) error {
	o.mu.Lock()
	if o.closing || o.state == outboxClosed {
		o.mu.Unlock()
		return o.conn.refusal()
	}
	if o.bytes > 0 && o.bytes+len(f.wire) > o.limit && !o.makeRoom(len(f.wire)) {
		o.mu.Unlock()
		o.conn.drop(errSlow.WithCause(errOverBudget), reset)
		return ErrSlow
	}
	woken := o.push(f)
	crowded := o.state == outboxDirty && o.bytes > o.limit/2
	o.mu.Unlock()
	if woken {
		o.notify()
	}
	if crowded {
		// A publisher in a tight loop fills the budget before the flusher, just
		// woken, has run at all: that is not the client's fault.
		runtime.Gosched()
	}
	return nil
}

// makeRoom leaves out the oldest messages, if that is how it shall be, until
// there is room for n more bytes, or nothing else waits but what is being
// written. The lock is held.
func (o *outbox) makeRoom(n int) bool {
	if !o.conn.server.config.DropOldest {
		return false
	}
	first := 0
	if o.offset > 0 { // a part of it is written
		first = 1
	}
	for i := first; i < len(o.queue) && o.bytes+n > o.limit; {
		f := o.queue[i]
		if !f.passing {
			i++
			continue
		}
		copy(o.queue[1:i+1], o.queue[:i]) // those in front are few
		o.queue[0] = nil
		o.queue = o.queue[1:]
		o.bytes -= len(f.wire)
		o.flusher.dropped.Add(1)
	}
	return o.bytes+n <= o.limit || len(o.queue) == first
}

// notify tells whoever writes that something waits.
func (o *outbox) notify() {
	if o.wake != nil {
		o.wake()
		return
	}
	o.flusher.add(o)
}

// push appends a frame and reports whether whoever writes must be notified. The
// lock is held.
func (o *outbox) push(f *Frame) (woken bool) {
	o.queue = append(o.queue, f)
	o.bytes += len(f.wire)
	if o.state != outboxIdle {
		return false
	}
	o.state = outboxDirty
	return true
}

// flush writes what waits, on the flusher's goroutine, with its buffers.
func (o *outbox) flush(f *flusher) {
	o.mu.Lock()
	if o.state != outboxDirty {
		o.mu.Unlock() // a stale entry of the list
		return
	}
	if o.try == nil {
		o.spilled()
		o.mu.Unlock()
		return
	}
	b := newBatch(o.queue, 0)
	o.queue, f.spare = f.spare, nil
	o.bytes, o.state = 0, outboxIdle
	o.mu.Unlock()

	for !b.done() {
		p := b.next(f.buf)
		n, err := o.try(p)
		f.wrote(b.advance(n), n)
		if err != nil {
			o.conn.drop(lost(err), reset)
			return
		}
		if n < len(p) {
			o.stuck(b)
			return
		}
	}
	last := b.last()
	f.keep(b.frames)
	o.conn.written(last, f.now)
}

// spilled hands the outbox to a goroutine that may block. The lock is held: an
// open outbox keeps the server from having joined all its goroutines.
func (o *outbox) spilled() {
	o.state = outboxSpilled
	o.conn.server.tasks.Go(o.spill)
}

// stuck puts the rest of b, which the socket does not take, back in front of
// what came meanwhile.
func (o *outbox) stuck(b batch) {
	o.mu.Lock()
	if o.state == outboxClosed {
		o.mu.Unlock()
		return
	}
	newer, n := o.bytes, b.size()
	o.queue, o.offset = append(b.rest(), o.queue...), b.offset
	o.bytes += n
	over := newer > 0 && o.bytes > o.limit && !o.makeRoom(0)
	if over {
		o.bytes = newer // nobody sees more than the limit until it is cut
	} else {
		o.spilled()
	}
	o.mu.Unlock()
	if over {
		o.conn.drop(errSlow.WithCause(errOverBudget), reset)
	}
}

// spill writes, blocking, until nothing waits any more.
func (o *outbox) spill() {
	buf := spillBuffers.Get().(*[spillBytes]byte)
	defer spillBuffers.Put(buf)
	for {
		b, ok := o.take()
		if !ok {
			return
		}
		for !b.done() {
			p := b.next(buf[:0])
			o.nc.SetWriteDeadline(time.Now().Add(o.timeout))
			n, err := o.write(p)
			o.wrote(b.advance(n), n)
			if err != nil {
				o.conn.drop(stalled(err, o.timeout), reset)
				return
			}
		}
		o.conn.written(b.last(), o.conn.server.now())
		clear(b.frames) // the rest of the queue is in the same memory
	}
}

// spillBytes is what a spill goroutine joins into one write: small, because a
// thousand clients may be stuck at once, each with such a buffer.
const spillBytes = 16 << 10

var spillBuffers = sync.Pool{New: func() any { return new([spillBytes]byte) }}

// take hands the spill goroutine what goes into one write, so that the rest
// may still be left out. With nothing left it gives the outbox back to the
// flusher.
func (o *outbox) take() (b batch, ok bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.state == outboxClosed {
		return b, false
	}
	if len(o.queue) == 0 {
		o.nc.SetWriteDeadline(time.Time{}) // first, or the flusher's next write meets it
		o.state = outboxIdle
		return b, false
	}
	n, bytes := 1, len(o.queue[0].wire)
	for n < len(o.queue) && bytes+len(o.queue[n].wire) <= spillBytes {
		bytes += len(o.queue[n].wire)
		n++
	}
	b = newBatch(o.queue[:n:n], o.offset)
	if o.queue, o.offset = o.queue[n:], 0; len(o.queue) == 0 {
		o.queue = nil
	}
	return b, true
}

// wrote takes what the spill goroutine wrote off the budget.
func (o *outbox) wrote(frames []*Frame, n int) {
	o.flusher.wrote(frames, n)
	o.mu.Lock()
	if o.state != outboxClosed {
		o.bytes -= n
	}
	o.mu.Unlock()
}

// writers returns the ways to write to nc. Only sockets of the standard
// library are written without blocking: a type that embeds one may change what
// Write does, and TLS does.
func writers(nc net.Conn) (try, write func([]byte) (int, error)) {
	switch nc := nc.(type) {
	case *net.TCPConn:
		return socketWriters(nc)
	case *net.UnixConn:
		return socketWriters(nc)
	}
	return nil, nc.Write
}
