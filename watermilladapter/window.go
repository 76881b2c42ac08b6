package watermilladapter

import (
	"errors"
	"hash/maphash"
	"sync"
	"time"

	"github.com/headrace/headrace/message"
)

// An engine that delivers at least once delivers what it was told of in vain, such
// as an acknowledgement that its crash swallowed, within minutes.
const (
	windowTime = 2 * time.Minute
	windowSize = 16384 // ids at most, about 1.3 MB
)

// window has the ids of what a subscription received, so that what the engine
// delivers again is received once.
type window struct {
	mu     sync.Mutex
	begun  time.Time
	seeds  [2]maphash.Seed
	flying map[string][]*message.Completion // what is under way, with its copies: they end as it does

	// Of what was settled there are no pointers here, for the garbage collector would follow
	// each of them whenever it runs.
	known   map[digest]struct{}
	settled []settled // the oldest first
}

// digest stands for an id: two have the same by a chance of one in 2^128, for nobody knows
// the seeds.
type digest [2]uint64

type settled struct {
	id digest
	at time.Duration // since the window was made
}

func newWindow() *window {
	return &window{
		begun:  time.Now(),
		seeds:  [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()},
		flying: make(map[string][]*message.Completion),
		known:  make(map[digest]struct{}),
	}
}

func (w *window) digest(id string) digest {
	return digest{maphash.String(w.seeds[0], id), maphash.String(w.seeds[1], id)}
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
	for before := time.Since(w.begun) - windowTime; n < len(w.settled) && w.settled[n].at < before; n++ {
	}
	w.forget(n)
	if copies, ok := w.flying[id]; ok {
		done.Hold()
		w.flying[id] = append(copies, done)
		return false
	}
	if _, ok := w.known[w.digest(id)]; ok {
		return false
	}
	w.flying[id] = nil
	return true
}

// settle ends what began. What failed is new when it comes again.
func (w *window) settle(id string, err error) {
	if id == "" {
		return
	}
	w.mu.Lock()
	copies := w.flying[id]
	delete(w.flying, id)
	if err == nil || errors.Is(err, message.ErrDropped) {
		s := settled{w.digest(id), time.Since(w.begun)}
		w.known[s.id] = struct{}{}
		w.settled = append(w.settled, s)
		w.forget(len(w.settled) - windowSize)
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
		delete(w.known, s.id)
	}
	w.settled = w.settled[n:]
}
