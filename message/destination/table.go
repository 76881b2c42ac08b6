package destination

import "sync/atomic"

const (
	slotBits  = 6
	slotCount = 1 << slotBits
)

// table is a hash trie of nodes, by node.sum. A slot holds either the nodes of one
// sum, chained, or an inner table for the next bits. Add and Remove change single
// slots; nothing is ever copied or rebuilt as it grows. A look-up reads without a
// lock.
type table[V any] struct {
	nodes [slotCount]atomic.Pointer[node[V]]
	inner atomic.Pointer[[slotCount]atomic.Pointer[table[V]]] // apart, as most tables have none
	used  int                                                 // slots
}

// find returns the child of parent with the given sum and text, or nil. It reads a
// slot's nodes before its inner table because Add writes them the other way round.
func (t *table[V]) find(parent *node[V], sum uint64, text string) *node[V] {
	for rest := sum; ; rest >>= slotBits {
		i := rest % slotCount
		if n := t.nodes[i].Load(); n != nil {
			for ; n != nil && n.sum == sum; n = n.sibling.Load() {
				if n.parent == parent && n.text == text {
					return n
				}
			}
			return nil
		}
		inner := t.inner.Load()
		if inner == nil {
			return nil
		}
		if t = inner[i].Load(); t == nil {
			return nil
		}
	}
}

// insert adds a node that the table does not hold.
func (t *table[V]) insert(n *node[V]) {
	for shift := uint(0); ; shift += slotBits {
		i := n.sum >> shift % slotCount
		next, old := t.innerAt(i), t.nodes[i].Load()
		switch {
		case next != nil:
		case old == nil || old.sum == n.sum:
			if old == nil {
				t.used++
			}
			n.sibling.Store(old)
			t.nodes[i].Store(n)
			return
		default:
			next = &table[V]{used: 1}
			next.nodes[old.sum>>(shift+slotBits)%slotCount].Store(old)
			t.replace(i, next)
		}
		t = next
	}
}

// replace puts an inner table with the same nodes in the place of the nodes.
func (t *table[V]) replace(i uint64, next *table[V]) {
	inner := t.inner.Load()
	if inner == nil {
		inner = new([slotCount]atomic.Pointer[table[V]])
		t.inner.Store(inner)
	}
	inner[i].Store(next)
	t.nodes[i].Store(nil)
}

func (t *table[V]) innerAt(i uint64) *table[V] {
	if inner := t.inner.Load(); inner != nil {
		return inner[i].Load()
	}
	return nil
}

// remove takes out a node that the table, which is shift bits deep, holds, and the
// tables that become empty by it.
func (t *table[V]) remove(n *node[V], shift uint) {
	i := n.sum >> shift % slotCount
	if next := t.innerAt(i); next != nil {
		next.remove(n, shift+slotBits)
		if next.used > 0 {
			return
		}
		t.inner.Load()[i].Store(nil)
	} else {
		unchain(&t.nodes[i], n)
		if t.nodes[i].Load() != nil {
			return
		}
	}
	t.used--
}
