package site

import (
	"sync"
	"time"

	"github.com/headrace/headrace/bench/internal/child"
)

// Watch asks a child several times a second how many slow clients it has cut.
// Nobody else asks the child meanwhile. What it saw is told after Stop.
type Watch struct {
	// Process is the child.
	Process *child.Process

	cut  uint64
	last time.Duration // when the number last grew
	peak uint64        // of the heap and stacks
	stop chan struct{}
	done sync.WaitGroup
}

// Start begins to watch.
func (w *Watch) Start() {
	w.stop = make(chan struct{})
	start := time.Now()
	w.done.Go(func() {
		tick := time.NewTicker(200 * time.Millisecond)
		defer tick.Stop()
		for {
			s, err := Ask(w.Process)
			if err != nil {
				return
			}
			if n := s.Closed["buffer_limit"] + s.Closed["send_limit"]; n > w.cut {
				w.cut, w.last = n, time.Since(start)
			}
			w.peak = max(w.peak, s.Live)
			select {
			case <-tick.C:
			case <-w.stop:
				return
			}
		}
	})
}

// Stop ends watching.
func (w *Watch) Stop() {
	if w.stop != nil {
		close(w.stop)
		w.done.Wait()
	}
}

// Cut returns how many were cut, and when the last one was.
func (w *Watch) Cut() (n int, last time.Duration) { return int(w.cut), w.last }

// Peak returns the most bytes of heap and stacks that were seen.
func (w *Watch) Peak() uint64 { return w.peak }
