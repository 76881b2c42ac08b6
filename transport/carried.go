package transport

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

// CarryConfig says how [Server.Carry] treats a connection.
type CarryConfig struct {
	// Transport names the connection's kind in its SessionInfo. Zero means "",
	// which says nothing.
	Transport string
	// Framing is the wire form of what is sent. Nil means FramingStream.
	Framing *Framing
	// Wake is called when something waits that was not there before, and when
	// the connection ends; already before Carry has returned if open sends.
	// Any goroutine may call it, so it must not block. Nil means that nobody but
	// [Carried.Listen] is told.
	Wake func()
	// Patience is how long the connection outlives a request that listened to
	// it, for another one to come. Zero means not at all.
	Patience time.Duration
	// Goodbye returns the wire form of what the client is told last, with the
	// reason of the end, nil for an orderly one; it must not block. Nil means
	// nothing.
	Goodbye func(reason error) []byte
	// Ended is called when the connection is over and its protocol knows.
	// Nil means that nobody is told.
	Ended func()
}

func (c CarryConfig) withDefaults() CarryConfig {
	if c.Framing == nil {
		c.Framing = FramingStream
	}
	if c.Ended == nil {
		c.Ended = func() {}
	}
	return c
}

// Carried is an adapter's end of a connection that is no socket: requests carry
// it, one after the other or several at once. Protocols see its Conn and find
// nothing unusual. Its methods may be called from any goroutine.
//
// The adapter takes what waits with Next, writes it with Write and hands over
// what came with Receive. The budget and the limits of [Config] hold: who is
// not asked for by any request for too long lets too much pile up and is cut.
type Carried struct {
	// Conn is the connection as its protocol sees it.
	*Conn

	wake    func()
	goodbye func(reason error) []byte
	ended   func()
	over    chan struct{} // closed when the protocol knows of the end

	listeners listeners
	intake    intake

	turn chan struct{} // full while the protocol is called

	// Guarded by out.mu.
	taken   []*Frame                 // by Next, and not yet by Write
	bytes   int                      // of what was taken and is not written
	writing *http.ResponseController // of a running Write
}

// Carry makes a connection of a request that passes the handshake, as a
// WebSocket endpoint does: origin, place, principal, hooks. It calls open, which
// must not return nil, on the caller's goroutine. A request that is refused,
// or whose response cannot be flushed, is answered, and false returned. The
// connection lives on when the request ends: the adapter ends it with
// [Carried.Gone].
func (s *Server) Carry(w http.ResponseWriter, r *http.Request, c CarryConfig, open func(*Conn) Protocol) (*Carried, bool) {
	c = c.withDefaults()
	if in, ok := flushes(w); !ok {
		s.misfit(w, r, fmt.Sprintf("a %T cannot be flushed: give it an Unwrap method, "+
			"or mount the endpoint outside the middleware that made it", in))
		return nil, false
	}
	info, p, ok := s.admit(w, r)
	if !ok {
		return nil, false
	}
	info.Transport = c.Transport
	k := &Carried{wake: c.Wake, goodbye: c.Goodbye, ended: c.Ended, over: make(chan struct{}), turn: make(chan struct{}, 1)}
	k.listeners = listeners{arrived: make(chan struct{}, 1), writing: make(chan struct{}, 1), patience: c.Patience}
	k.intake = newIntake()
	if k.wake == nil {
		k.wake = k.notice
	}
	k.Conn = newConn(s, k, c.Framing, info, p)
	k.out.wake = k.wake
	// Whatever ends the connection meanwhile must find a protocol to tell.
	k.turn <- struct{}{}
	defer k.yield()
	defer func() {
		if k.protocol == nil { // open panicked
			k.drop(nil, reset)
		}
	}()
	k.protocol = open(k.Conn)
	s.add(k.Conn)
	return k, true
}

// misfit answers a request whose response cannot carry anything.
func (s *Server) misfit(w http.ResponseWriter, r *http.Request, why string) {
	s.config.Logger.ErrorContext(r.Context(), "transport: request failed", "error", why)
	s.refuse(w, r, http.StatusInternalServerError, why)
}

// flushes reports whether a response can be flushed, or which one is in the way.
func flushes(w http.ResponseWriter) (in http.ResponseWriter, ok bool) {
	for {
		switch w.(type) {
		case http.Flusher, interface{ FlushError() error }:
			return nil, true
		}
		u, ok := w.(interface{ Unwrap() http.ResponseWriter })
		if !ok {
			return w, false
		}
		w = u.Unwrap()
	}
}

// yield lets the next one call the protocol.
func (k *Carried) yield() { <-k.turn }

// Receive hands the protocol one message. Calls wait for each other, and the
// protocol may block. It returns the protocol's error, which ends the
// connection, and [ErrClosed] when nothing is received any more. It must not be
// called by the protocol.
func (k *Carried) Receive(p []byte) error {
	select {
	case k.turn <- struct{}{}:
		defer k.yield()
	case <-k.gone:
		return ErrClosed
	}
	if k.closing() {
		return ErrClosed
	}
	if err := k.Conn.receive(p); err != nil || k.closing() {
		return err
	}
	return k.endMessage()
}

// Next takes all that waits: wire forms, in order, which must not be changed.
// It does not block. What it returned counts as waiting until Write succeeded.
// Last says that nothing follows: when the frames are written the adapter calls
// Gone. The reason is that of the end, and nil after an orderly one.
func (k *Carried) Next() (frames [][]byte, last bool, reason error) {
	o := &k.out
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, f := range o.queue {
		if len(f.wire) > 0 {
			frames = append(frames, f.wire)
			k.taken = append(k.taken, f)
			k.bytes += len(f.wire)
		}
	}
	if o.state != outboxClosed {
		o.queue, o.state = nil, outboxIdle
	}
	return frames, o.closing || o.state == outboxClosed, k.reason
}

// Write writes p to a response and flushes it. Then all that Next has returned
// so far is written and off the budget. It blocks while the client takes
// nothing, Config.WriteTimeout at most, and no longer than the connection
// lives. An error ends the connection: [ErrSlow] when the time is over,
// otherwise [ErrLost].
func (k *Carried) Write(w http.ResponseWriter, p []byte) error {
	err := k.pass(w, nil, p)
	if err != nil {
		k.drop(err, reset)
	}
	return err
}

// pass writes p to a response, for as long as the request that listens is r.
// Written or not, what Next has returned so far is off the budget afterwards.
func (k *Carried) pass(w http.ResponseWriter, r *http.Request, p []byte) error {
	o := &k.out
	o.mu.Lock()
	frames, bytes := k.taken, k.bytes
	k.taken = nil
	o.mu.Unlock()
	err := k.write(http.NewResponseController(w), w, r, p)
	if err == nil {
		now := k.server.now()
		k.lastSent.Store(now)
		if len(frames) > 0 {
			k.lastWrite.Store(now)
		}
		o.flusher.wrote(frames, len(p))
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	k.bytes -= bytes
	if o.state != outboxClosed {
		o.bytes -= bytes
	}
	if err != nil {
		return stalled(err, o.timeout)
	}
	return nil
}

// write writes as a spill goroutine does: each piece has its own deadline.
func (k *Carried) write(rc *http.ResponseController, w io.Writer, r *http.Request, p []byte) error {
	defer k.forget()
	for len(p) > 0 {
		if err := k.extend(rc, r); err != nil {
			return err
		}
		n, err := w.Write(p[:min(len(p), spillBytes)])
		if err != nil {
			return err
		}
		p = p[n:]
	}
	if err := k.extend(rc, r); err != nil {
		return err
	}
	if err := rc.Flush(); err != nil {
		return err
	}
	return ignoreUnsupported(rc.SetWriteDeadline(time.Time{}))
}

// extend gives a write more time, and remembers it for endWrite.
func (k *Carried) extend(rc *http.ResponseController, r *http.Request) error {
	k.out.mu.Lock()
	defer k.out.mu.Unlock()
	if k.out.state == outboxClosed || k.listeners.latest != r {
		return ErrClosed
	}
	k.writing = rc
	return ignoreUnsupported(rc.SetWriteDeadline(time.Now().Add(k.out.timeout)))
}

// endWrite ends a write that blocks. The lock is held.
func (k *Carried) endWrite() {
	if k.writing != nil {
		k.writing.SetWriteDeadline(time.Now())
	}
}

// forget forgets a write: its response may be over.
func (k *Carried) forget() {
	k.out.mu.Lock()
	defer k.out.mu.Unlock()
	k.writing = nil
}

// ignoreUnsupported excuses recorders, which never block.
func ignoreUnsupported(err error) error {
	if errors.Is(err, http.ErrNotSupported) {
		return nil
	}
	return err
}

// Gone ends the connection: the client is gone, or everything up to the last
// frame is written. The reason counts unless there is one already. It waits for
// a running Receive and for the protocol's Closed, so it must not be called
// from them. Further calls wait as well.
func (k *Carried) Gone(reason error) {
	k.drop(reason, orderly)
	<-k.over
}

// Done is closed when the connection has ended and nothing can be sent any
// more; the protocol may learn of it a little later.
func (k *Carried) Done() <-chan struct{} { return k.gone }

func (k *Carried) lastFrame(reason error) *Frame {
	if k.goodbye == nil {
		return endOfStream
	}
	return &Frame{wire: k.goodbye(reason), control: true, last: true}
}

func (k *Carried) sent() bool { return true }

// shut ends a write that blocks. The rest waits until the connection is gone.
func (k *Carried) shut(ending) {
	k.out.mu.Lock()
	k.endWrite()
	k.out.mu.Unlock()
	k.server.tasks.Go(k.finish)
}

// finish tells the requests and then, when no Receive is running, the protocol.
func (k *Carried) finish() {
	defer close(k.over)
	defer k.ended()
	<-k.gone
	k.wake()
	k.turn <- struct{}{}
	defer k.yield()
	if k.protocol == nil { // open panicked
		k.server.release(&k.place)
		return
	}
	k.end()
}
