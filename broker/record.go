package broker

import (
	"time"

	"github.com/headrace/headrace/message"
)

// record is a message that is kept.
type record struct {
	m    message.Raw
	at   time.Time
	size int
}

// records are the last messages of a topic, in a ring that grows.
type records struct {
	ring  []*record
	first int // where the oldest is
	n     int
}

// at returns the i-th of them, the oldest first.
func (rs *records) at(i int) *record { return rs.ring[(rs.first+i)%len(rs.ring)] }

// push adds one as the newest.
func (rs *records) push(r *record) {
	if rs.n == len(rs.ring) {
		ring := make([]*record, max(4, 2*rs.n))
		for i := range rs.n {
			ring[i] = rs.at(i)
		}
		rs.ring, rs.first = ring, 0
	}
	rs.ring[(rs.first+rs.n)%len(rs.ring)] = r
	rs.n++
}

// pop takes the oldest off.
func (rs *records) pop() *record {
	r := rs.ring[rs.first]
	rs.ring[rs.first] = nil
	rs.first = (rs.first + 1) % len(rs.ring)
	rs.n--
	return r
}
