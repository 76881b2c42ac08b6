package destination

import (
	"fmt"
	"slices"
	"strings"
)

// Pattern is a parsed pattern, or an exact destination, which is a pattern that
// matches only itself. It is made by [Parse]; the zero value is the exact
// destination "". It is small, immutable and meant to be passed by value.
type Pattern struct {
	text string
	sep  Separator
	prog *program // nil: exact
}

// program is the parsed form of a pattern that is not exact.
type program struct {
	rooted bool      // begins with the separator
	segs   []segment // without that first, empty one; no two "**" side by side
	names  []string  // of the variables, in order
	rank   rank
}

// SyntaxError is the error of [Parse].
type SyntaxError struct {
	// Pattern is the text that could not be parsed.
	Pattern string
	// Offset is the position in bytes, counted from 0, at which parsing stopped.
	Offset int
	// Reason says what is wrong there.
	Reason string
}

// Error names the pattern, the position and the reason.
func (e *SyntaxError) Error() string {
	return fmt.Sprintf("destination: pattern %q, position %d: %s", e.Pattern, e.Offset, e.Reason)
}

// MustParse is [Parse] for patterns written in the program. It panics where
// Parse returns an error.
func MustParse(text string, sep Separator) Pattern {
	p, err := Parse(text, sep)
	if err != nil {
		panic(err)
	}
	return p
}

// String returns the text the pattern was parsed from.
func (p Pattern) String() string { return p.text }

// Separator returns the separator the pattern was parsed with.
func (p Pattern) Separator() Separator { return p.sep }

// Exact reports whether the pattern has neither wildcards nor variables and so
// matches only the destination that equals it.
func (p Pattern) Exact() bool { return p.prog == nil }

// Names returns the names of the variables in their order in the pattern.
func (p Pattern) Names() []string {
	if p.prog == nil {
		return nil
	}
	return slices.Clone(p.prog.names)
}

// Canonical returns the pattern without the names of its variables and without
// repeated wildcards: "/a/{x}/**/**" becomes "/a/{}/**". Two patterns with equal
// canonical forms match the same destinations and compare as equal, so a router
// that holds one must refuse the other.
func (p Pattern) Canonical() string {
	if p.prog == nil {
		return p.text
	}
	var b strings.Builder
	for i, s := range p.prog.segs {
		if i > 0 || p.prog.rooted {
			b.WriteByte(p.sep.char())
		}
		b.WriteString(s.text)
	}
	return b.String()
}
