package transport

import (
	"errors"
	"net"
	"sync/atomic"
	"time"

	"github.com/headrace/headrace/message"
)

// Conn is one client's connection. Its methods may be called from any
// goroutine and never block.
type Conn struct {
	framing     *Framing // with the first fields of out: what a delivery touches
	out         outbox
	server      *Server
	link        link
	info        message.SessionInfo
	subprotocol string
	protocol    Protocol

	place place // guarded by Server.mu

	beats     heartbeat
	lastSent  atomic.Int64  // Server.now; whatever it was
	lastWrite atomic.Int64  // Server.now; no control frame
	lastRead  atomic.Int64  // Server.now; whatever it was
	lastData  atomic.Int64  // Server.now; part of a message
	receiving atomic.Bool   // the protocol has what was read and may block
	gone      chan struct{} // closed when the link is

	// Guarded by out.mu.
	reason   error       // why the connection ends
	sent     bool        // the last frame is with the kernel
	readOver bool        // nothing more comes from the client
	timer    *time.Timer // bounds the closing
}

// linger is how long a client may take to end its side too.
const linger = time.Second

// link is what differs between the things that a connection runs over.
type link interface {
	// lastFrame returns the frame that says goodbye.
	lastFrame(reason error) *Frame
	// sent is called, by whoever writes, when the last frame is with the
	// kernel. It reports whether there is nothing to wait for.
	sent() (over bool)
	// shut lets go. It may wait for readers and writers.
	shut(how ending)
}

// newConn returns a connection whose lifetime the server already counts.
func newConn(s *Server, l link, framing *Framing, info message.SessionInfo, p place) *Conn {
	c := &Conn{server: s, link: l, framing: framing, info: info, place: p, gone: make(chan struct{})}
	c.info.Budget = s.config.OutboxBytes
	c.out = outbox{conn: c, flusher: s.deal(), limit: s.config.OutboxBytes, timeout: s.config.WriteTimeout}
	c.beats.conn = c
	now := s.now()
	c.lastSent.Store(now)
	c.lastRead.Store(now)
	c.lastData.Store(now)
	c.lastWrite.Store(now)
	return c
}

// Info returns what the handshake found out about the client. Its context
// carries the values of the request's context and ends with [Server.Close].
func (c *Conn) Info() message.SessionInfo { return c.info }

// Subprotocol returns the WebSocket subprotocol that was chosen, as
// WebSocketConfig.Subprotocols has it, or "".
func (c *Conn) Subprotocol() string { return c.subprotocol }

// Framing says how a [Frame] must be encoded for this connection.
func (c *Conn) Framing() *Framing { return c.framing }

// Send queues a frame; frames go out in the order of the calls. It returns
// [ErrSlow] when the client was cut because too much waits for it, and
// [ErrClosed] when the connection is closing or closed.
func (c *Conn) Send(f *Frame) error { return c.out.put(f) }

// Close ends the connection; the first reason counts, further calls do
// nothing. What is queued goes out, then, on a WebSocket, a close frame that
// tells the client of the reason, on a stream its end; the socket closes when
// the client has ended its side too, after a second at most. A client that does
// not take what is queued within Config.WriteTimeout is cut. Nothing is received
// any more.
//
// The close frame carries the text of an authored [message.Error] and one of
// these codes (RFC 6455, section 7.4.1):
//
//	1000  nil: an orderly end
//	1002  message.CodeInvalid
//	1007  a text message that is not valid UTF-8
//	1008  message.CodeUnauthenticated, CodeDenied and all not named here
//	1009  message.CodeTooLarge
//	1011  message.CodeInternal, and every error that nobody authored
//	1012  ErrShutdown: the service restarts; a ShutdownError says when to come back
//	1013  message.CodeFull, CodeUnavailable: the client may try again later
//
// A reason with a method CloseCode() int brings its own: applications are free
// to use 3000 to 4999.
func (c *Conn) Close(reason error) {
	c.finish(reason, c.link.lastFrame(reason))
}

// finish queues the last frame.
func (c *Conn) finish(reason error, last *Frame) {
	o := &c.out
	o.mu.Lock()
	if o.closing || o.state == outboxClosed {
		o.mu.Unlock()
		return
	}
	o.closing = true
	c.reason = reason
	c.timer = time.AfterFunc(o.timeout, c.overdue)
	woken := o.push(last)
	o.mu.Unlock()
	if woken || o.wake != nil { // nobody may be there to whom what waits matters
		o.notify()
	}
}

// written is called when frames up to f are with the kernel. Should data and a
// control frame have gone out together, the next beat comes early.
func (c *Conn) written(f *Frame, now int64) {
	c.lastSent.Store(now)
	if !f.control {
		c.lastWrite.Store(now)
	}
	if f.last {
		c.flushed()
	}
}

func (c *Conn) flushed() {
	over := c.link.sent()
	c.out.mu.Lock()
	c.sent = true
	over = over || c.readOver
	if !over && c.out.state != outboxClosed {
		c.timer.Reset(linger)
	}
	c.out.mu.Unlock()
	if over {
		c.drop(nil, orderly)
	}
}

// goodbye is called after finish when nothing more comes from the client: the
// socket closes as soon as the last frame is sent.
func (c *Conn) goodbye() {
	c.out.mu.Lock()
	c.readOver = true
	over := c.sent
	c.out.mu.Unlock()
	if over {
		c.drop(nil, orderly)
	}
}

// overdue is called when the closing takes too long.
func (c *Conn) overdue() {
	c.out.mu.Lock()
	sent := c.sent
	c.out.mu.Unlock()
	if sent {
		c.drop(nil, orderly)
		return
	}
	c.drop(nil, reset)
}

// ending says how a socket is closed.
type ending bool

const (
	orderly ending = false // the kernel goes on sending what it has
	reset   ending = true  // it forgets it, or it would keep it for a client that reads nothing
)

// drop closes the socket. The reason counts unless there is one already. The
// socket is closed on a goroutine of its own because closing waits for readers
// and writers to let go, and drop is called by publishers.
func (c *Conn) drop(reason error, how ending) {
	o := &c.out
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.state == outboxClosed {
		return
	}
	if !o.closing {
		c.reason = reason
	}
	if c.timer != nil {
		c.timer.Stop()
	}
	o.state = outboxClosed
	o.queue, o.bytes = nil, 0
	c.server.tasks.Go(func() { // the reader, which waits for gone, is still counted
		defer close(c.gone)
		c.beats.stop()
		c.link.shut(how)
	})
}

// shutSocket closes a socket; a reset without a goodbye and without waiting for
// the peer.
func shutSocket(nc net.Conn, how ending) {
	if how == orderly {
		nc.Close()
		return
	}
	if t, ok := nc.(interface{ NetConn() net.Conn }); ok {
		nc = t.NetConn() // TLS would try to say goodbye for five seconds
	}
	if t, ok := nc.(interface{ SetLinger(int) error }); ok {
		t.SetLinger(0)
	}
	nc.Close()
}

// refusal says why nothing is sent any more.
func (c *Conn) refusal() error {
	if errors.Is(c.ended(), ErrSlow) {
		return ErrSlow
	}
	return ErrClosed
}

// ended returns why the connection ends, or nil.
func (c *Conn) ended() error {
	c.out.mu.Lock()
	defer c.out.mu.Unlock()
	return c.reason
}

// closing reports whether nothing is received any more.
func (c *Conn) closing() bool {
	c.out.mu.Lock()
	defer c.out.mu.Unlock()
	return c.out.closing || c.out.state == outboxClosed
}

// receive hands p to the protocol. A panic costs its own client only.
func (c *Conn) receive(p []byte) error {
	return c.guard(func() error { return c.protocol.Receive(p) })
}

// endMessage tells a protocol that wants to know of a message's end.
func (c *Conn) endMessage() error {
	p, ok := c.protocol.(MessageEnder)
	if !ok {
		return nil
	}
	return c.guard(p.EndMessage)
}

// guard calls the protocol and closes the connection with its error.
func (c *Conn) guard(call func() error) error {
	c.receiving.Store(true)
	err := c.server.protect(call)
	if err != nil {
		c.Close(err)
	}
	now := c.server.now()
	c.lastRead.Store(now)
	c.lastData.Store(now)
	c.receiving.Store(false)
	return err
}

// protect calls an adapter's function. A panic is logged and becomes an error.
func (s *Server) protect(call func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			panicked := message.NewPanicError(v)
			s.config.Logger.Error("transport: protocol panicked", "error", panicked, "stack", string(panicked.Stack))
			err = panicked
		}
	}()
	return call()
}

// end is called by the reader when it has nothing more to read. It waits for
// the socket to be closed and tells the protocol.
func (c *Conn) end() {
	<-c.gone
	reason := c.ended()
	if reason != nil {
		c.server.config.Logger.DebugContext(c.info.Context, "transport: connection ended",
			"transport", c.info.Transport, "remote", c.info.RemoteAddr, "reason", reason)
	}
	c.server.protect(func() error { c.protocol.Closed(reason); return nil })
	c.server.remove(c, reason)
}
