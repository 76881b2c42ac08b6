package destination_test

import (
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/headrace/headrace/message/destination"
)

// matchSlowly says what a pattern means, and nothing about how to find it out: each
// wildcard is tried with all that it could take. It assumes that Parse accepted
// the pattern.
func matchSlowly(pattern, dest string, sep byte) bool {
	if !strings.ContainsAny(pattern, "*?{") {
		return pattern == dest
	}
	segments, rooted := splitPattern(pattern, sep)
	dest, destRooted := strings.CutPrefix(dest, string(sep))
	return rooted == destRooted && matchSegments(segments, strings.Split(dest, string(sep)))
}

// splitPattern divides at separators outside braces.
func splitPattern(pattern string, sep byte) (segments []string, rooted bool) {
	pattern, rooted = strings.CutPrefix(pattern, string(sep))
	depth, start := 0, 0
	for i := 0; i < len(pattern); i++ {
		switch c := pattern[i]; {
		case c == '{':
			depth++
		case c == '}':
			depth--
		case c == '\\' && depth > 0:
			i++
		case c == sep && depth == 0:
			segments = append(segments, pattern[start:i])
			start = i + 1
		}
	}
	return append(segments, pattern[start:]), rooted
}

func matchSegments(patterns, segments []string) bool {
	switch {
	case len(patterns) == 0:
		return len(segments) == 0
	case patterns[0] == "**":
		for i := range len(segments) + 1 {
			if matchSegments(patterns[1:], segments[i:]) {
				return true
			}
		}
		return false
	}
	return len(segments) > 0 && matchText(patterns[0], segments[0], true) && matchSegments(patterns[1:], segments[1:])
}

// matchText matches one segment; alone says that pattern is all of it.
func matchText(pattern, text string, alone bool) bool {
	if pattern == "" {
		return text == ""
	}
	first, size := utf8.DecodeRuneInString(text)
	switch pattern[0] {
	case '?':
		return size > 0 && matchText(pattern[1:], text[size:], false)
	case '*':
		return matchAny(pattern[1:], text, func(string) bool { return true })
	case '{':
		end := closingBrace(pattern)
		_, expr, found := strings.Cut(pattern[1:end], ":")
		return matchAny(pattern[end+1:], text, func(taken string) bool {
			if found {
				return regexp.MustCompile(`\A(?:` + expr + `)\z`).MatchString(taken)
			}
			return taken != "" || !alone || end+1 < len(pattern)
		})
	}
	want, wantSize := utf8.DecodeRuneInString(pattern)
	return size > 0 && first == want && text[:size] == pattern[:wantSize] && matchText(pattern[wantSize:], text[size:], false)
}

// matchAny tries all beginnings of text that take accepts.
func matchAny(rest, text string, take func(string) bool) bool {
	for i := 0; ; {
		if take(text[:i]) && matchText(rest, text[i:], false) {
			return true
		}
		if i == len(text) {
			return false
		}
		_, size := utf8.DecodeRuneInString(text[i:])
		i += size
	}
}

func closingBrace(pattern string) int {
	depth := 0
	for i := 0; ; i++ {
		switch pattern[i] {
		case '\\':
			i++
		case '{':
			depth++
		case '}':
			if depth--; depth == 0 {
				return i
			}
		}
	}
}

// FuzzMatch holds the matcher against the definition, with both separators.
func FuzzMatch(f *testing.F) {
	for _, s := range [][2]string{
		{"/a/b", "/a/b"}, {"/a/*", "/a/"}, {"/**/a/**/b", "/a/a/b"}, {"/{x}/y?z*", "/é/yéz"}, {"**", ""},
		{"*a*b*", "xaybz"}, {"/{x}-{y}", "/a-b-c"}, {"/{x:[a-c]{1,2}}*", "/abc"}, {"a{x}/**", "a/b//"},
		{"/**/a*/**/?b/**", "/x/ab/ab/cb"}, {"*\u00e9?", "\xc3\u00e9\xa9"}, {"/{x:a|b}{y:b|}c", "/bbc"},
	} {
		f.Add(s[0], s[1])
	}
	f.Fuzz(func(t *testing.T, pattern, dest string) {
		if len(pattern) > 16 || len(dest) > 16 {
			return // the oracle is exponential
		}
		if strings.Contains(pattern, ":") && strings.ContainsAny(pattern, `^$\`) {
			return // "^", "$" and "\b" see the whole segment, which the oracle does not show them
		}
		for _, sep := range []destination.Separator{slash, dot} {
			p, err := destination.Parse(pattern, sep)
			if err != nil {
				continue
			}
			want := matchSlowly(pattern, dest, sep.String()[0])
			if got := p.Match(dest); got != want {
				t.Errorf("%q with %q on %q: %v, want %v", pattern, sep, dest, got, want)
			}
			vars, got := p.Capture(dest)
			if got != want || got && len(vars) != len(p.Names()) {
				t.Errorf("%q with %q on %q: captured %v, %v", pattern, sep, dest, vars, got)
			}
			ix := destination.NewIndex[int](sep)
			e, met := ix.Add(p, 1), 0
			for range ix.Match(dest) {
				met++
			}
			if met > 1 || (met == 1) != want {
				t.Errorf("%q with %q on %q: the index finds it %d times", pattern, sep, dest, met)
			}
			ix.Remove(e)
		}
	})
}

// FuzzParse: no text makes Parse panic, errors point into the text, and what is
// parsed comes back as text.
func FuzzParse(f *testing.F) {
	for _, s := range []string{"", "/a", "/{a}/{b:[0-9]{2}}", "{", "}", "{a:\\", "/**/***/?", "{a:(}", "\xff", "/{a:x)(y}", "..{a.b}", `/{x:\Qabc}`, `/{x:\Qa}-{y:b\E}`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, sep := range []destination.Separator{slash, dot} {
			p, err := destination.Parse(text, sep)
			if err != nil {
				if e := err.(*destination.SyntaxError); e.Offset < 0 || e.Offset > len(text) || e.Reason == "" {
					t.Errorf("%q: %#v", text, e)
				}
				continue
			}
			if p.String() != text {
				t.Errorf("%q becomes %q", text, p)
			}
			p.Capture(text) // must not panic
			if p.Exact() != (p.Canonical() == text && !strings.ContainsAny(text, "*?{}")) {
				t.Errorf("%q: exact %v, canonical %q", text, p.Exact(), p.Canonical())
			}
			if destination.Compare(p, p) != 0 {
				t.Errorf("%q does not tie with itself", text)
			}
		}
	})
}
