package relay

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"net"
	"time"

	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/stompadapter/frame"
	"github.com/headrace/headrace/stompadapter/internal/line"
)

// hello returns what a connection of this user begins with, and its frame. Values that
// would make headers of their own are refused, before anything is dialed.
func (c *Config) hello(login, passcode string) (line.Hello, []byte, error) {
	h := line.Hello{
		Version: frame.V12, Host: c.VirtualHost, Heartbeat: frame.HeartBeat(c.Heartbeat),
		Login: login, Passcode: passcode,
	}
	octets, err := h.Frame()
	return h, octets, err
}

// loginOf returns the login and passcode of the connection that a KindConnect asks for.
func (c *Config) loginOf(connect message.Raw) [2]string {
	login, ok := connect.Header.Lookup(frame.HeaderLogin)
	passcode, ok2 := connect.Header.Lookup(frame.HeaderPasscode)
	if c.ForwardCredentials && ok && ok2 {
		return [2]string{login, passcode}
	}
	return [2]string{c.ClientLogin, c.ClientPasscode}
}

// dial opens a connection and logs in.
func (c *Config) dial(ctx context.Context, login, passcode string) (*line.Line, error) {
	h, octets, err := c.hello(login, passcode)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, c.ConnectTimeout)
	defer cancel()
	conn, err := c.open(ctx)
	if err != nil {
		return nil, away(err)
	}
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	l, err := line.Login(conn, h, octets, c.Limits)
	if !stop() {
		err = context.Cause(ctx) // what Login says of it is that the connection is closed
	}
	if err == nil {
		return l, nil
	}
	conn.Close()
	if refused, ok := errors.AsType[*line.Refused](err); ok {
		return nil, errLogin.WithCause(&brokerError{refused.Frame})
	}
	return nil, away(err)
}

func (c *Config) open(ctx context.Context) (net.Conn, error) {
	addr, conn, err := c.reach(ctx)
	if err != nil || c.TLS == nil {
		return conn, err
	}
	config := c.TLS.Clone()
	if config.ServerName == "" {
		config.ServerName, _, _ = net.SplitHostPort(addr)
	}
	secure := tls.Client(conn, config)
	if err := secure.HandshakeContext(ctx); err != nil {
		conn.Close()
		return nil, err
	}
	return secure, nil
}

// reach asks the program, which may panic, for an address and a connection to it.
func (c *Config) reach(ctx context.Context) (addr string, conn net.Conn, err error) {
	defer message.Recover(&err)
	if addr, err = c.Resolve(ctx); err != nil {
		return "", nil, err
	}
	conn, err = c.Dial(ctx, addr)
	return addr, conn, err
}

// pause waits before the next attempt to connect. A connection that had lasted is
// replaced soon.
func (c *Config) pause(ctx context.Context, lasted time.Duration) {
	const soon = 100 * time.Millisecond
	delay := c.ReconnectDelay
	if lasted > delay {
		delay = min(delay, soon)
	}
	timer := time.NewTimer(jitter(delay))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// jitter takes a random part of up to one half off d, so that those who lost their
// connections at once do not come back at once.
func jitter(d time.Duration) time.Duration {
	var b [8]byte
	rand.Read(b[:]) // never fails
	return d - time.Duration(binary.NativeEndian.Uint64(b[:])%uint64(d/2+1))
}
