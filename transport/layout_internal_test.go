package transport

import (
	"testing"
	"unsafe"
)

// A broadcast to thousands takes as long as it waits for memory: what a delivery
// touches of a connection is one cache line.
func TestADeliveryTouchesOneLineOfTheConnection(t *testing.T) {
	var c Conn
	if end := unsafe.Offsetof(c.out) + unsafe.Offsetof(c.out.limit) + unsafe.Sizeof(c.out.limit); end > 64 {
		t.Errorf("the first %d bytes", end)
	}
	if at := unsafe.Offsetof(c.framing); at >= 64 {
		t.Errorf("the framing is at %d", at)
	}
}
