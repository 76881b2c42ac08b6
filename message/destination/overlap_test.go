package destination_test

import (
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/headrace/headrace/message/destination"
)

func TestOverlaps(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want bool
	}{
		{"/a", "/a", true},
		{"/a", "/b", false},
		{"/x?", "/?", false},
		{"/a/{x}", "/a/b", true},
		{"/a/{x}", "/b/{x}", false},
		{"/a/{x}", "/{x}/b", true},
		{"/a/*", "/a/*/*", false},
		{"/x*", "/*x", true},
		{"/x*", "/y*", false},
		{"/x{n}", "/{n}x", true},
		{"/*.IBM", "/*.ACME", false},
		{"/a?", "/?b", true},
		{"/a?", "/?", false},
		{"/{n:[0-9]+}", "/{n:[a-z]+}", false},
		{"/{n:[0-9]+}", "/{n:[0-9a-f]{4}}", true},
		{"/{n:[0-9]{3}}", "/{n:[0-9]{4}}", false},
		{"/{n:(?i)abc}", "/{n:A.C}", true},
		{"/{n:abc}", "/{n:A.C}", false},
		{"/{n:[0-9]+}", "/v*", false},
		{"/{n:[0-9]+}", "/*7", true},
		{"/{n:.}", "/{n:\\n}", false},
		{"/a/**", "/**/b", true},
		{"/a/**/c", "/b/**", false},
		{"/a/**/c", "/a/c", true},
		{"/**/a/**/b", "/**/c/*", true},
		{"/a/**", "a/**", false},
		{"/{a}", "/", false},
		{"/{a}", "/{v:x{0}}", false},
		{"/{n:(?i)k}", "/{n:(?i)K}", true},
		{"/{n:(?i)k}", "/{n:k}", true},
		{"/*", "/", true},
	} {
		a, b := destination.MustParse(c.a, destination.Slash), destination.MustParse(c.b, destination.Slash)
		if a.Overlaps(b) != c.want || b.Overlaps(a) != c.want {
			t.Errorf("%s and %s overlap: got %v and %v, want %v", c.a, c.b, a.Overlaps(b), b.Overlaps(a), c.want)
		}
	}
}

// TestOverlapsAgreesWithMatch: over a small alphabet, patterns without "**"
// overlap exactly if one of all short destinations matches both.
func TestOverlapsAgreesWithMatch(t *testing.T) {
	texts := []string{""}
	for i := 0; len(texts[i]) < 4; i++ {
		for _, c := range "xy" {
			texts = append(texts, texts[i]+string(c))
		}
	}
	piece := rapid.SampledFrom([]string{"x", "y", "?", "*", "{v}", "{v:x*}", "{v:y+|xy}"})
	segment := rapid.Custom(func(t *rapid.T) string {
		text := strings.Join(rapid.SliceOfN(piece, 1, 2).Draw(t, "pieces"), "")
		return regexp.MustCompile(`^\*\*$`).ReplaceAllString(text, "*")
	})
	rapid.Check(t, func(t *rapid.T) {
		a, errA := destination.Parse("/"+segment.Draw(t, "a"), destination.Slash)
		b, errB := destination.Parse("/"+segment.Draw(t, "b"), destination.Slash)
		if errA != nil || errB != nil {
			return // the same variable twice
		}
		want := false
		for _, text := range texts {
			want = want || a.Match("/"+text) && b.Match("/"+text)
		}
		if got := a.Overlaps(b); got != want {
			t.Fatalf("%v and %v overlap: %v, want %v", a, b, got, want)
		}
	})
}
