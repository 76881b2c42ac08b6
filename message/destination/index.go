package destination

import (
	"fmt"
	"iter"
	"sync"
	"sync/atomic"
)

// Index finds the values that were added under the patterns that match a
// destination, such as the subscriptions of a broker or the routes of a router.
// The zero value is empty, divides at [Slash] and is ready to use; it must not be
// copied after its first use.
//
// Its time for a look-up depends on the matching patterns, not on all of them:
// exact destinations are found by their hash, patterns in a trie of segments.
// Only patterns with a segment that begins with a wildcard and goes on with
// something else ("*.IBM", "{x:[0-9]+}") are tried one after another, and only
// where the segments before them match.
//
// It is safe for concurrent use. Add and Remove take a lock that look-ups do not,
// and touch only what they change, so their time does not grow with the index.
type Index[V any] struct {
	sep   Separator
	exact tables[V]  // exact destinations
	inner tables[V]  // literal children in the tries; tables of their own, because they stay small
	roots [2]node[V] // the tries of patterns without and with a leading separator
	size  atomic.Int64

	mu sync.Mutex // of Add and Remove
}

// NewIndex returns an empty index of patterns with the given separator.
func NewIndex[V any](sep Separator) *Index[V] { return &Index[V]{sep: sep} }

// Add adds a value under a pattern and returns what [Index.Remove] takes to remove
// it. The same value may be added many times, also under one pattern. Add panics
// if the pattern was parsed with another separator than the index's.
func (ix *Index[V]) Add(p Pattern, v V) *Entry[V] {
	if p.sep != ix.sep {
		panic(fmt.Sprintf("destination: pattern %q with separator %q added to an index with separator %q", p.text, p.sep, ix.sep))
	}
	ix.mu.Lock()
	defer ix.mu.Unlock()
	ix.size.Add(1)
	return ix.place(p).push(v)
}

// Remove removes what Add added. Look-ups that begin after it has returned do not
// find it. Removing it again does nothing.
func (ix *Index[V]) Remove(e *Entry[V]) {
	ix.mu.Lock()
	defer ix.mu.Unlock()
	n := e.node
	if n == nil {
		return
	}
	ix.size.Add(-1)
	n.pull(e)
	for n.parent != nil && n.vacant() {
		ix.detach(n)
		n = n.parent
	}
}

// Len returns the number of values.
func (ix *Index[V]) Len() int { return int(ix.size.Load()) }

// Match ranges over the values of all patterns that match the destination. What is
// in the index during the whole loop is visited exactly once; what is added or
// removed meanwhile, also by the loop itself, at most once.
func (ix *Index[V]) Match(dest string) iter.Seq[V] {
	return func(yield func(V) bool) { ix.lookUp(dest, yield) }
}

// place returns the node of a pattern, making what is missing.
func (ix *Index[V]) place(p Pattern) *node[V] {
	if p.prog == nil {
		return ix.makeChild(&ix.roots[0], whole, p.text, false)
	}
	n := &ix.roots[0]
	if p.prog.rooted {
		n = &ix.roots[1]
	}
	for i := range p.prog.segs {
		switch s := &p.prog.segs[i]; s.kind {
		case literal:
			n = ix.makeChild(n, edge, s.text, i+1 < len(p.prog.segs))
		case deep:
			n = n.makeDeep(s)
		default:
			if prefix := s.prefix(); prefix != "" {
				n = ix.makeChild(n, bucket, prefix[:min(len(prefix), maxPrefix)], true)
			}
			n = n.makeWild(s)
		}
	}
	return n
}

// maxPrefix is the highest bit of branch.lengths.
const maxPrefix = 63

// makeChild returns the child of n that the table holds, making it if it is missing;
// branches says whether it is going to have children.
func (ix *Index[V]) makeChild(n *node[V], r role, text string, branches bool) *node[V] {
	sum := n.hash(r, text)
	table := ix.tables(r).make(sum)
	if c := table.find(n, sum, text); c != nil {
		return c
	}
	c := n.newChild(text, sum, branches)
	table.insert(c)
	if r != whole {
		n.branches().count(c)
	}
	return c
}

func (ix *Index[V]) tables(r role) *tables[V] {
	if r == whole {
		return &ix.exact
	}
	return &ix.inner
}

// detach takes an empty node out of its parent.
func (ix *Index[V]) detach(n *node[V]) {
	b := n.parent.branch.Load()
	switch n.role() {
	case whole:
		ix.exact.of(n.sum).remove(n, 0)
	case edge, bucket:
		b.discount(n)
		ix.inner.of(n.sum).remove(n, 0)
	case link:
		if n.isDeep() {
			b.deep.Store(nil)
		} else {
			unchain(&b.wild, n)
		}
	}
}
