package jsonadapter

import (
	"bytes"
	"encoding/json"
	"testing"
	"unicode/utf8"

	"github.com/headrace/headrace/message"
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

// FuzzContent sends payloads out and takes them back in.
func FuzzContent(f *testing.F) {
	f.Add("application/json", []byte(`{"a":1}`))
	f.Add("application/json", []byte(`{`))
	f.Add("text/plain", []byte("text"))
	f.Add("", []byte{0xff})
	f.Fuzz(func(t *testing.T, contentType string, payload []byte) {
		if !utf8.ValidString(contentType) {
			return
		}
		h := message.NewHeader(message.Field{Name: message.HeaderContentType, Value: contentType})
		o := object{Type: "send"}
		o.setContent(h, payload)
		back, err := parse(encode(o))
		if err != nil {
			t.Fatal(err)
		}
		gotHeader, got, err := back.content()
		if err != nil || gotHeader.Get(message.HeaderContentType) != contentType {
			t.Fatalf("%v, %v", gotHeader, err)
		}
		if back.Encoding == "" && isJSON(contentType) {
			var compact bytes.Buffer
			if len(payload) > 0 {
				json.Compact(&compact, payload)
			}
			payload = compact.Bytes()
		}
		if !bytes.Equal(got, payload) {
			t.Fatalf("%q came back as %q", payload, got)
		}
	})
}
