package frame_test

import (
	"testing"

	"github.com/headrace/headrace/stompadapter/frame"
)

// A frame is told when its NUL has come and not before; what has come of it is
// neither a frame nor an error.
func TestIncompleteFrames(t *testing.T) {
	for _, wire := range []string{
		"DISCONNECT\r\n\r\n\x00",
		"SEND\na:1\n\nbody\x00",
		"SEND\ncontent-length:3\n\n\x00\n\x00\x00",
		"SEND\ncontent-type:text/plain;charset=utf-8\n\nbody\x00",
		"SEND\na\\c\\r\\n\\\\b:a\\c\\r\\n\\\\b\n\nbody\x00", // cut in the middle of escapes, too
	} {
		whole, err := decodeAll(decoder(frame.V12), wire)
		if err != nil || len(whole) != 1 {
			t.Fatalf("%q: %d frames, %v", wire, len(whole), err)
		}
		for n := range len(wire) {
			d := decoder(frame.V12)
			if frames, err := decodeAll(d, wire[:n]); err != nil || len(frames) != 0 {
				t.Errorf("%q: %s, %v", wire[:n], text(frames...), err)
			}
			if frames, err := decodeAll(d, wire[n:]); err != nil || text(frames...) != text(whole...) {
				t.Errorf("%q + %q: %s, %v", wire[:n], wire[n:], text(frames...), err)
			}
		}
	}
}

// A length of nothing is a length: the body is empty, and one that is not does
// not belong to the frame.
func TestContentLengthOfNothing(t *testing.T) {
	frames, err := decodeAll(decoder(frame.V12), "SEND\ncontent-length:0\n\n\x00SEND\n\nnext\x00")
	if got, want := text(frames...), `SEND "content-length"="0" | SEND body "next"`; err != nil || got != want {
		t.Errorf("got %s, %v, want %s", got, err, want)
	}
	if frames, err := decodeAll(decoder(frame.V12), "SEND\ncontent-length:0\n\nx\x00"); err == nil {
		t.Errorf("a body of a length of nothing: %s", text(frames...))
	}
}

// What a body is said to be is the business of who reads it.
func TestContentTypeIsOpaque(t *testing.T) {
	for _, contentType := range []string{"text/plain;charset=U", "text/plain;charset=", "text", "/", ";;", "", "a/b/c", "text/plain;charset=klingon"} {
		frames, err := decodeAll(decoder(frame.V12), "SEND\ncontent-type:"+contentType+"\n\nbody\x00")
		if err != nil || len(frames) != 1 || frames[0].Header.Get("content-type") != contentType {
			t.Errorf("%q: %s, %v", contentType, text(frames...), err)
		}
	}
}
