package destination

import "cmp"

// Classes of patterns, from the most to the least specific.
const (
	exact    = iota // no wildcard
	flat            // no "**"
	inner           // "**" before other segments
	prefix          // "**" at the end
	catchAll        // "**" alone
)

// rank holds what decides about the specificity of a pattern.
type rank struct {
	class     int
	wildcards int // "*", and "**" twice
	variables int
	exprs     int
	length    int // with each variable counted as one character
}

func (g *program) measure() rank {
	r := rank{class: flat, length: len(g.segs)}
	for i, s := range g.segs {
		if s.kind == deep {
			r.class = inner
			r.wildcards += 2
			r.length += 2
			if i == len(g.segs)-1 {
				r.class = prefix
			}
			continue
		}
		if s.kind == literal {
			r.length += len(s.text)
		}
		for _, t := range s.tokens {
			switch {
			case t.kind == tokenText:
				r.length += len(t.text) - 1
			case t.kind == tokenExpr:
				r.exprs++
			case t == star:
				r.wildcards++
			}
			r.length++
			r.variables += min(t.variable, 1)
		}
	}
	if len(g.segs) == 1 && g.segs[0].kind == deep {
		r.class = catchAll
	}
	return r
}

// Compare returns a negative number if a is more specific than b, a positive one
// if b is, and 0 if they tie. It is a total order of classes, so it can sort:
// an exact destination comes first, then patterns without "**", then those with
// "**" before other segments, then those that end with "**", and last "**" alone.
// Two that end with "**" compare by length, the longer first. Otherwise comes
// first what has fewer wildcards and variables together ("**" counts twice), then
// what is longer, then what has fewer wildcards, then what has fewer variables,
// then what has more regular expressions. "?" counts as a character like others,
// and so does a variable in the length.
//
// Spring's comparator runs the classes in the middle together and by that can
// come full circle (a before b before c before a); it also lets ".*" at the end
// count for nothing. Neither is so here.
//
// Two patterns that tie may still match different destinations; a router that
// finds two such patterns matching one destination has no reason to prefer one.
func Compare(a, b Pattern) int {
	ra, rb := a.rank(), b.rank()
	if ra.class == prefix && rb.class == prefix && ra.length != rb.length {
		return cmp.Compare(rb.length, ra.length)
	}
	return cmp.Or(
		cmp.Compare(ra.class, rb.class),
		cmp.Compare(ra.wildcards+ra.variables, rb.wildcards+rb.variables),
		cmp.Compare(rb.length, ra.length),
		cmp.Compare(ra.wildcards, rb.wildcards),
		cmp.Compare(ra.variables, rb.variables),
		cmp.Compare(rb.exprs, ra.exprs),
	)
}

func (p Pattern) rank() rank {
	if p.prog == nil {
		return rank{class: exact, length: len(p.text)}
	}
	return p.prog.rank
}
