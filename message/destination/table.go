package destination

import "sync/atomic"

const (
	rootBits  = 8
	rootCount = 1 << rootBits
	slotBits  = 3
	slotCount = 1 << slotBits
)

// tables is a table whose first level is wide, so that those below it are few levels
// although they are narrow: wide ones that hold few nodes would be most of the memory
// that an index takes. There is none until something is added.
type tables[V any] struct {
	root atomic.Pointer[[rootCount]table[V]]
}

// of returns the table for a sum, or nil. It looks at bits that the table itself does
// not.
func (ts *tables[V]) of(sum uint64) *table[V] {
	root := ts.root.Load()
	if root == nil {
		return nil
	}
	return &root[sum>>(roleShift-rootBits)%rootCount]
}

// make is of for those who add.
func (ts *tables[V]) make(sum uint64) *table[V] {
	if ts.root.Load() == nil {
		ts.root.Store(new([rootCount]table[V]))
	}
	return ts.of(sum)
}

// table is a hash trie of nodes, by node.sum. Add and Remove change single slots;
// nothing is ever copied or rebuilt as it grows. A look-up reads without a lock.
type table[V any] [slotCount]slot[V]

// slot holds a node, or a chain of nodes with the same sum, or an inner table for the
// next bits. When the one turns into the other, inner is written first, so a look-up
// reads node first.
type slot[V any] struct {
	node  atomic.Pointer[node[V]]
	inner atomic.Pointer[table[V]]
}

// find returns the child of parent with the given sum and text, or nil.
func (t *table[V]) find(parent *node[V], sum uint64, text string) *node[V] {
	for rest := sum; t != nil; rest >>= slotBits {
		s := &t[rest%slotCount]
		for n := s.node.Load(); n != nil && n.sum == sum; n = n.sibling() {
			if n.parent == parent && n.text == text {
				return n
			}
		}
		t = s.inner.Load()
	}
	return nil
}

// insert adds a node that the table does not hold.
func (t *table[V]) insert(n *node[V]) {
	for shift := uint(0); ; shift += slotBits {
		s := &t[n.sum>>shift%slotCount]
		inner, old := s.inner.Load(), s.node.Load()
		switch {
		case inner != nil:
		case old == nil:
			s.node.Store(n)
			return
		case old.sum == n.sum:
			n.branches().sibling.Store(old)
			s.node.Store(n)
			return
		default:
			inner = new(table[V])
			inner[old.sum>>(shift+slotBits)%slotCount].node.Store(old)
			s.inner.Store(inner)
			s.node.Store(nil)
		}
		t = inner
	}
}

// remove takes out a node that the table, which is shift bits deep, holds, and the
// inner tables that become empty by it. It reports whether t has become empty.
func (t *table[V]) remove(n *node[V], shift uint) bool {
	s := &t[n.sum>>shift%slotCount]
	if inner := s.inner.Load(); inner != nil {
		if !inner.remove(n, shift+slotBits) {
			return false
		}
		s.inner.Store(nil)
	} else if unchain(&s.node, n); s.node.Load() != nil {
		return false
	}
	return t.empty()
}

func (t *table[V]) empty() bool {
	for i := range t {
		if t[i].node.Load() != nil || t[i].inner.Load() != nil {
			return false
		}
	}
	return true
}
