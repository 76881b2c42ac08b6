package transport

import (
	"errors"
	"io"
	"net"
)

// streamLink is a byte stream, on which the end of what is sent is the goodbye.
type streamLink struct{ nc net.Conn }

func (streamLink) lastFrame(error) *Frame { return endOfStream }

// sent ends our side; the client's side is read to its end, for what is unread
// when a socket closes makes the kernel take back what was sent.
func (l streamLink) sent() (over bool) {
	half, ok := l.nc.(interface{ CloseWrite() error })
	return !ok || half.CloseWrite() != nil
}

func (l streamLink) shut(how ending) { shutSocket(l.nc, how) }

// streamReader is the goroutine of a stream.
type streamReader struct {
	conn *Conn
	nc   net.Conn
}

// run reads until there is nothing more to read, and ends the connection.
func (r *streamReader) run() {
	c := r.conn
	err := pieces(r.nc, func(p []byte) error {
		if !c.closing() {
			c.receive(p)
		}
		return nil
	})
	switch {
	case errors.Is(err, io.EOF):
		c.Close(lost(err)) // who ends its side may still want the answers
		c.goodbye()
	case c.closing():
		c.goodbye()
	default:
		c.drop(lost(err), reset)
	}
	c.end()
}
