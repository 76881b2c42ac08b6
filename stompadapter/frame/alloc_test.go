//go:build !race

package frame_test

import (
	"testing"

	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/stompadapter/frame"
)

func TestAllocations(t *testing.T) {
	d := decoder(frame.V12)
	decode := func(wire []byte) func() {
		return func() {
			var ok bool
			if sink, _, ok, _ = d.Decode(wire); !ok {
				t.Fatal("no frame")
			}
		}
	}
	buf := make([]byte, 0, 4096)
	id, heartBeat := "sub-0", []byte("\r\n\n")
	f := minimalDecode(wireEscaped)
	for _, c := range []struct {
		name string
		most float64
		run  func()
	}{
		{"decode small", 3, decode(wireSmall)},
		{"decode 1 KiB", 3, decode(wireKiB)},
		{"decode with one escape", 4, decode(wireEscaped)},
		{"decode without headers and body", 0, decode([]byte("DISCONNECT\n\n\x00"))},
		{"heart-beat", 0, func() { d.Decode(heartBeat) }},
		{"append", 0, func() { buf, _ = frame.Append(buf[:0], frame.V12, f) }},
		{"append with first", 0, func() {
			buf, _ = frame.Append(buf[:0], frame.V12, f, message.Field{Name: frame.HeaderSubscription, Value: id}, message.Field{Name: frame.HeaderMessageID, Value: id})
		}},
	} {
		if got := testing.AllocsPerRun(200, c.run); got > c.most {
			t.Errorf("%s: %v allocations, want at most %v", c.name, got, c.most)
		}
	}
}
