package kafka

import (
	"bytes"
	"regexp"
	"testing"

	wmessage "github.com/ThreeDotsLabs/watermill/message"
)

var legal = regexp.MustCompile(`^[a-zA-Z0-9._-]{1,249}$`)

// FuzzPlace: whatever a destination is, Kafka allows its topic and its group, and no
// other destination has its place.
func FuzzPlace(f *testing.F) {
	for _, seed := range []string{"", "/", "/topic/a.b", "registry", "node.x/y", "a b\r\n", "*>", "水/x", "..", "//"} {
		f.Add(seed, "/topic/b")
	}
	c := Config{}.withDefaults()
	f.Fuzz(func(t *testing.T, a, b string) {
		at, other := placeOf(c.name(a)), placeOf(c.name(b))
		if !legal.MatchString(at.topic) {
			t.Errorf("the topic of %q is %q", a, at.topic)
		}
		if group := c.groupOf(at, b); !legal.MatchString(group) {
			t.Errorf("the group of %q is %q", a, group)
		}
		if a != b && at == other {
			t.Errorf("%q and %q are both at %v", a, b, at)
		}
	})
}

func TestFirstSegment(t *testing.T) {
	for destination, want := range map[string]string{
		"/topic/a": "topic", "/topic/b.c": "topic", "/topic.a": "topic", "registry": "registry", "node.abc": "node", "": "", "/": "", "//x": "",
	} {
		if got := firstSegment(destination); got != want {
			t.Errorf("%q: %q, want %q", destination, got, want)
		}
	}
}

// FuzzConvert: a message comes out as it went in.
func FuzzConvert(f *testing.F) {
	f.Add("id", "name", "value", []byte("text"))
	f.Add("a\r\nb", headerID, "x\r\n", []byte{0})
	f.Fuzz(func(t *testing.T, id, name, value string, payload []byte) {
		in := wmessage.NewMessage(id, payload)
		in.Metadata[name] = value
		out := fromRecord(toRecord(place{"t", "k"}, in))
		if out.UUID != id || !bytes.Equal(out.Payload, payload) || name != headerID && out.Metadata[name] != value {
			t.Errorf("%q came, %q, %q", out.UUID, out.Payload, out.Metadata)
		}
	})
}
