package destination

import (
	"hash/maphash"
	"sync/atomic"
)

// role says how a node is reached from its parent.
type role uint64

const (
	whole  role = iota // by table: an exact destination
	edge               // by table: a literal segment
	bucket             // by table: a literal prefix that segments with wildcards share
	link               // by branch.wild or branch.deep
)

// node is a place in the index: an exact destination, or what patterns with the
// same beginning share. Its fields are written under the index's lock; look-ups
// read the atomic ones and those that never change. A node that became empty is
// detached and never used again, so a look-up that still holds it rightly finds it
// empty. A node fills one cache line; what few nodes need is in branch.
type node[V any] struct {
	parent *node[V]
	text   string // the destination, literal or prefix
	sum    uint64 // hash of the way here; its upper two bits are the role
	branch atomic.Pointer[branch[V]]
	list[V]
}

// branch is the part of a node that leads to its children and siblings.
type branch[V any] struct {
	seg     *segment                // that leads to this node itself, if its role is link
	sibling atomic.Pointer[node[V]] // the next in the same chain: a table's slot or branch.wild
	wild    atomic.Pointer[node[V]] // children for one segment with wildcards
	deep    atomic.Pointer[node[V]] // child for "**"
	lengths atomic.Uint64           // the lengths, as bits, of the prefixes of the buckets
	buckets int32

	// Literal children are in the table. The one that came when there were none is
	// also here, because most nodes have one only. As long as edges is above 0, only
	// is never set, so a look-up that reads edges == 1 and then only != nil has read
	// that one child.
	edges atomic.Int32
	only  atomic.Pointer[node[V]]
}

var seed = maphash.MakeSeed()

const roleShift = 62

// hash returns the sum of a child. It leaves the parent out for exact destinations,
// whose parent is always the same.
func (n *node[V]) hash(r role, text string) uint64 {
	h := maphash.String(seed, text)
	if r != whole {
		h ^= n.sum * 0x9e3779b97f4a7c15 // odd: sums stay apart in every bit that the table uses
		h ^= h >> 29
	}
	return h<<2>>2 | uint64(r)<<roleShift
}

func (n *node[V]) role() role { return role(n.sum >> roleShift) }

// branches returns the branch of n, making it if it is missing.
func (n *node[V]) branches() *branch[V] {
	b := n.branch.Load()
	if b == nil {
		b = new(branch[V])
		n.branch.Store(b)
	}
	return b
}

// newChild returns a child that is not yet reachable. If it is going to branch, both
// parts are one object: a look-up reads them one after the other.
func (n *node[V]) newChild(text string, sum uint64, branches bool) *node[V] {
	if !branches {
		return &node[V]{parent: n, text: text, sum: sum}
	}
	c := &struct {
		node[V]
		branch branch[V]
	}{node: node[V]{parent: n, text: text, sum: sum}}
	c.node.branch.Store(&c.branch)
	return &c.node
}

// newLink is newChild for a segment with wildcards.
func (n *node[V]) newLink(s *segment) *node[V] {
	c := n.newChild("", n.hash(link, s.text), true)
	c.branches().seg = s
	return c
}

// sibling returns the next node in the same chain, or nil.
func (n *node[V]) sibling() *node[V] {
	if b := n.branch.Load(); b != nil {
		return b.sibling.Load()
	}
	return nil
}

// vacant reports whether nothing is reached through n.
func (n *node[V]) vacant() bool {
	if !n.empty() {
		return false
	}
	b := n.branch.Load()
	return b == nil || b.deep.Load() == nil && b.leaf()
}

// isDeep reports whether n is reached by "**".
func (n *node[V]) isDeep() bool {
	return n.role() == link && n.branch.Load().seg.kind == deep
}

// matches reports whether the segment that leads to n matches.
func (n *node[V]) matches(text string) bool {
	if n.role() == link {
		return n.branch.Load().seg.match(text, nil)
	}
	return n.text == text
}

// leaf reports whether there are no children for a segment.
func (b *branch[V]) leaf() bool {
	return b.edges.Load() == 0 && b.wild.Load() == nil && b.lengths.Load() == 0
}

// makeDeep returns the child of n for "**", making it if it is missing.
func (n *node[V]) makeDeep(s *segment) *node[V] {
	b := n.branches()
	c := b.deep.Load()
	if c == nil {
		c = n.newLink(s)
		b.deep.Store(c)
	}
	return c
}

// makeWild returns the child of n for a segment with wildcards, making it if it is
// missing.
func (n *node[V]) makeWild(s *segment) *node[V] {
	b := n.branches()
	first := b.wild.Load()
	for c := first; c != nil; c = c.sibling() {
		if c.branch.Load().seg.text == s.text {
			return c
		}
	}
	c := n.newLink(s)
	c.branches().sibling.Store(first)
	b.wild.Store(c)
	return c
}

// count takes note of a child that is in the table.
func (b *branch[V]) count(c *node[V]) {
	switch c.role() {
	case edge:
		if b.edges.Load() == 0 {
			b.only.Store(c)
		}
		b.edges.Add(1)
	case bucket:
		b.buckets++
		b.lengths.Or(1 << len(c.text))
	}
}

// discount takes note that a child is going to leave the table.
func (b *branch[V]) discount(c *node[V]) {
	switch c.role() {
	case edge:
		b.only.CompareAndSwap(c, nil)
		b.edges.Add(-1)
	case bucket:
		if b.buckets--; b.buckets == 0 {
			b.lengths.Store(0)
		}
	}
}

// unchain takes n out of a chain of siblings. It keeps its own link, so a look-up
// that stands on it goes on.
func unchain[V any](head *atomic.Pointer[node[V]], n *node[V]) {
	for head.Load() != n {
		head = &head.Load().branches().sibling
	}
	head.Store(n.sibling())
}
