package destination

import (
	"slices"
	"strings"
)

// Var is a variable of a pattern and what it captured.
type Var struct {
	// Name is the variable's name in the pattern.
	Name string
	// Value is the part of the destination that it matched.
	Value string
}

// Vars are the variables of a pattern in their order in the pattern.
type Vars []Var

// Get returns the value of the named variable and whether there is one.
func (v Vars) Get(name string) (string, bool) {
	for i := range v {
		if v[i].Name == name {
			return v[i].Value, true
		}
	}
	return "", false
}

// Match reports whether the pattern matches the whole destination. It does not
// allocate, and its time is at most proportional to the product of the lengths
// of pattern and destination, whatever they hold.
func (p Pattern) Match(dest string) bool {
	if p.prog == nil {
		return p.text == dest
	}
	return p.prog.match(dest, p.sep.char(), nil)
}

// Capture is [Pattern.Match] that also returns the variables, nil for a pattern
// that has none. It makes one allocation if there are variables, and one more
// for each segment in which a regular expression stands beside something else.
func (p Pattern) Capture(dest string) (Vars, bool) {
	if p.prog == nil || len(p.prog.names) == 0 {
		return nil, p.Match(dest)
	}
	vars := make(Vars, len(p.prog.names))
	if !p.prog.match(dest, p.sep.char(), vars) {
		return nil, false
	}
	for i, name := range p.prog.names {
		vars[i].Name = name
	}
	return vars, true
}

// Value returns what one variable captures, as [Pattern.Capture] does, and whether
// the pattern has it and matches. It makes no allocation for patterns of at most 8
// variables, but those that Capture makes for regular expressions.
func (p Pattern) Value(dest, name string) (string, bool) {
	if p.prog == nil {
		return "", false
	}
	i := slices.Index(p.prog.names, name)
	if i < 0 {
		return "", false
	}
	var few [8]Var
	vars := few[:]
	if n := len(p.prog.names); n > len(few) {
		vars = make(Vars, n)
	}
	if !p.prog.match(dest, p.sep.char(), vars) {
		return "", false
	}
	return vars[i].Value, true
}

// match goes from left to right. Each "**" first takes nothing; on a mismatch
// the one met last takes a segment more. Earlier ones never need to change, so no
// segment of the pattern meets the same segment of the destination twice.
func (g *program) match(dest string, sep byte, vars Vars) bool {
	i, at, rooted := 0, 0, rootedAt(dest, sep)
	if g.rooted != (rooted > 0) {
		return false
	}
	at = rooted
	last, from := -1, 0 // the "**" met last, and the first segment it does not take
	for {
		switch {
		case i == len(g.segs):
			if at > len(dest) {
				return true
			}
		case g.segs[i].kind == deep:
			if i == len(g.segs)-1 {
				return true
			}
			last, from = i, at
			i++
			continue
		case at <= len(dest):
			text, next := cut(dest, at, sep)
			if g.segs[i].match(text, vars) {
				i, at = i+1, next
				continue
			}
		}
		if last < 0 || from > len(dest) {
			return false
		}
		_, from = cut(dest, from, sep)
		i, at = last+1, from
	}
}

// rootedAt returns where the first segment of dest begins: 1 after a leading
// separator, else 0.
func rootedAt(dest string, sep byte) int {
	if dest != "" && dest[0] == sep {
		return 1
	}
	return 0
}

// cut returns the segment of dest that begins at the index at, and where the next
// one begins: len(dest)+1 if there is none.
func cut(dest string, at int, sep byte) (text string, next int) {
	if i := strings.IndexByte(dest[at:], sep); i >= 0 {
		return dest[at : at+i], at + i + 1
	}
	return dest[at:], len(dest) + 1
}
