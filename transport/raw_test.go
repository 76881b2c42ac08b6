package transport_test

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/transport"
)

// rawConn is a client that writes what no library would.
type rawConn struct {
	net.Conn
	r *bufio.Reader
}

func (f *fixture) dialRaw(t testing.TB, header ...string) (*rawConn, *peer) {
	t.Helper()
	nc, err := net.Dial("tcp", f.http.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	nc.SetDeadline(time.Now().Add(20 * time.Second))
	fmt.Fprintf(nc, "GET / HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n%s\r\n", nc.RemoteAddr(), strings.Join(header, ""))
	c := &rawConn{nc, bufio.NewReader(nc)}
	resp, err := http.ReadResponse(c.r, nil)
	if err != nil || resp.StatusCode != http.StatusSwitchingProtocols {
		t.Fatal(resp, err)
	}
	return c, <-f.peers
}

// frame writes a masked frame.
func (c *rawConn) frame(op byte, final bool, payload []byte) {
	if final {
		op |= 0x80
	}
	b := []byte{op}
	if n := len(payload); n < 126 {
		b = append(b, 0x80|byte(n))
	} else {
		b = binary.BigEndian.AppendUint16(append(b, 0x80|126), uint16(n))
	}
	mask := binary.BigEndian.AppendUint32(nil, rand.Uint32())
	b = append(b, mask...)
	for i, x := range payload {
		b = append(b, x^mask[i%4])
	}
	c.Write(b)
}

// next reads one frame of the server, which must be well-formed.
func (c *rawConn) next(t testing.TB) (op byte, payload []byte, err error) {
	t.Helper()
	var h [2]byte
	if _, err := io.ReadFull(c.r, h[:]); err != nil {
		return 0, nil, err
	}
	if h[0]&0xF0 != 0x80 || h[1]&0x80 != 0 {
		t.Fatalf("a fragment, reserved bits or a mask: %x", h)
	}
	n := uint64(h[1])
	switch n {
	case 126:
		var b [2]byte
		io.ReadFull(c.r, b[:])
		n = uint64(binary.BigEndian.Uint16(b[:]))
	case 127:
		var b [8]byte
		io.ReadFull(c.r, b[:])
		n = binary.BigEndian.Uint64(b[:])
	}
	payload = make([]byte, n)
	_, err = io.ReadFull(c.r, payload)
	return h[0] & 0xF, payload, err
}

// closeCode reads up to the close frame and the end of the connection. It
// answers the frame.
func (c *rawConn) closeCode(t testing.TB) int {
	t.Helper()
	for {
		op, payload, err := c.next(t)
		if err != nil {
			t.Errorf("no close frame: %v", err)
			return 0
		}
		if op != websocket.CloseMessage {
			continue
		}
		c.frame(websocket.CloseMessage, true, payload[:2])
		c.Conn.(*net.TCPConn).CloseWrite()
		if op, _, err := c.next(t); err == nil {
			t.Errorf("frame %x after the close frame", op)
		}
		return int(binary.BigEndian.Uint16(payload))
	}
}

func TestHostileFramesAreRefused(t *testing.T) {
	length := func(n uint64) []byte {
		return append(binary.BigEndian.AppendUint64([]byte{0x81, 0xFF}, n), 1, 2, 3, 4)
	}
	mask := []byte{0, 0, 0, 0}
	join := func(parts ...[]byte) (all []byte) {
		for _, p := range parts {
			all = append(all, p...)
		}
		return all
	}
	half := join([]byte{0x01, 0xFE, 0x80, 0x00}, mask, make([]byte, 0x8000))
	for _, tt := range []struct {
		name string
		send []byte
		code int
	}{
		{"length 2^31", length(1 << 31), 1009},
		{"length 2^32", length(1 << 32), 1009},
		{"length 2^62", length(1 << 62), 1009},
		{"length 2^63-1", length(1<<63 - 1), 1009},
		{"length 2^63", length(1 << 63), 1002},
		{"length 2^63+1", length(1<<63 + 1), 1002},
		{"length 2^64-1", length(1<<64 - 1), 1002},
		{"sum of fragments", join(half, []byte{0x00, 0xFE, 0x80, 0x01}, mask, make([]byte, 0x8001)), 1009},
		{"sum overflows", join(half, []byte{0x00, 0xFF, 0x7F, 255, 255, 255, 255, 255, 255, 255}, mask), 1009},
		{"unmasked", []byte{0x81, 0x01, 'a'}, 1002},
		{"RSV1: compressed without leave", join([]byte{0xC1, 0x81}, mask, []byte("a")), 1002},
		{"RSV2", join([]byte{0xA1, 0x81}, mask, []byte("a")), 1002},
		{"RSV3", join([]byte{0x91, 0x81}, mask, []byte("a")), 1002},
		{"opcode 3", join([]byte{0x83, 0x81}, mask, []byte("a")), 1002},
		{"opcode 15", join([]byte{0x8F, 0x81}, mask, []byte("a")), 1002},
		{"fragmented ping", join([]byte{0x09, 0x81}, mask, []byte("a")), 1002},
		{"fragmented close", join([]byte{0x08, 0x80}, mask), 1002},
		{"ping of 126 bytes", join([]byte{0x89, 0xFE, 0, 126}, mask, make([]byte, 126)), 1002},
		{"continuation of nothing", join([]byte{0x80, 0x81}, mask, []byte("a")), 1002},
		{"text within text", join([]byte{0x01, 0x81}, mask, []byte("a"), []byte{0x81, 0x81}, mask, []byte("b")), 1002},
		{"opcode 11", join([]byte{0x8B, 0x80}, mask), 1002},
		{"ping of 2^16 bytes", join([]byte{0x89, 0xFF, 0, 0, 0, 0, 0, 1, 0, 0}, mask), 1002},
		{"unmasked ping", []byte{0x89, 0x00}, 1002},
		{"fragment before a text ends", join([]byte{0x01, 0x81}, mask, []byte("a"), []byte{0x02, 0x81}, mask, []byte("b")), 1002},
		{"continuation after the end", join([]byte{0x81, 0x81}, mask, []byte("a"), []byte{0x80, 0x81}, mask, []byte("b")), 1002},
		{"5 bytes in 16 bits of length", join([]byte{0x81, 0xFE, 0, 5}, mask, []byte("hello")), 1002},
		{"125 bytes in 16 bits of length", join([]byte{0x81, 0xFE, 0, 125}, mask, make([]byte, 125)), 1002},
		{"65535 bytes in 64 bits of length", join([]byte{0x81, 0xFF, 0, 0, 0, 0, 0, 0, 255, 255}, mask), 1002},
		{"half a close code", join([]byte{0x88, 0x81}, mask, []byte{3}), 1002},
		{"close code 0", join([]byte{0x88, 0x82}, mask, []byte{0, 0}), 1002},
		{"close code 1004", join([]byte{0x88, 0x82}, mask, []byte{3, 236}), 1002},
		{"close code 1005", join([]byte{0x88, 0x82}, mask, []byte{3, 237}), 1002},
		{"close code 1006", join([]byte{0x88, 0x82}, mask, []byte{3, 238}), 1002},
		{"close code 1015", join([]byte{0x88, 0x82}, mask, []byte{3, 247}), 1002},
		{"close code 2999", join([]byte{0x88, 0x82}, mask, []byte{11, 183}), 1002},
		{"close code 5000", join([]byte{0x88, 0x82}, mask, []byte{19, 136}), 1002},
		{"close code 999", join([]byte{0x88, 0x82}, mask, []byte{3, 231}), 1002},
		{"close text not UTF-8", join([]byte{0x88, 0x83}, mask, []byte{3, 232, 0xff}), 1002},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := start(t, setup{})
			raw, p := f.dialRaw(t)
			raw.Write(tt.send)
			if code := raw.closeCode(t); code != tt.code {
				t.Errorf("close code %d, want %d", code, tt.code)
			}
			if err := <-p.closed; err == nil {
				t.Error("no reason")
			}
		})
	}
}

func TestHalfClosedClientSeesTheReason(t *testing.T) {
	f := start(t, setup{})
	raw, p := f.dialRaw(t)
	raw.Write([]byte{0x81, 0x01, 'a'})
	raw.Conn.(*net.TCPConn).CloseWrite()
	if code := raw.closeCode(t); code != 1002 {
		t.Errorf("close code %d", code)
	}
	<-p.closed
}

// The end of what a client sends is not the end of what it reads.
func TestHalfClosedClientGetsTheLastWords(t *testing.T) {
	half := make(chan struct{})
	f := start(t, setup{connect: smallSendBuffer, receive: func(p *peer, _ []byte) error {
		<-half
		for range 100 { // more than the kernel takes before the end is read
			p.conn.Send(text(strings.Repeat("x", 4000)))
		}
		return message.Errorf(message.CodeDenied, "no")
	}})
	for range 5 {
		raw, p := f.dialRaw(t)
		raw.frame(websocket.TextMessage, true, []byte("x"))
		raw.Conn.(*net.TCPConn).CloseWrite()
		half <- struct{}{}
		if code := raw.closeCode(t); code != 1008 {
			t.Fatalf("close code %d", code)
		}
		<-p.closed
	}
}

// 1006 stands for a connection that broke and must not be sent (RFC 6455,
// section 7.4.1).
func TestAnEndWithoutGoodbyeIsNotAnswered(t *testing.T) {
	f := start(t, setup{})
	raw, p := f.dialRaw(t)
	raw.Conn.(*net.TCPConn).CloseWrite()
	if op, payload, err := raw.next(t); err == nil {
		t.Errorf("opcode %x, %x", op, payload)
	}
	if err := <-p.closed; !errors.Is(err, transport.ErrLost) {
		t.Errorf("reason %v", err)
	}
}
