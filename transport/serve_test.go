package transport_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/transport"
)

var (
	errBroken = errors.New("broken listener")
)

// lockedBuffer is a log that several goroutines write.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// failing is a listener that fails a few times first.
type failing struct {
	*pipes
	errs  []error
	times []time.Time
}

func (l *failing) Accept() (net.Conn, error) {
	l.times = append(l.times, time.Now())
	if len(l.errs) > 0 {
		err := l.errs[0]
		l.errs = l.errs[1:]
		return nil, err
	}
	return l.pipes.Accept()
}

func TestServeWaitsOutTemporaryErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		full := &net.OpError{Op: "accept", Err: os.NewSyscallError("accept", syscall.EMFILE)}
		ln := &failing{pipes: newPipes()}
		for range 10 {
			ln.errs = append(ln.errs, full)
		}
		s := serve(t, ln, setup{}, transport.StreamConfig{})
		near, far := net.Pipe()
		ln.conns <- far
		<-s.peers
		near.Close()
		s.Close() // joins Serve
		want := 5 * time.Millisecond
		for i := range 10 {
			if d := ln.times[i+1].Sub(ln.times[i]); d != want {
				t.Errorf("pause %d is %v, want %v", i, d, want)
			}
			want = min(2*want, time.Second)
		}
	})
}

func TestServeReturnsOtherErrors(t *testing.T) {
	ln := &failing{pipes: newPipes(), errs: []error{errBroken}}
	s := serve(t, ln, setup{}, transport.StreamConfig{})
	<-ln.done // Serve has closed it
	s.Close()
}

func TestShutdownEndsServe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := transport.NewServer(transport.Config{Logger: slog.New(slog.DiscardHandler)})
		ln, served, peers := newPipes(), make(chan error, 1), make(chan *peer, 1)
		go func() {
			served <- s.Serve(ln, transport.StreamConfig{}, func(c *transport.Conn) transport.Protocol {
				p := &peer{conn: c, closed: make(chan error, 1)}
				peers <- p
				return drainingPeer{p, false}
			})
		}()
		near, far := net.Pipe()
		ln.conns <- far
		p := <-peers
		synctest.Wait()
		done := make(chan error, 1)
		go func() { done <- s.Shutdown(t.Context()) }()
		b, _ := io.ReadAll(near)
		if len(b) == 0 {
			t.Error("no last word")
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
		if err := <-served; err != transport.ErrShutdown {
			t.Errorf("Serve returned %v", err)
		}
		if err := <-p.closed; !errors.Is(err, transport.ErrShutdown) {
			t.Errorf("reason %v", err)
		}
		if err := s.Serve(newPipes(), transport.StreamConfig{}, nil); err != transport.ErrShutdown {
			t.Errorf("Serve afterwards returned %v", err)
		}
	})
}

// Shutdown that gives up has closed the listeners nevertheless.
func TestShutdownThatGivesUpAcceptsNothing(t *testing.T) {
	ln, dial := listen(t, "tcp")
	s := serve(t, ln, setup{}, transport.StreamConfig{})
	dial()
	p := <-s.peers
	p.conn.Send(plain("x"))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Shutdown(ctx); err == nil {
		t.Error("nothing was left")
	}
	if nc, err := net.Dial("tcp", ln.Addr().String()); err == nil {
		nc.Close()
		t.Error("the listener is open")
	}
	s.Close()
	if err := <-p.closed; !errors.Is(err, transport.ErrShutdown) {
		t.Errorf("reason %v", err)
	}
}

func TestPrincipalOfAStreamMayRefuse(t *testing.T) {
	ln, _ := listen(t, "tcp")
	s := serve(t, ln, setup{}, transport.StreamConfig{Principal: func(net.Conn) (message.Principal, error) {
		return nil, message.Errorf(message.CodeDenied, "no")
	}})
	turnedAway(t, ln, "")
	for s.Stats().Refused != 1 {
		waitABit()
	}
}
