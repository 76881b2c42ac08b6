package nats

import (
	"strings"
	"testing"

	"github.com/headrace/headrace/watermilladapter"
)

// FuzzSubject: whatever a destination is, its subject is one token behind the prefix,
// and the names of a group are ones that the server allows.
func FuzzSubject(f *testing.F) {
	for _, seed := range []string{"", "/topic/a.b", "a b\r\nPUB x 1\r\n", "*", ">", "a..b", ".", "\x00\t", "水"} {
		f.Add(seed, "headrace")
	}
	f.Fuzz(func(t *testing.T, destination, group string) {
		topic := watermilladapter.EscapeTopic(destination)
		token, ok := strings.CutPrefix(subject("pre.fix", topic), "pre.fix.")
		if !ok || !plain(token) {
			t.Errorf("subject of %q ends in %q", destination, token)
		}
		if q := queueGroup(group); !plain(q) {
			t.Errorf("queue group of %q is %q", group, q)
		}
		if d := durable(token, group); !plain(d) || len(d) > 255 {
			t.Errorf("consumer of %q is %q", group, d)
		}
		if group != destination && durable(token, group) == durable(token, destination) {
			t.Errorf("%q and %q have one consumer", group, destination)
		}
	})
}

func plain(name string) bool {
	return name != "" && !strings.ContainsFunc(name, func(r rune) bool {
		return r != '_' && r != '-' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
	})
}
