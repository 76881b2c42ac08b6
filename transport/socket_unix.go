//go:build unix

package transport

import (
	"io"
	"syscall"
)

// socket writes to a non-blocking socket past the runtime's habit of waiting
// until everything is written. It belongs to whoever writes at the moment.
type socket struct {
	raw  syscall.RawConn
	step func(fd uintptr) bool // s.attempt, made once: a method value allocates
	wait bool
	p    []byte
	n    int
	err  error
}

func socketWriters(c syscall.Conn) (try, write func([]byte) (int, error)) {
	raw, err := c.SyscallConn()
	if err != nil { // closed already: every write will say so
		fail := func([]byte) (int, error) { return 0, err }
		return fail, fail
	}
	s := &socket{raw: raw}
	s.step = s.attempt
	try = func(p []byte) (int, error) { return s.write(p, false) }
	write = func(p []byte) (int, error) { return s.write(p, true) }
	return try, write
}

// write writes once. With wait it blocks, as long as the write deadline allows,
// until the socket takes at least a byte; without, n may be zero.
func (s *socket) write(p []byte, wait bool) (int, error) {
	s.p, s.n, s.err, s.wait = p, 0, nil, wait
	err := s.raw.Write(s.step)
	s.p = nil
	if err == nil {
		err = s.err
	}
	return s.n, err
}

// attempt is one write call. It returns false to be called again when the
// socket takes more.
func (s *socket) attempt(fd uintptr) bool {
	n, err := syscall.Write(int(fd), s.p)
	for err == syscall.EINTR {
		n, err = syscall.Write(int(fd), s.p)
	}
	s.n = max(n, 0)
	if err == syscall.EAGAIN {
		return !s.wait
	}
	s.err = err
	return true
}

// socketPieces waits for a socket to be readable before it asks for a buffer.
func socketPieces(c syscall.Conn, each func(p []byte) error) error {
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	r := &socketReader{raw: raw}
	r.step = r.attempt
	for {
		if err := r.read(); err != nil {
			return err
		}
		err := each(r.buf[:r.n])
		r.release()
		if err != nil {
			return err
		}
	}
}

// socketReader reads a non-blocking socket.
type socketReader struct {
	raw  syscall.RawConn
	step func(fd uintptr) bool // r.attempt, made once
	buf  *[scratchBytes]byte   // nil while there is nothing to read
	n    int
	err  error
}

// read waits until there is something in buf.
func (r *socketReader) read() error {
	err := r.raw.Read(r.step)
	if err == nil {
		err = r.err
	}
	if err == nil && r.n == 0 {
		err = io.EOF
	}
	if err != nil {
		r.release()
	}
	return err
}

// attempt is one read call. It returns false to be called again when there is
// something.
func (r *socketReader) attempt(fd uintptr) bool {
	r.buf = scratches.Get().(*[scratchBytes]byte)
	r.n, r.err = syscall.Read(int(fd), r.buf[:])
	for r.err == syscall.EINTR {
		r.n, r.err = syscall.Read(int(fd), r.buf[:])
	}
	if r.err == syscall.EAGAIN {
		r.release()
		return false
	}
	return true
}

func (r *socketReader) release() {
	if r.buf != nil {
		scratches.Put(r.buf)
		r.buf = nil
	}
}
