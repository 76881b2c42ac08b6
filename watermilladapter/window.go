package watermilladapter

import (
	"errors"
	"sync"
	"time"

	"github.com/headrace/headrace/message"
)

// An engine that delivers at least once delivers what it was told of in vain, such
// as an acknowledgement that its crash swallowed, within minutes.
const (
	windowTime = 2 * time.Minute
	windowSize = 16384 // ids at most, about 2 MB
)

// window has the ids of what a subscription received, so that what the engine
// delivers again is received once.
type window struct {
	mu      sync.Mutex
	all     map[string]*seen
	settled []*seen // the oldest first
}

// seen is one envelope.
type seen struct {
	id      string
	settled time.Time             // zero while it is under way
	copies  []*message.Completion // of those that came meanwhile: they end as the first does
}

// begin reports whether id is new. What was settled is not, and neither is what is
// under way: done then ends as that does.
func (w *window) begin(id string, done *message.Completion) bool {
	if id == "" {
		return true
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	n := 0
	for before := time.Now().Add(-windowTime); n < len(w.settled) && w.settled[n].settled.Before(before); n++ {
	}
	w.forget(n)
	s := w.all[id]
	switch {
	case s == nil:
		w.all[id] = &seen{id: id}
		return true
	case s.settled.IsZero():
		done.Hold()
		s.copies = append(s.copies, done)
	}
	return false
}

// settle ends what began. What failed is new when it comes again.
func (w *window) settle(id string, err error) {
	if id == "" {
		return
	}
	w.mu.Lock()
	s := w.all[id]
	copies := s.copies
	s.copies = nil
	if err == nil || errors.Is(err, message.ErrDropped) {
		s.settled = time.Now()
		w.settled = append(w.settled, s)
		w.forget(len(w.settled) - windowSize)
	} else {
		delete(w.all, id)
	}
	w.mu.Unlock()
	for _, done := range copies {
		done.Release(err)
	}
}

// forget is called with the lock. It forgets the n that were settled first.
func (w *window) forget(n int) {
	if n <= 0 {
		return
	}
	for _, s := range w.settled[:n] {
		delete(w.all, s.id)
	}
	clear(w.settled[:n])
	w.settled = w.settled[n:]
}
