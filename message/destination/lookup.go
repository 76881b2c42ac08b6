package destination

import (
	"math/bits"
	"strings"
)

// walk is one look-up. The loop's body travels beside it, not in it: the destination
// reaches the regexp package, which makes the compiler believe that all of walk
// escapes, and the body would be allocated.
type walk[V any] struct {
	inner *tables[V]
	dest  string
	sep   byte
}

func (ix *Index[V]) lookUp(dest string, yield func(V) bool) {
	w := walk[V]{inner: &ix.inner, dest: dest, sep: ix.sep.char()}
	none := &ix.roots[0]
	sum := none.hash(whole, dest)
	if n := ix.exact.of(sum).find(none, sum, dest); n != nil && !emit(n, yield) {
		return
	}
	rooted := rootedAt(dest, w.sep)
	w.visit(&ix.roots[rooted], rooted, -1, yield)
}

// emit hands out the values of a node. Like all steps of a look-up it returns false
// when the loop has ended.
func emit[V any](n *node[V], yield func(V) bool) bool {
	for i := n.head.Load(); i != nil; i = i.next.Load() {
		if !yield(i.value) {
			return false
		}
	}
	return true
}

// visit goes on from a node that has been reached with the segments before the
// index at; from is where what follows the last "**" on the way began, -1 if there
// was none.
func (w *walk[V]) visit(n *node[V], at, from int, yield func(V) bool) bool {
	if at > len(w.dest) && !emit(n, yield) {
		return false
	}
	b := n.branch.Load()
	if b == nil {
		return true
	}
	if d := b.deep.Load(); d != nil && !w.repeats(n, at, from) && !w.visitDeep(d, at, yield) {
		return false
	}
	return at > len(w.dest) || w.visitChildren(n, b, at, from, yield) >= 0
}

// visitDeep goes on from a "**" that takes any number of the segments from at on.
func (w *walk[V]) visitDeep(d *node[V], at int, yield func(V) bool) bool {
	if !emit(d, yield) {
		return false
	}
	b := d.branch.Load()
	for i := at; i >= 0 && i <= len(w.dest); {
		if b.leaf() {
			return true
		}
		i = w.visitChildren(d, b, i, at, yield)
		if i < 0 {
			return false
		}
	}
	return true
}

// visitChildren visits the children of n that the segment at the index at leads to.
// It returns where the next segment begins, or -1 when the loop has ended.
func (w *walk[V]) visitChildren(n *node[V], b *branch[V], at, from int, yield func(V) bool) int {
	text, next := cut(w.dest, at, w.sep)
	if c := w.literal(n, b, text); c != nil && !w.visit(c, next, from, yield) {
		return -1
	}
	if !w.visitWild(b, text, next, from, yield) {
		return -1
	}
	for left := b.lengths.Load(); left != 0; left &= left - 1 {
		length := bits.TrailingZeros64(left)
		if length > len(text) {
			break
		}
		prefix := text[:length]
		c := w.find(n, bucket, prefix)
		if c == nil {
			continue
		}
		if wild := c.branch.Load(); wild != nil && !w.visitWild(wild, text, next, from, yield) {
			return -1
		}
	}
	return next
}

// literal returns the literal child of n for a segment, or nil.
func (w *walk[V]) literal(n *node[V], b *branch[V], text string) *node[V] {
	edges := b.edges.Load()
	if edges == 0 {
		return nil
	}
	if c := b.only.Load(); c != nil {
		if c.text == text {
			return c
		}
		if edges == 1 {
			return nil
		}
	}
	return w.find(n, edge, text)
}

// find returns the child of n that the tables hold, or nil.
func (w *walk[V]) find(n *node[V], r role, text string) *node[V] {
	sum := n.hash(r, text)
	return w.inner.of(sum).find(n, sum, text)
}

// visitWild visits the children with wildcards that match a segment.
func (w *walk[V]) visitWild(b *branch[V], text string, next, from int, yield func(V) bool) bool {
	for c := b.wild.Load(); c != nil; c = c.sibling() {
		if c.matches(text) && !w.visit(c, next, from, yield) {
			return false
		}
	}
	return true
}

// repeats reports whether the way from the last "**" to n, which ends before the
// index at, also leads to n with fewer segments left to that "**". Then the "**"
// below n has been visited already, and saw all that it would see now: this is
// what makes a pattern with several "**" match once, and the walk end soon.
func (w *walk[V]) repeats(n *node[V], at, from int) bool {
	if from < 0 {
		return false
	}
	for at > from {
		at = w.segmentBefore(at, from)
		end, m := at, n
		for !m.isDeep() && end > from {
			start := w.segmentBefore(end, from)
			if !m.matches(w.dest[start : end-1]) {
				break
			}
			end = start
			if m = m.parent; m.role() == bucket {
				m = m.parent
			}
		}
		if m.isDeep() {
			return true
		}
	}
	return false
}

// segmentBefore returns where the segment that ends before the index at begins,
// not looking before from.
func (w *walk[V]) segmentBefore(at, from int) int {
	return from + strings.LastIndexByte(w.dest[from:at-1], w.sep) + 1
}
