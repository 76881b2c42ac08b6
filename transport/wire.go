package transport

import (
	"encoding/binary"
	"net"
	"sync/atomic"
	"time"
)

// wire is what the WebSocket library sees of a connection. It reads through it
// and writes its answer to the handshake. What it would write afterwards, close
// frames about protocol errors, must not land inside a frame that is half
// written: the outbox has the connection to itself.
type wire struct {
	net.Conn
	server   *Server
	lastRead *atomic.Int64 // set once upgraded
	verdict  int           // the code of the close frame that was not written, or 0
}

// upgraded says that the handshake is over.
func (w *wire) upgraded(c *Conn) { w.lastRead = &c.lastRead }

// Read reads from the connection and remembers when.
func (w *wire) Read(p []byte) (int, error) {
	n, err := w.Conn.Read(p)
	if n > 0 && w.lastRead != nil {
		w.lastRead.Store(w.server.now())
	}
	return n, err
}

// Write writes during the handshake and notes the close code after it.
func (w *wire) Write(p []byte) (int, error) {
	if w.lastRead == nil {
		return w.Conn.Write(p)
	}
	if len(p) >= 4 && p[0]&0xF == opClose {
		w.verdict = int(binary.BigEndian.Uint16(p[2:]))
	}
	return len(p), nil
}

// SetWriteDeadline does nothing after the handshake, for the same reason.
func (w *wire) SetWriteDeadline(t time.Time) error {
	if w.lastRead == nil {
		return w.Conn.SetWriteDeadline(t)
	}
	return nil
}

func (w *wire) lastFrame(reason error) *Frame {
	return closeFrame(closeCode(reason), closeText(reason))
}

func (w *wire) sent() bool { return false }

func (w *wire) shut(how ending) { shutSocket(w.Conn, how) }
