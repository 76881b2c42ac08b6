package broker

import "sync"

// recent are the last messages that came from other nodes, by id: engines may deliver
// one again, and two nodes may send it on to where a user has moved.
type recent struct {
	mu   sync.Mutex
	ring []string
	next int
	ids  map[string]struct{}
}

const maxRecent = 4096

// add notes an id. It is false if it was there.
func (r *recent) add(id string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, ok := r.ids[id]; ok {
		return false
	}
	if r.ids == nil {
		r.ids = make(map[string]struct{})
	}
	if len(r.ring) < maxRecent {
		r.ring = append(r.ring, id)
	} else {
		delete(r.ids, r.ring[r.next])
		r.ring[r.next] = id
		r.next = (r.next + 1) % maxRecent
	}
	r.ids[id] = struct{}{}
	return true
}
