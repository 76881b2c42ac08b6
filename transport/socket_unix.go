//go:build unix

package transport

import "syscall"

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
