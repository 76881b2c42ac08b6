package redis

import (
	"bytes"
	"testing"

	wmessage "github.com/ThreeDotsLabs/watermill/message"
)

// FuzzConvert: a message comes out as it went in, whatever its metadata are called.
func FuzzConvert(f *testing.F) {
	f.Add("id", "name", "value", []byte("text"))
	f.Add("a\r\nb", "payload", "x\r\n$3\r\n", []byte{0})
	f.Add("", "", "", []byte(nil))
	f.Fuzz(func(t *testing.T, id, name, value string, payload []byte) {
		in := wmessage.NewMessage(id, payload)
		in.Metadata[name] = value
		values, entry := toValues(in), make(map[string]any)
		for i := 0; i < len(values); i += 2 {
			if _, ok := entry[values[i]]; ok {
				t.Errorf("there are two fields %q", values[i])
			}
			entry[values[i]] = values[i+1]
		}
		out := fromValues(entry)
		if out.UUID != id || !bytes.Equal(out.Payload, payload) || out.Metadata[name] != value {
			t.Errorf("%q came, %q, %q", out.UUID, out.Payload, out.Metadata)
		}
	})
}

func TestBefore(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want bool
	}{{"1-0", "2-0", true}, {"2-0", "1-5", false}, {"9-0", "10-0", true}, {"1-2", "1-10", true}, {"1-1", "1-1", false}, {"0-0", "0-1", true}} {
		if before(c.a, c.b) != c.want {
			t.Errorf("before(%s, %s) is not %v", c.a, c.b, c.want)
		}
	}
}
