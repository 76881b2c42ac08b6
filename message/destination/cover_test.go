package destination_test

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/headrace/headrace/message/destination"
)

func TestCovers(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want bool
	}{
		{"/a", "/a", true},
		{"/a", "/b", false},
		{"/a", "/*", false},
		{"/*", "/a", true},
		{"/*", "/*", true},
		{"/*", "/{x}", true},
		{"/*", "/x?z*", true},
		{"/*", "/**", false},
		{"/*", "/*/*", false},
		{"/{x}", "/a", true},
		{"/{x}", "/", false},
		{"/{x}", "/*", false}, // which matches "/"
		{"/{x}", "/{x}", false},
		{"/{x:[a-z]+}", "/abc", true},
		{"/{x:.}", "/*", false},
		{"/*", "/{x:a}", false},
		{"/**", "/{x:a}", false},
		{"/?", "/*", false},
		{"/?", "/?", true},
		{"/a*b", "/a*b", true},
		{"/a*b", "/a**b", true},
		{"/a{x}", "/a{x}", false},
		{"/a{x}", "/ab", true},
		{"/**", "/**", true},
		{"/**", "/a/*/**", true},
		{"/**", "**", false},
		{"/**", "a", false},
		{"/a/**", "/a", true},
		{"/a/**", "/a/**/b", true},
		{"/a/**", "/*/b", false},
		{"/a/**", "/**", false},
		{"/**/b", "/a/**/b", true},
		{"/**/b", "/a/**", false},
		{"/**/b/*", "/x/b/y/b/*", true},
		{"/room/{id}/**", "/room/kim/**", true},
		{"/room/{id}/**", "/room/*/**", false},
		{"/room/{id}/**", "/room/**", false},
	} {
		a, b := destination.MustParse(c.a, destination.Slash), destination.MustParse(c.b, destination.Slash)
		if got := a.Covers(b); got != c.want {
			t.Errorf("%s covers %s: %v, want %v", c.a, c.b, got, c.want)
		}
	}
	dots := destination.MustParse("a.*", destination.Dot)
	if dots.Covers(destination.MustParse("a.*", destination.Slash)) || dots.Covers(destination.MustParse("a.b", destination.Slash)) {
		t.Error("patterns of different separators cover one another")
	}
}

// TestCoversIsSound: what one pattern covers it matches, and where its variables are
// not behind "**" it captures the same from the pattern as from the destination.
func TestCoversIsSound(t *testing.T) {
	segment := rapid.SampledFrom([]string{"a", "b", "ab", "*", "**", "?", "a*", "{v}", "{w:a|b}", "", "a?", "{x}b"})
	parse := func(segments []string) (destination.Pattern, error) {
		return destination.Parse("/"+strings.Join(segments, "/"), destination.Slash)
	}
	fill := rapid.SampledFrom([]string{"a", "b", "ab", "", "a/b", "ba", "**", "*"})
	covered := 0
	rapid.Check(t, func(t *rapid.T) {
		wide := rapid.SliceOfN(segment, 1, 4).Draw(t, "a")
		narrow := rapid.SliceOfN(segment, 0, 2).Draw(t, "more")
		for _, s := range wide {
			narrow = append(narrow, rapid.OneOf(rapid.Just(s), segment).Draw(t, "b"))
		}
		a, errA := parse(wide)
		b, errB := parse(narrow)
		if errA != nil || errB != nil || !a.Covers(b) {
			return // a variable twice, or nothing is claimed
		}
		covered++
		from, ok := a.Capture(b.String())
		if !ok {
			t.Fatalf("%v covers %v and does not match its text", a, b)
		}
		for range 20 {
			var parts []string
			for part := range strings.SplitSeq(b.String()[1:], "/") {
				if strings.ContainsAny(part, "*?{}") {
					part = fill.Draw(t, "part")
				}
				parts = append(parts, part)
			}
			dest := "/" + strings.Join(parts, "/")
			if !b.Match(dest) {
				continue
			}
			vars, ok := a.Capture(dest)
			if !ok {
				t.Fatalf("%v covers %v but does not match %q", a, b, dest)
			}
			if deep := strings.Index(a.String(), "**"); deep >= 0 && deep < strings.LastIndexByte(a.String(), '{') {
				continue
			}
			for i := range vars {
				if vars[i] != from[i] {
					t.Fatalf("%v captures %v from %v and %v from %q", a, from, b, vars, dest)
				}
			}
		}
	})
	if covered == 0 {
		t.Error("no pair covered one another")
	}
}

func TestValue(t *testing.T) {
	for _, c := range []struct {
		pattern, dest, name, want string
		ok                        bool
	}{
		{"/room/{id}", "/room/kim", "id", "kim", true},
		{"/room/{id}", "/room/kim", "x", "", false},
		{"/room/{id}", "/room/", "id", "", false},
		{"/room/kim", "/room/kim", "id", "", false},
		{"/{a}/**/{b:[0-9]+}", "/x/y/z/42", "b", "42", true},
		{"/{a}-{b}", "/x-y-z", "a", "x-y", true},
		{"/{a}/{b}/{c}/{d}/{e}/{f}/{g}/{h}/{i}", "/1/2/3/4/5/6/7/8/9", "i", "9", true},
	} {
		p := destination.MustParse(c.pattern, destination.Slash)
		if got, ok := p.Value(c.dest, c.name); got != c.want || ok != c.ok {
			t.Errorf("%s of %s in %s = %q, %v, want %q, %v", c.name, c.pattern, c.dest, got, ok, c.want, c.ok)
		}
	}
}
