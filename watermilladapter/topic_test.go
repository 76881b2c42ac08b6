package watermilladapter_test

import (
	"strings"
	"testing"

	"github.com/headrace/headrace/watermilladapter"
)

func TestEscapeTopic(t *testing.T) {
	for destination, want := range map[string]string{
		"/topic/a":    "_topic_a",
		"registry":    "registry",
		"node.1f":     "node-2e1f",
		"":            "-",
		"-":           "-2d",
		"a_b":         "a-5fb",
		"a.b/*/>":     "a-2eb_-2a_-3e",
		"\r\n\x00 \t": "-0d-0a-00-20-09",
		"é水":          "-c3-a9-e6-b0-b4",
		"Zz09\xff":    "Zz09-ff",
	} {
		if got := watermilladapter.EscapeTopic(destination); got != want {
			t.Errorf("%q is escaped to %q, want %q", destination, got, want)
		}
	}
}

// FuzzEscapeTopic: what a client names cannot name another's topic, nor leave the
// alphabet in which it is a name alone to every engine (S-38).
func FuzzEscapeTopic(f *testing.F) {
	for _, pair := range [][2]string{{"/topic/a", "_topic_a"}, {"a.b", "a/b"}, {"\r\n", "-0d-0a"}, {"", "-"}, {"*", ">"}, {"\x00 \t", "é"}, {"a-2e", "a."}} {
		f.Add(pair[0], pair[1])
	}
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-"
	f.Fuzz(func(t *testing.T, a, b string) {
		x, y := watermilladapter.EscapeTopic(a), watermilladapter.EscapeTopic(b)
		if (a == b) != (x == y) {
			t.Errorf("%q and %q are escaped to %q and %q", a, b, x, y)
		}
		if x == "" || strings.Trim(x, alphabet) != "" || len(x) > max(1, 3*len(a)) {
			t.Errorf("%q is escaped to %q", a, x)
		}
	})
}
