package transport

import (
	"context"
	"errors"
	"net"
	"time"

	"github.com/headrace/headrace/message"
)

// Serve accepts connections until [Server.Shutdown] or [Server.Close], which
// close the listener, and returns [ErrShutdown] then; when the listener fails
// otherwise it returns that error. Temporary failures, such as too many open
// files, are logged and waited out.
//
// For TLS the listener is one of crypto/tls; the handshake has a time limit and
// holds up nobody else. Each connection has a goroutine, which calls open and
// then reads. An idle plain socket waits there without a buffer of its own.
// Open must not return nil. There are no requests, so of [Handshake] nothing
// applies: see StreamConfig.Principal. What a client sends before it is served
// is the protocol's matter, and so is how long it may take to say who it is.
//
// [Conn.Close] sends what is queued and ends the stream, so that the client can
// read to the end; the socket closes when the client has ended its side too,
// after a second at most.
func (s *Server) Serve(ln net.Listener, c StreamConfig, open func(*Conn) Protocol) error {
	if !s.listen(ln) {
		ln.Close()
		return ErrShutdown
	}
	defer s.unlisten(ln)
	l := &streamListener{server: s, config: c.withDefaults(), open: open}
	pause := time.Duration(0)
	for {
		nc, err := ln.Accept()
		switch {
		case err == nil:
			pause = 0
			l.accept(nc)
		case s.isDraining():
			return ErrShutdown
		case temporary(err):
			pause = min(max(2*pause, 5*time.Millisecond), time.Second)
			s.config.Logger.Warn("transport: cannot accept, waiting", "error", err, "pause", pause)
			s.pause(pause)
		default:
			return err
		}
	}
}

// temporary reports whether accepting may work again later.
func temporary(err error) bool {
	var t interface{ Temporary() bool }
	return errors.As(err, &t) && t.Temporary()
}

// pause waits, but not for a server that is closed.
func (s *Server) pause(d time.Duration) {
	ctx, cancel := context.WithTimeout(s.ctx, d)
	defer cancel()
	<-ctx.Done()
}

// listen counts one more listener, which Shutdown and Close close.
func (s *Server) listen(ln net.Listener) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.draining {
		return false
	}
	s.listeners[ln] = struct{}{}
	s.tasks.Add(1)
	return true
}

func (s *Server) unlisten(ln net.Listener) {
	s.mu.Lock()
	delete(s.listeners, ln)
	s.mu.Unlock()
	ln.Close()
	s.tasks.Done()
}

// streamListener is one place at which streams are accepted.
type streamListener struct {
	server *Server
	config StreamConfig
	open   func(*Conn) Protocol
}

// accept serves a connection on a goroutine of its own if there is room.
func (l *streamListener) accept(nc net.Conn) {
	s := l.server
	p, err := s.reserve(nc.RemoteAddr().String())
	if err != nil {
		l.refuse(nc, err)
		return
	}
	go func() {
		if c := l.connect(nc, p); c != nil {
			(&streamReader{conn: c, nc: nc}).run()
		}
	}()
}

func (l *streamListener) refuse(nc net.Conn, err error) {
	l.server.refused.Add(1)
	l.server.config.Logger.Debug("transport: connection refused", "remote", nc.RemoteAddr(), "error", err)
	shutSocket(nc, reset)
}

// connect makes a connection of a socket, or returns nil and has closed it and
// given its place back.
func (l *streamListener) connect(nc net.Conn, p place) (c *Conn) {
	s := l.server
	info, err := l.identify(nc)
	if err == nil {
		err = s.protect(func() error { return s.claim(&p, info.Principal) })
	}
	if err != nil {
		l.refuse(nc, err)
		s.release(&p)
		return nil
	}
	link := streamLink{nc}
	c = newConn(s, link, l.config.Framing, info, p)
	c.out.writeTo(nc)
	if s.protect(func() error { c.protocol = l.open(c); return nil }) != nil {
		c.drop(nil, reset)
		<-c.gone
		s.release(&c.place)
		return nil
	}
	s.add(c)
	return c
}

// identify finds out what is known of a client before its first message.
func (l *streamListener) identify(nc net.Conn) (info message.SessionInfo, err error) {
	info = message.SessionInfo{Context: l.server.ctx, Attributes: make(map[string]any), Transport: nc.LocalAddr().Network(), RemoteAddr: nc.RemoteAddr().String()}
	if t, ok := nc.(interface {
		HandshakeContext(context.Context) error
	}); ok {
		info.Transport = "tls"
		ctx, cancel := context.WithTimeout(l.server.ctx, l.config.HandshakeTimeout)
		defer cancel()
		if err := t.HandshakeContext(ctx); err != nil {
			return info, err
		}
	}
	if l.config.Principal != nil {
		err = l.server.protect(func() error {
			info.Principal, err = l.config.Principal(nc)
			return err
		})
	}
	return info, err
}
