package destination

import (
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"
)

// Overlaps reports whether some destination matches both patterns. A router asks
// it of patterns that tie in [Compare]: only if they overlap, a message could
// find no reason to prefer one. Assertions within a regular expression ("^",
// "\b") count as true. It is meant for wiring, not for every message.
func (p Pattern) Overlaps(o Pattern) bool {
	switch {
	case p.prog == nil:
		return o.Match(p.text)
	case o.prog == nil:
		return p.Match(o.text)
	}
	w := overlap{a: p.prog.segs, b: o.prog.segs, failed: make(map[[2]int]bool)}
	return p.prog.rooted == o.prog.rooted && w.from(0, 0)
}

// overlap is one question for common destinations of two lists of segments.
type overlap struct {
	a, b   []segment
	failed map[[2]int]bool
}

// from asks for what is left of both lists, and remembers where that is in vain.
func (w *overlap) from(i, j int) bool {
	if w.failed[[2]int{i, j}] {
		return false
	}
	found := w.step(i, j)
	w.failed[[2]int{i, j}] = !found
	return found
}

func (w *overlap) step(i, j int) bool {
	moreA, moreB := i < len(w.a), j < len(w.b)
	switch {
	case !moreA && !moreB:
		return true
	case moreA && w.a[i].kind == deep:
		return w.from(i+1, j) || moreB && w.from(i, j+1)
	case moreB && w.b[j].kind == deep:
		return w.from(i, j+1) || moreA && w.from(i+1, j)
	}
	return moreA && moreB && w.a[i].meets(&w.b[j]) && w.from(i+1, j+1)
}

// meets reports whether some text matches both segments, neither of which is deep.
func (s *segment) meets(o *segment) bool {
	switch {
	case s.kind == literal:
		return o.match(s.text, nil)
	case o.kind == literal:
		return s.match(o.text, nil)
	case s.kind <= variable && o.kind <= variable:
		return true
	}
	return common(s.automaton(), o.automaton())
}

// automaton returns the segment as a program of regexp.
func (s *segment) automaton() *syntax.Prog {
	var b strings.Builder
	for _, t := range s.tokens {
		switch {
		case t.kind == tokenText:
			b.WriteString(regexp.QuoteMeta(t.text))
		case t.kind == tokenOne:
			b.WriteString(`(?s:.)`)
		case t.kind == tokenExpr:
			b.WriteString(`(?:` + t.text + `)`)
		case s.kind == variable:
			b.WriteString(`(?s:.+)`)
		default:
			b.WriteString(`(?s:.*)`)
		}
	}
	tree, err := syntax.Parse(b.String(), syntax.Perl)
	if err != nil {
		panic(err) // Parse has checked it
	}
	prog, err := syntax.Compile(tree.Simplify())
	if err != nil {
		panic(err)
	}
	return prog
}

// common reports whether some text matches both programs as a whole, by walking
// through both at once.
func common(a, b *syntax.Prog) bool {
	type place struct{ a, b uint32 }
	seen := map[place]bool{}
	open := []place{{uint32(a.Start), uint32(b.Start)}}
	for len(open) > 0 {
		at := open[len(open)-1]
		open = open[:len(open)-1]
		if seen[at] {
			continue
		}
		seen[at] = true
		x, y := &a.Inst[at.a], &b.Inst[at.b]
		switch {
		case silent(x):
			for _, next := range exits(x) {
				open = append(open, place{next, at.b})
			}
		case silent(y):
			for _, next := range exits(y) {
				open = append(open, place{at.a, next})
			}
		case x.Op == syntax.InstMatch && y.Op == syntax.InstMatch:
			return true
		case sharesRune(x, y):
			open = append(open, place{x.Out, y.Out})
		}
	}
	return false
}

// silent reports whether an instruction consumes nothing and goes on.
func silent(i *syntax.Inst) bool {
	switch i.Op {
	case syntax.InstAlt, syntax.InstAltMatch, syntax.InstCapture, syntax.InstNop, syntax.InstEmptyWidth:
		return true
	}
	return false
}

func exits(i *syntax.Inst) []uint32 {
	if i.Op == syntax.InstAlt || i.Op == syntax.InstAltMatch {
		return []uint32{i.Out, i.Arg}
	}
	return []uint32{i.Out}
}

// sharesRune reports whether some rune goes through both instructions. Of two
// ranges that overlap, one begins within the other.
func sharesRune(x, y *syntax.Inst) bool {
	both := func(r rune) bool { return x.MatchRune(r) && y.MatchRune(r) }
	return slices.ContainsFunc(begins(x), both) || slices.ContainsFunc(begins(y), both)
}

// begins returns where the ranges of an instruction begin; none if it takes no
// rune. A single rune stands for its other cases too: both sides name the same.
func begins(i *syntax.Inst) (all []rune) {
	for n := 0; n < len(i.Rune); n += 2 {
		all = append(all, i.Rune[n])
	}
	return all
}
