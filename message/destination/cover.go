package destination

import "slices"

// Covers reports whether p matches every destination that o matches. What cannot be
// seen segment by segment counts as no: of "**" only "**" is sure, nothing of an o with
// a regular expression, and a variable of p covers literal text alone. So where
// p covers o and none of p's variables is behind a "**", p captures from the text of
// o what it captures from every destination that o matches.
func (p Pattern) Covers(o Pattern) bool {
	switch {
	case o.prog == nil:
		return p.sep == o.sep && p.Match(o.text)
	case p.prog == nil || p.sep != o.sep || p.prog.rooted != o.prog.rooted:
		return false
	}
	hasExpr := slices.ContainsFunc(o.prog.segs, func(s segment) bool { return s.kind == expr })
	return !hasExpr && covers(p.prog.segs, o.prog.segs)
}

// covers goes as [program.match] does, with the segments of another pattern in the
// place of a destination's.
func covers(a, b []segment) bool {
	i, j := 0, 0
	last, from := -1, 0 // the "**" of a met last, and the first segment it does not take
	for {
		switch {
		case i == len(a):
			if j == len(b) {
				return true
			}
		case a[i].kind == deep:
			last, from = i, j
			i++
			continue
		case j < len(b) && a[i].covers(&b[j]):
			i, j = i+1, j+1
			continue
		}
		if last < 0 || from == len(b) {
			return false
		}
		from++
		i, j = last+1, from
	}
}

// covers reports whether a segment that is not deep matches all that o does.
func (s *segment) covers(o *segment) bool {
	switch o.kind {
	case literal:
		return s.match(o.text, nil)
	case deep:
		return false
	}
	return s.kind == single || s.kind == glob && s.text == o.text && !slices.ContainsFunc(s.tokens, token.captures)
}

func (t token) captures() bool { return t.variable > 0 }
