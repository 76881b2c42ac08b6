package frame

import (
	"bytes"

	"github.com/headrace/headrace/message"
)

// Decoder takes the octets of one connection, split in any way, and returns
// the frames in them. The same octets give the same frames, and the same error
// in the end, however they are split, and the work grows with the octets alone.
// Make one with [NewDecoder]; it belongs to one goroutine at a time.
//
// Between frames a Decoder holds nothing of what it was fed.
type Decoder struct {
	limits  Limits
	version Version
	lenient bool
	err     *DecodeError

	head headReader
	body bodyReader
}

// NewDecoder returns a decoder for a new connection, whose version is not
// known yet. It panics when a limit is negative.
func NewDecoder(l Limits) *Decoder {
	d := &Decoder{limits: l.withDefaults()}
	d.head.reset()
	return d
}

// SetVersion sets the version that was negotiated and raises the limit of a
// frame from LoginFrame to Frame. Call it between two frames, once the peer is
// logged in.
func (d *Decoder) SetVersion(v Version) { d.version = v }

// SetLenient makes the decoder take what clients are known to send although the
// specification forbids it; the package documentation has the list. Call it
// before the first Decode.
func (d *Decoder) SetLenient(lenient bool) { d.lenient = lenient }

// Decode reads p up to the end of a frame. With ok, f is that frame and rest
// what follows it in p; without ok, p is used up and the frame goes on in the
// next call. The decoder keeps nothing of p and the frame owns its memory.
//
// The error is a *[DecodeError]; it comes back from every later call.
func (d *Decoder) Decode(p []byte) (f Frame, rest []byte, ok bool, err error) {
	for len(p) > 0 && d.err == nil {
		switch {
		case d.body.reading:
			if p, ok = d.readBody(p); ok {
				return d.take(), p, true, nil
			}
		case d.head.empty() && (p[0] == '\n' || d.lenient && p[0] == 0):
			p = p[1:] // a heart-beat, or what follows a frame
		default:
			p = d.readHead(p)
		}
	}
	if d.err != nil { // not the nil pointer in an error
		return Frame{}, nil, false, d.err
	}
	return Frame{}, nil, false, nil
}

// maxFrame returns the limit of a frame at this point of the session.
func (d *Decoder) maxFrame() int {
	if d.version == 0 {
		return d.limits.LoginFrame
	}
	return d.limits.Frame
}

// fail ends the decoder with what was read of the frame.
func (d *Decoder) fail(f Frame, err *message.Error) {
	d.err = &DecodeError{Frame: Frame{Command: f.Command, Header: f.Header}, Err: err}
	d.head, d.body = headReader{}, bodyReader{}
}

// take returns the complete frame and makes ready for the next one.
func (d *Decoder) take() Frame {
	f := d.body.frame
	d.body = bodyReader{}
	return f
}

// bodyReader is the state of a frame whose head is complete.
type bodyReader struct {
	reading bool
	frame   Frame
	read    int  // octets so far
	length  int  // the content-length, or -1
	room    int  // octets that the limit leaves
	discard bool // the body is of no command that has one
}

// startBody begins the body of a frame whose head took n octets; length is its
// content-length or -1.
func (d *Decoder) startBody(f Frame, n, length int) {
	b := bodyReader{reading: true, frame: f, length: length, room: d.maxFrame() - n}
	if !f.Command.hasBody() {
		if d.version == V10 || d.lenient {
			b.discard = true // 1.0 tells to ignore such bodies
		} else if length > 0 {
			d.fail(f, bodyNotAllowed(f.Command))
			return
		} else {
			b.length = 0
		}
	}
	if length > b.room {
		d.fail(f, d.frameTooLarge())
		return
	}
	d.body = b
}

// readBody reads the body and the NUL after it. It returns what it did not
// use and whether the frame is complete.
func (d *Decoder) readBody(p []byte) (rest []byte, complete bool) {
	b := &d.body
	n, limit := min(len(p), b.length-b.read), b.length
	if b.length < 0 {
		if n = bytes.IndexByte(p, 0); n < 0 {
			n = len(p)
		}
		if n > b.room-b.read {
			d.fail(b.frame, d.frameTooLarge())
			return nil, false
		}
		limit = b.room
	}
	if !b.discard {
		b.frame.Body = appendBody(b.frame.Body, p[:n], limit)
	}
	b.read += n
	if p = p[n:]; len(p) == 0 {
		return nil, false
	}
	if p[0] != 0 {
		if b.frame.Command.hasBody() || b.discard {
			d.fail(b.frame, invalid("no NUL after the %d octets of content-length", b.length))
		} else {
			d.fail(b.frame, bodyNotAllowed(b.frame.Command))
		}
		return nil, false
	}
	return p[1:], true
}

func (d *Decoder) frameTooLarge() *message.Error {
	return tooLarge("the frame is larger than %d octets", d.maxFrame())
}

// appendBody appends p to body. A body that comes in one piece is allocated
// once in its size; one that comes in pieces grows with what has arrived and
// never over limit, so that a peer has to send what it makes us hold.
func appendBody(body, p []byte, limit int) []byte {
	if len(p) == 0 {
		return body
	}
	if body == nil {
		return bytes.Clone(p)
	}
	if need := len(body) + len(p); need > cap(body) {
		grown := make([]byte, len(body), max(need, min(2*cap(body), limit)))
		copy(grown, body)
		body = grown
	}
	return append(body, p...)
}
