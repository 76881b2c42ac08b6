// Package line is the client's end of one STOMP connection: the login, frames in,
// frames out in as few writes as they fit into, and heart-beats both ways. What is
// done with the frames, and with a connection that is lost, is its user's matter.
package line

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/stompadapter/frame"
)

// Tolerance is the number of the server's heart-beats after which silence means
// that it is dead.
const Tolerance = 2

// JoinBytes is how much is joined before it is written, and about the most that the
// buffer for it keeps.
const JoinBytes = 32 << 10

// Wire is a network connection that carries frames.
type Wire interface {
	io.ReadCloser
	// Write writes one whole frame or several, or a heart-beat.
	Write(p []byte) (int, error)
	// SetReadDeadline is that of net.Conn.
	SetReadDeadline(t time.Time) error
}

// Hello is what a client begins with.
type Hello struct {
	// Version is the highest to offer. There is no default.
	Version frame.Version
	// Host is the virtual host. Empty means that none is named.
	Host string
	// Heartbeat is what the client offers. The zero value offers none.
	Heartbeat frame.HeartBeat
	// Login and Passcode are sent unless both are empty.
	Login, Passcode string
	// Header holds further headers.
	Header message.Header
}

// Frame encodes CONNECT. It has no escapes, so the encoder refuses line ends in its
// headers rather than let a login pass for another header.
func (h Hello) Frame() ([]byte, error) {
	var versions []string
	for v := frame.V10; v <= h.Version; v++ {
		versions = append(versions, v.String())
	}
	first := []message.Field{{Name: frame.HeaderAcceptVersion, Value: strings.Join(versions, ",")}}
	if h.Host != "" {
		first = append(first, message.Field{Name: frame.HeaderHost, Value: h.Host})
	}
	first = append(first, message.Field{Name: frame.HeaderHeartBeat, Value: h.Heartbeat.String()})
	if h.Login != "" || h.Passcode != "" {
		first = append(first,
			message.Field{Name: frame.HeaderLogin, Value: h.Login},
			message.Field{Name: frame.HeaderPasscode, Value: h.Passcode})
	}
	return frame.Append(nil, 0, frame.Frame{Command: frame.Connect, Header: h.Header}, first...)
}

// Refused is the ERROR frame that answered CONNECT.
type Refused struct {
	// Frame is the frame.
	Frame frame.Frame
}

// Error returns the message header.
func (r *Refused) Error() string {
	return "the server refused: " + r.Frame.Header.Get(frame.HeaderMessage)
}

// Line is a connection that is logged in. One goroutine may read while another
// writes; closing the wire ends both.
type Line struct {
	wire      Wire
	version   frame.Version
	connected message.Header
	send      time.Duration // how often something has to be sent, or 0
	receive   time.Duration // how often something is to be heard, or 0

	// The writer's.
	out     []byte    // frames to be written
	written time.Time // when something was written last

	// The reader's.
	decoder *frame.Decoder
	buffer  []byte
	rest    []byte // what of buffer was not decoded yet
}

// Login sends hello, the CONNECT frame of h, and reads CONNECTED. It returns a
// *[Refused] when the server answers with ERROR. Closing w ends it; an error leaves
// w open.
func Login(w Wire, h Hello, hello []byte, limits frame.Limits) (*Line, error) {
	l := &Line{wire: w, written: time.Now(), decoder: frame.NewDecoder(limits), buffer: make([]byte, 8<<10)}
	if _, err := w.Write(hello); err != nil {
		return nil, err
	}
	f, err := l.Next()
	switch {
	case err != nil:
		return nil, err
	case f.Command == frame.Error:
		return nil, &Refused{f}
	case f.Command != frame.Connected:
		return nil, fmt.Errorf("the server answered CONNECT with %s", f.Command)
	}
	l.version = frame.V10 // whose servers do not say
	if v, ok := f.Header.Lookup(frame.HeaderVersion); ok {
		if l.version, ok = frame.ParseVersion(v); !ok || l.version > h.Version {
			return nil, fmt.Errorf("the server speaks version %.16q", v)
		}
	}
	if beats, ok := f.Header.Lookup(frame.HeaderHeartBeat); ok && l.version > frame.V10 {
		peer, err := frame.ParseHeartBeat(beats)
		if err != nil {
			return nil, err
		}
		l.send, l.receive = h.Heartbeat.Negotiate(peer)
	}
	l.decoder.SetVersion(l.version)
	l.connected = f.Header
	return l, nil
}

// Version returns the version that was agreed on.
func (l *Line) Version() frame.Version { return l.version }

// Connected returns the headers of CONNECTED.
func (l *Line) Connected() message.Header { return l.connected }

// Close closes the wire.
func (l *Line) Close() error { return l.wire.Close() }

// Next reads a frame.
func (l *Line) Next() (frame.Frame, error) {
	for {
		f, rest, ok, err := l.decoder.Decode(l.rest)
		if l.rest = rest; ok || err != nil {
			return f, err
		}
		// The time in which a handler held up the reader does not count: the
		// deadline begins anew with each read.
		if l.receive > 0 {
			if err := l.wire.SetReadDeadline(time.Now().Add(Tolerance * l.receive)); err != nil {
				return f, err
			}
		}
		n, err := l.wire.Read(l.buffer)
		if n == 0 && err != nil {
			if errors.Is(err, os.ErrDeadlineExceeded) {
				err = fmt.Errorf("the server was silent for %v: %w", Tolerance*l.receive, err)
			}
			return f, err
		}
		l.rest = l.buffer[:n]
	}
}

// Put joins a frame to those that [Line.Flush] writes. A frame that the version
// cannot express is refused with a *[message.Error], and nothing is joined.
func (l *Line) Put(f frame.Frame, first ...message.Field) (err error) {
	l.out, err = frame.Append(l.out, l.version, f, first...)
	return err
}

// Joined returns how many octets wait to be written.
func (l *Line) Joined() int { return len(l.out) }

// Flush writes what was joined.
//
// There is no deadline: a server that does not read for a while, as brokers
// short of memory do, holds up those who send and loses nothing.
func (l *Line) Flush() error {
	if len(l.out) == 0 {
		return nil
	}
	_, err := l.wire.Write(l.out)
	l.written = time.Now()
	if l.out = l.out[:0]; cap(l.out) > 2*JoinBytes {
		l.out = nil
	}
	return err
}

// BeatDue returns when the next heart-beat is due unless something is written
// before, a little early, to be in time. It returns nil where there are none.
func (l *Line) BeatDue() <-chan time.Time {
	if l.send == 0 {
		return nil
	}
	return time.After(time.Until(l.written.Add(l.send - l.send/10)))
}

// Beat writes a heart-beat.
func (l *Line) Beat() error {
	l.out = append(l.out, '\n')
	return l.Flush()
}
