package jsonadapter

import (
	"bytes"
	"encoding/json"
	"testing"
)

// FuzzSplitter splits a stream in two ways: both give the same objects, which
// are those that encoding/json finds.
func FuzzSplitter(f *testing.F) {
	for _, seed := range []string{`{"type":"ping"}{"type":"ping"}`, ` {"a":"}\"{","b":[{}]} x`, `{{{`, `{"\\":"\\"}`, "", `]`} {
		f.Add([]byte(seed), 3)
	}
	f.Fuzz(func(t *testing.T, stream []byte, step int) {
		whole := split(stream, len(stream)+1)
		pieces := split(stream, max(1, step))
		if len(whole) != len(pieces) {
			t.Fatalf("%d objects, in pieces %d", len(whole), len(pieces))
		}
		d := json.NewDecoder(bytes.NewReader(stream))
		for i, p := range whole {
			if !bytes.Equal(p, pieces[i]) {
				t.Fatalf("object %d is %q, in pieces %q", i, p, pieces[i])
			}
			var want json.RawMessage
			if d.Decode(&want) != nil {
				break // no JSON, which parse finds out
			}
			if !bytes.Equal(p, want) {
				t.Fatalf("object %d is %q, want %q", i, p, want)
			}
		}
	})
}

func split(stream []byte, step int) (objects [][]byte) {
	s := splitter{limit: -1}
	for len(stream) > 0 {
		p := stream[:min(step, len(stream))]
		stream = stream[len(p):]
		for {
			object, rest, err := s.next(p)
			if err != nil {
				return objects
			}
			if object == nil {
				break
			}
			objects = append(objects, object)
			p = rest
		}
	}
	return objects
}
