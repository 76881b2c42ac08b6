package transport

import (
	"net"

	"github.com/headrace/headrace/message"
)

// webSocketReader is the goroutine of a WebSocket. It is handed what came,
// split anywhere, and keeps nothing of it but the rest of a header, a control
// frame's payload or a compressed message.
type webSocketReader struct {
	conn  *Conn
	nc    net.Conn
	limit int64 // bytes of a message; none if not positive

	frame   frameHeader
	control []byte // payload of the control frame that is being read
	end     error  // why nothing more is read: a *goodbye or a violation

	// The message that is being read.
	opcode  byte // 0 between messages
	length  uint64
	text    utf8Check
	packed  bool   // compressed
	pack    []byte // what came of a compressed message
	deflate bool
}

func newWebSocketReader(c *Conn, nc net.Conn, limit int64, deflate bool) *webSocketReader {
	return &webSocketReader{conn: c, nc: nc, limit: limit, deflate: deflate}
}

// run reads until there is nothing more to read, and ends the connection.
func (r *webSocketReader) run() {
	c := r.conn
	err := pieces(r.nc, r.feed)
	bye, orderly := r.end.(*goodbye)
	switch {
	case orderly:
		c.finish(bye.reason(), closeFrame(bye.echo(), ""))
		c.goodbye()
	case r.end != nil:
		c.Close(r.end)
		// What is unread when a socket closes makes the kernel take back what
		// was sent: the client would never see why.
		pieces(r.nc, func([]byte) error { return nil })
		c.goodbye()
	case c.closing():
		c.goodbye()
	default:
		c.drop(lost(err), reset)
	}
	c.end()
}

// feed takes what came apart into frames. An error is the end of reading.
func (r *webSocketReader) feed(p []byte) error {
	r.conn.lastRead.Store(r.conn.server.now())
	for len(p) > 0 && r.end == nil {
		if !r.frame.complete() {
			n, err := r.frame.feed(p)
			p = p[n:]
			if err == nil && r.frame.complete() {
				err = r.begin()
			}
			if r.end = err; err != nil || !r.frame.complete() {
				continue
			}
		}
		n := int(min(r.frame.length, uint64(len(p))))
		r.end = r.payload(r.frame.unmask(p[:n]))
		p = p[n:]
		if r.frame.length == 0 && r.end == nil {
			r.end = r.finish()
			r.frame.reset()
		}
	}
	return r.end
}

// begin checks a frame against the message it is part of (RFC 6455, sections
// 5.4 and 5.5; RFC 7692, section 6).
func (r *webSocketReader) begin() error {
	f := &r.frame
	switch {
	case f.control():
		if f.packed() {
			return violation("compressed control frame")
		}
		return nil
	case f.opcode() == opContinuation:
		if r.opcode == 0 {
			return violation("continuation of nothing")
		}
		if f.packed() {
			return violation("compressed continuation")
		}
	default:
		if r.opcode != 0 {
			return violation("message within a message")
		}
		if f.packed() && !r.deflate {
			return violation("compression was not agreed on")
		}
		r.opcode, r.packed = f.opcode(), f.packed()
	}
	limit := r.limit
	if r.packed && limit <= 0 {
		limit = maxPacked
	}
	if limit > 0 && f.length > uint64(limit)-r.length {
		return errTooLarge
	}
	r.length += f.length
	return nil
}

// payload takes a part of a frame's payload.
func (r *webSocketReader) payload(p []byte) error {
	switch {
	case len(p) == 0:
		return nil
	case r.frame.control():
		r.control = append(r.control, p...)
		return nil
	case r.packed:
		r.conn.lastData.Store(r.conn.lastRead.Load())
		if !r.conn.closing() {
			r.pack = append(r.pack, p...)
		}
		return nil
	}
	return r.deliver(p)
}

// deliver hands the protocol a part of a message.
func (r *webSocketReader) deliver(p []byte) error {
	if r.opcode == opText && !r.text.next(p) {
		return errBadUTF8
	}
	if !r.conn.closing() {
		r.conn.receive(p)
	}
	return nil
}

// finish is the end of a frame.
func (r *webSocketReader) finish() error {
	switch {
	case r.frame.control():
		payload := r.control
		r.control = nil
		return r.controlled(payload)
	case !r.frame.final():
		return nil
	}
	if r.packed {
		if err := inflate(r.pack, r.limit, r.deliver); err != nil {
			return err
		}
	}
	if r.opcode == opText && !r.text.complete() {
		return errBadUTF8
	}
	if !r.conn.closing() {
		r.conn.endMessage()
	}
	r.opcode, r.length, r.pack = 0, 0, nil
	return nil
}

// controlled does what a control frame asks for. Pongs are signs of life, as
// everything is that is read.
func (r *webSocketReader) controlled(payload []byte) error {
	switch r.frame.opcode() {
	case opPing:
		r.conn.Send(controlFrame(opPong, payload)) // refused only while closing
	case opClose:
		return parseGoodbye(payload)
	}
	return nil
}

// violation is what a client did against RFC 6455. The text is for it to see.
func violation(text string) error {
	return message.Errorf(message.CodeInvalid, "WebSocket: %s", text)
}
