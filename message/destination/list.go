package destination

import "sync/atomic"

// list holds the values of one node, for readers as a chain of items, for Add and
// Remove as a ring of entries beside it. Removing an item only bends the link that
// leads to it: a look-up that stands on it goes on along the item's own link and
// misses nothing that stays. With a chain, adding and removing take the same time
// for one value as for a hundred thousand.
type list[V any] struct {
	head atomic.Pointer[item[V]]
	tail *Entry[V]
}

type item[V any] struct {
	next  atomic.Pointer[item[V]]
	value V
}

// Entry is a value in an [Index], as [Index.Add] returned it. It belongs to that
// index.
type Entry[V any] struct {
	node       *node[V] // nil once removed
	item       *item[V] // apart, so that a kept entry keeps no removed items
	prev, next *Entry[V]
}

func (l *list[V]) empty() bool { return l.head.Load() == nil }

// push adds a value at the end, where look-ups under way still come by.
func (n *node[V]) push(v V) *Entry[V] {
	e := &Entry[V]{node: n, item: &item[V]{value: v}, prev: n.tail}
	if e.prev != nil {
		e.prev.next = e
	}
	n.tail = e
	n.before(e).Store(e.item)
	return e
}

// pull removes an entry of n.
func (n *node[V]) pull(e *Entry[V]) {
	n.before(e).Store(e.item.next.Load())
	if e.prev != nil {
		e.prev.next = e.next
	}
	if e.next != nil {
		e.next.prev = e.prev
	} else {
		n.tail = e.prev
	}
	*e = Entry[V]{}
}

// before returns the link that leads to e's item.
func (l *list[V]) before(e *Entry[V]) *atomic.Pointer[item[V]] {
	if e.prev == nil {
		return &l.head
	}
	return &e.prev.item.next
}
