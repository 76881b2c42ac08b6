// Package load has the clients of the measurements. They do as little as they can
// (a handshake by hand, no mask, one buffer), for they share the machine with the
// server.
package load

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"net"
	"net/url"
	"strings"
	"sync"
)

// Conn is a connection to a server over WebSocket, TCP or TLS. Send may be called
// from any goroutine, Next from one.
type Conn struct {
	net.Conn  // the connection below WebSocket
	in        *bufio.Reader
	webSocket bool
	left      uint64 // of the WebSocket frame that is being read
	mu        sync.Mutex
	out       []byte
}

// Options say how a client connects.
type Options struct {
	// Buffer is the size of the read buffer in bytes. Zero means 1,024.
	Buffer int
	// Window is the size of the socket's receive buffer in bytes; a small one
	// soon makes a client that does not read a slow one. Zero means the
	// system's.
	Window int
	// Dial makes the connection. Zero (nil) means that TCP does.
	Dial func() (net.Conn, error)
	// Heartbeat is the heart-beat header of [Connect], as "10000,10000". Zero
	// means none.
	Heartbeat string
}

// Dial connects to a URL with the scheme ws, wss, tcp or tls.
func Dial(to string, o Options) (*Conn, error) {
	u, err := url.Parse(to)
	if err != nil {
		return nil, err
	}
	if o.Dial == nil {
		o.Dial = func() (net.Conn, error) { return net.Dial("tcp", u.Host) }
	}
	nc, err := o.Dial()
	if err != nil {
		return nil, err
	}
	if o.Window > 0 {
		if err := nc.(*net.TCPConn).SetReadBuffer(o.Window); err != nil {
			return nil, err
		}
	}
	if u.Scheme == "wss" || u.Scheme == "tls" {
		nc = tls.Client(nc, &tls.Config{InsecureSkipVerify: true}) // the server's certificate is its own
	}
	if o.Buffer == 0 {
		o.Buffer = 1 << 10
	}
	c := &Conn{Conn: nc, in: bufio.NewReaderSize(nc, o.Buffer)}
	if u.Scheme == "ws" || u.Scheme == "wss" {
		if err := c.upgrade(u); err != nil {
			nc.Close()
			return nil, err
		}
	}
	return c, nil
}

func (c *Conn) upgrade(u *url.URL) error {
	_, err := fmt.Fprintf(c.Conn, "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n", u.RequestURI(), u.Host)
	if err != nil {
		return err
	}
	first, err := c.in.ReadString('\n')
	if err == nil && !strings.HasPrefix(first, "HTTP/1.1 101 ") {
		err = fmt.Errorf("the server answers %q", first)
	}
	for line := first; err == nil && line != "\r\n"; {
		line, err = c.in.ReadString('\n')
	}
	c.webSocket = true
	return err
}

// Send sends a piece of the stream; over WebSocket it is one text message.
func (c *Conn) Send(text string) error {
	const textMessage = 1
	return c.write(textMessage, text)
}

func (c *Conn) write(opcode byte, text string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.out = c.out[:0]
	if c.webSocket {
		c.out = append(c.out, 0x80|opcode)
		switch n := len(text); {
		case n < 126:
			c.out = append(c.out, 0x80|byte(n))
		case n < 1<<16:
			c.out = binary.BigEndian.AppendUint16(append(c.out, 0x80|126), uint16(n))
		default:
			c.out = binary.BigEndian.AppendUint64(append(c.out, 0x80|127), uint64(n))
		}
		c.out = append(c.out, 0, 0, 0, 0) // a mask that changes nothing
	}
	c.out = append(c.out, text...)
	_, err := c.Conn.Write(c.out)
	return err
}

// Next returns what came next, as much as is there: some messages of a stream,
// or a part of one. It is valid until the next call.
func (c *Conn) Next() ([]byte, error) {
	for c.webSocket && c.left == 0 {
		if err := c.header(); err != nil {
			return nil, err
		}
	}
	if _, err := c.in.Peek(1); err != nil {
		return nil, err
	}
	n := c.in.Buffered()
	if c.webSocket {
		n = int(min(uint64(n), c.left))
		c.left -= uint64(n)
	}
	p, _ := c.in.Peek(n)
	c.in.Discard(n)
	return p, nil
}

// header reads the header of a frame, and all of a control frame.
func (c *Conn) header() error {
	var b [8]byte
	read := func(n int) (uint64, error) {
		p, err := c.in.Peek(n)
		if err != nil {
			return 0, err
		}
		copy(b[8-n:], p)
		c.in.Discard(n)
		return binary.BigEndian.Uint64(b[:]), nil
	}
	first, err := read(2)
	if err != nil {
		return err
	}
	opcode, n := byte(first>>8)&0x0f, first&0x7f
	switch n {
	case 126:
		clear(b[:])
		n, err = read(2)
	case 127:
		n, err = read(8)
	}
	if err != nil || opcode < 8 {
		c.left = n
		return err
	}
	payload, err := c.in.Peek(int(n))
	if err != nil {
		return err
	}
	defer c.in.Discard(int(n))
	switch opcode {
	case 8:
		if n < 2 {
			return fmt.Errorf("closed with %d", 1005)
		}
		return fmt.Errorf("closed with %d", binary.BigEndian.Uint16(payload))
	case 9:
		return c.write(10, string(payload))
	}
	return nil
}

// Expect reads until the text has come, and forgets what came.
func (c *Conn) Expect(text string) error {
	var came []byte
	for {
		p, err := c.Next()
		if err != nil {
			return fmt.Errorf("%w after %q, want %q", err, came, text)
		}
		if came = append(came, p...); bytes.Contains(came, []byte(text)) {
			return nil
		}
	}
}
