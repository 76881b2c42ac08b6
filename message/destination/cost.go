package destination

const (
	deepCost = 4 // times what is tried at every segment
	exprCost = 8 // to begin with a regular expression
)

// Cost says how much work a match may be, so that the patterns of strangers can be
// bounded: its time is at most proportional to the cost and to the length of the
// destination. The cost of an exact destination is 0. In a pattern each literal
// text, wildcard and variable costs 1, and a regular expression 8 more and as much
// as it has instructions. From the first "**" on everything costs four times as
// much, for it is tried at every segment.
func (p Pattern) Cost() int {
	if p.prog == nil {
		return 0
	}
	cost, times := 0, 1
	for _, s := range p.prog.segs {
		if s.kind == deep {
			times = deepCost
		}
		if len(s.tokens) == 0 { // literal or deep
			cost += times
		}
		for _, t := range s.tokens {
			cost += times
			if t.kind == tokenExpr {
				cost += times * (exprCost + t.code)
			}
		}
	}
	return cost
}
