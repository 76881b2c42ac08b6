package watermilladapter

import (
	"slices"
	"sync"
	"time"
)

// underway has the deliveries that are not settled yet, so that Close can end
// them, and their timers, so that none outlives the source.
type underway struct {
	mu     sync.Mutex
	closed bool
	all    map[*delivery]struct{}
	told   told
	timers sync.WaitGroup // those that are set or at work
}

// open begins a delivery and its deadline, unless the source is closed.
func (s *Source) open(d *delivery) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	s.all[d] = struct{}{}
	if s.config.AckDeadline > 0 {
		d.set(s.config.AckDeadline, d.expire)
	}
	return true
}

func (s *Source) forget(d *delivery) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.all, d)
	s.told.add(d)
}

// flush gives the engine time to take what it was told.
func (s *Source) flush() {
	s.mu.Lock()
	last := slices.Clone(s.told.last)
	s.mu.Unlock()
	wait(last)
}

// abandon refuses all that is under way and stops its timers.
func (s *Source) abandon() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	for d := range s.all {
		d.unset()
		d.message.Nack()
		d.cancel(nil)
		s.told.add(d)
	}
}

// arm calls f after a while, unless the source is closed.
func (d *delivery) arm(after time.Duration, f func()) bool {
	d.source.mu.Lock()
	defer d.source.mu.Unlock()
	if d.source.closed {
		return false
	}
	d.set(after, f)
	return true
}

func (d *delivery) disarm() {
	d.source.mu.Lock()
	defer d.source.mu.Unlock()
	d.unset()
}

// set is called with the lock.
func (d *delivery) set(after time.Duration, f func()) {
	timers := &d.source.timers
	timers.Add(1)
	d.timer = time.AfterFunc(after, func() {
		defer timers.Done()
		f()
	})
}

// unset is called with the lock.
func (d *delivery) unset() {
	if d.timer != nil && d.timer.Stop() {
		d.source.timers.Done()
	}
}
