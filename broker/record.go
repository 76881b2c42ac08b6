package broker

import (
	"time"

	"github.com/headrace/headrace/message"
)

// record is a message that is kept. It fills one cache line, and is no object of its
// own, so that a topic that has grown to its bounds allocates nothing.
type record struct {
	header  message.Header
	payload []byte
	at      time.Duration // of the lane's life, if the rule has an age
	size    int
}

func (r *record) message(dest string) message.Raw {
	return message.Raw{Destination: dest, Header: r.header, Payload: r.payload}
}

// records are the last messages of a topic, in a ring that grows and shrinks.
type records struct {
	ring  []record
	first int // where the oldest is
	n     int
}

// at returns the i-th of them, the oldest first. There is one more place behind the
// last one while the ring is not full.
func (rs *records) at(i int) *record {
	if i += rs.first; i >= len(rs.ring) {
		i -= len(rs.ring)
	}
	return &rs.ring[i]
}

// push adds one as the newest.
func (rs *records) push(r record) {
	if rs.n == len(rs.ring) {
		rs.resize(max(4, 2*rs.n))
	}
	*rs.at(rs.n) = r
	rs.n++
}

// pop takes the oldest off and returns its size.
func (rs *records) pop() int {
	r := rs.at(0)
	size := r.size
	*r = record{}
	if rs.first++; rs.first == len(rs.ring) {
		rs.first = 0
	}
	if rs.n--; rs.n < len(rs.ring)/4 {
		rs.resize(len(rs.ring) / 2)
	}
	return size
}

// resize moves them to a ring of so many places.
func (rs *records) resize(places int) {
	ring := make([]record, places)
	for i := range rs.n {
		ring[i] = *rs.at(i)
	}
	rs.ring, rs.first = ring, 0
}
