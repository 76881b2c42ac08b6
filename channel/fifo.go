package channel

// fifo is a queue in a ring that grows as needed; its users bound it. The zero
// value is empty.
type fifo[E any] struct {
	ring []E // its length is a power of two, or zero
	head int
	n    int
}

func (q *fifo[E]) push(e E) {
	if q.n == len(q.ring) {
		q.resize(max(8, 2*len(q.ring)))
	}
	q.ring[(q.head+q.n)&(len(q.ring)-1)] = e
	q.n++
}

func (q *fifo[E]) pop() (e E, ok bool) {
	if q.n == 0 {
		return e, false
	}
	var zero E
	e, q.ring[q.head] = q.ring[q.head], zero
	q.head = (q.head + 1) & (len(q.ring) - 1)
	q.n--
	if q.n == 0 && len(q.ring) > 1024 {
		q.ring, q.head = nil, 0 // a burst must not stay as idle memory
	}
	return e, true
}

func (q *fifo[E]) resize(size int) {
	ring := make([]E, size)
	k := copy(ring, q.ring[q.head:])
	copy(ring[k:], q.ring[:q.head])
	q.ring, q.head = ring, 0
}
