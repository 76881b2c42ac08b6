package transport

import (
	"bytes"
	"encoding/binary"
	"net"
	"testing"

	"pgregory.net/rapid"

	"github.com/headrace/headrace/message"
)

// maskedFrame returns a frame as a client sends it.
func maskedFrame(first byte, mask uint32, payload []byte) []byte {
	wire := appendWebSocketFrame(nil, first, payload)
	wire[0], wire[1] = first, wire[1]|0x80
	head := len(wire) - len(payload)
	key := binary.LittleEndian.AppendUint32(nil, mask)
	out := append(append([]byte{}, wire[:head]...), key...)
	for i, b := range payload {
		out = append(out, b^key[i%4])
	}
	return out
}

// recorder is a protocol that remembers what it was told.
type recorder struct{ got []byte }

func (r *recorder) Receive(p []byte) error { r.got = append(r.got, p...); return nil }
func (r *recorder) EndMessage() error      { r.got = append(r.got, '|'); return nil }
func (r *recorder) Closed(error)           {}

// feedPieces feeds what a client sent, and returns what the protocol was told
// and what the reading ended with.
func feedPieces(wire []byte, piece func() int) (string, error) {
	s := NewServer(Config{Flushers: 1})
	near, far := net.Pipe()
	defer near.Close()
	defer far.Close()
	c := newConn(s, webSocketLink{nc: near}, FramingWebSocket, message.SessionInfo{}, place{})
	rec := &recorder{}
	c.protocol = rec
	r := newWebSocketReader(c, near, 1000, true)
	wire = bytes.Clone(wire) // it is unmasked in place
	for len(wire) > 0 {
		n := min(max(piece(), 1), len(wire))
		if err := r.feed(wire[:n]); err != nil {
			return string(rec.got), err
		}
		wire = wire[n:]
	}
	return string(rec.got), nil
}

// However the bytes are split, the same comes of them.
func TestFramesMaySplitAnywhere(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var wire []byte
		want := ""
		for range rapid.IntRange(1, 8).Draw(t, "messages") {
			op := byte(rapid.SampledFrom([]byte{opText, opBinary}).Draw(t, "opcode"))
			parts := rapid.SliceOfN(rapid.IntRange(0, 300), 1, 3).Draw(t, "fragments")
			for i, n := range parts {
				first := op
				if i > 0 {
					first = opContinuation
				}
				if i == len(parts)-1 {
					first |= 0x80
				}
				payload := bytes.Repeat([]byte{byte('a' + i)}, n)
				want += string(payload)
				mask := rapid.Uint32().Draw(t, "mask")
				wire = append(wire, maskedFrame(first, mask, payload)...)
				if rapid.Bool().Draw(t, "ping") {
					wire = append(wire, maskedFrame(0x80|opPing, mask, []byte("ping"))...)
				}
			}
			want += "|"
		}
		got, err := feedPieces(wire, func() int { return rapid.IntRange(1, 40).Draw(t, "piece") })
		if got != want || err != nil {
			t.Fatalf("%q, %v, want %q", got, err, want)
		}
	})
}

// FuzzFrames feeds anything, whole and byte by byte: the same comes of it.
func FuzzFrames(f *testing.F) {
	f.Add(maskedFrame(0x80|opText, 0x01020304, []byte("hello")))
	f.Add(append(maskedFrame(opBinary, 7, []byte("a")), maskedFrame(0x80, 7, nil)...))
	f.Add(maskedFrame(0x80|opClose, 0, []byte{3, 232, 'b'}))
	f.Add(maskedFrame(0x80|0x40|opText, 0, []byte{0x4a, 0x4c, 0x02, 0x00}))
	f.Add([]byte{0x81, 0xFE, 0xFF, 0xFF, 0, 0, 0, 0, 'x'})
	f.Fuzz(func(t *testing.T, wire []byte) {
		whole, err1 := feedPieces(wire, func() int { return len(wire) })
		split, err2 := feedPieces(wire, func() int { return 1 })
		if (err1 == nil) != (err2 == nil) || err1 != nil && err1.Error() != err2.Error() {
			t.Fatalf("whole: %v, split: %v", err1, err2)
		}
		if err1 == nil && whole != split {
			t.Fatalf("whole: %q, split: %q", whole, split)
		}
	})
}
