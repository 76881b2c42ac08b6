package transport

import (
	"io"
	"net"
	"sync"
)

// scratchBytes is the most that is read at once.
const scratchBytes = 4 << 10

// scratches holds the buffers of what is being read. An idle socket has none.
var scratches = sync.Pool{New: func() any { return new([scratchBytes]byte) }}

// blockingBytes is the size of the buffer that waits with a connection of which
// nobody can say whether there is something to read: TLS, pipes.
const blockingBytes = 1 << 10

// pieces reads nc until it fails, or each does, and hands over what came, which
// is valid during the call and may be changed.
func pieces(nc net.Conn, each func(p []byte) error) error {
	switch nc := nc.(type) {
	case *net.TCPConn:
		return socketPieces(nc, each)
	case *net.UnixConn:
		return socketPieces(nc, each)
	}
	return blockingPieces(nc, each)
}

func blockingPieces(r io.Reader, each func(p []byte) error) error {
	buf := make([]byte, blockingBytes)
	for {
		n, err := r.Read(buf)
		if n > 0 {
			if err := each(buf[:n]); err != nil {
				return err
			}
		}
		if err != nil {
			return err
		}
	}
}
