package destination

// deepCost is what a "**" counts in [Pattern.Cost]: all that follows it is tried
// at every segment.
const deepCost = 8

// Cost says how much work a match may be, so that the patterns of strangers can be
// bounded: its time is at most proportional to the cost and to the length of the
// destination. The cost of an exact destination is 0. In a pattern each literal
// text, wildcard and variable costs 1, each "**" 8, and a regular expression as
// much as it has instructions.
func (p Pattern) Cost() int {
	if p.prog == nil {
		return 0
	}
	cost := 0
	for _, s := range p.prog.segs {
		switch s.kind {
		case deep:
			cost += deepCost
		case literal:
			cost++
		}
		for _, t := range s.tokens {
			cost += 1 + t.code
		}
	}
	return cost
}
