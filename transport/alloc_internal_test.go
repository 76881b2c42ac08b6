//go:build !race

package transport

import (
	"net"
	"testing"

	"github.com/headrace/headrace/message"
)

func TestPutAndFlushDoNotAllocate(t *testing.T) {
	s, conns := outboxes(t, 10)
	f := NewNamedFrame(FramingWebSocket, "message", make([]byte, 128))
	pass := func() {
		for _, c := range conns {
			for range 20 {
				c.Send(f)
			}
		}
		round(s)
	}
	pass()
	pass()
	if n := testing.AllocsPerRun(100, pass); n != 0 {
		t.Errorf("%v allocations a pass of 200 frames", n)
	}
}

func TestReadingDoesNotAllocate(t *testing.T) {
	s := NewServer(Config{Flushers: 1})
	near, far := net.Pipe()
	defer near.Close()
	defer far.Close()
	c := newConn(s, webSocketLink{nc: near}, FramingWebSocket, message.SessionInfo{}, place{})
	c.protocol = silentProtocol{}
	r := newWebSocketReader(c, near, 1000, false)
	wire := append(maskedFrame(opText, 7, make([]byte, 200)), maskedFrame(0x80, 7, make([]byte, 20))...)
	buf := make([]byte, len(wire))
	if n := testing.AllocsPerRun(100, func() {
		copy(buf, wire)
		if err := r.feed(buf); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations a message", n)
	}
}

type silentProtocol struct{}

func (silentProtocol) Receive([]byte) error { return nil }
func (silentProtocol) EndMessage() error    { return nil }
func (silentProtocol) Closed(error)         {}
