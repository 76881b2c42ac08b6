package destination

import "sync/atomic"

// list holds the values of one node: for readers as a chain of items, for Add and
// Remove with the way back. Removing an item only bends the link that leads to it: a
// look-up that stands on it goes on along the item's own link and misses nothing that
// stays. With a chain, adding and removing take the same time for one value as for a
// hundred thousand.
type list[V any] struct {
	head atomic.Pointer[item[V]]
	tail *item[V]
}

type item[V any] struct {
	next  atomic.Pointer[item[V]]
	prev  *item[V]
	value V
}

// Entry is a value in an [Index], as [Index.Add] returned it. It belongs to that
// index.
type Entry[V any] struct {
	node *node[V] // nil once removed
	item *item[V] // apart, so that a kept entry keeps no removed items
}

func (l *list[V]) empty() bool { return l.head.Load() == nil }

// push adds a value at the end, where look-ups under way still come by.
func (n *node[V]) push(v V) *Entry[V] {
	i := &item[V]{prev: n.tail, value: v}
	n.tail = i
	n.before(i).Store(i)
	return &Entry[V]{node: n, item: i}
}

// pull removes an entry of n.
func (n *node[V]) pull(e *Entry[V]) {
	i := e.item
	next := i.next.Load()
	n.before(i).Store(next)
	if next != nil {
		next.prev = i.prev
	} else {
		n.tail = i.prev
	}
	*e = Entry[V]{}
}

// before returns the link that leads to i.
func (l *list[V]) before(i *item[V]) *atomic.Pointer[item[V]] {
	if i.prev == nil {
		return &l.head
	}
	return &i.prev.next
}
