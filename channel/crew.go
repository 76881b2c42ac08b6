package channel

import (
	"sync"
	"sync/atomic"
	"time"
)

const (
	stallTick  = time.Millisecond // the ready queue stood still for so long: workers are blocked
	idleExpiry = 10 * time.Second // after which a worker above the usual number goes
	idleTicks  = 4                // how finely idleExpiry is measured
)

// worker is one goroutine of a crew.
type worker[E any] struct {
	wake   chan struct{}
	parked uint // the crew's age when it went idle
	busy   bool // with entry
	entry  E
	since  uint32 // the moment at which it took entry
}

// rouse wakes an idle worker; nil is nobody.
func (w *worker[E]) rouse() {
	if w != nil {
		w.wake <- struct{}{} // buffered, and only who took it off the idle list sends
	}
}

// crew runs the workers of an executor on entries of type E. There are size of
// them while handlers do not block; when the ready queue stands still more are
// started, twice as many at each tick, so that a few hundred blocked handlers
// hold the others up for some milliseconds only.
type crew[E any] struct {
	size, limit int
	// hire returns the work of a new worker: it handles an entry that was taken
	// at that moment and reports whether the entry must become ready again.
	hire func() func(e E, since uint32) (more bool)
	// moment is counted up by every tick, under the lock; a worker sees by it
	// that time passes.
	moment *atomic.Uint32

	mu       sync.Mutex
	ready    fifo[E]
	staff    map[*worker[E]]struct{}
	idle     []*worker[E] // the last to go idle is the first to work again
	count    int
	waking   bool   // a woken worker has not looked at the queue yet: no need for another
	moved    uint64 // entries that left the ready queue
	seen     uint64 // moved at the last tick
	started  uint64 // workers that the last tick started; each moves one entry at once
	watching bool
	watch    *time.Timer
	reaping  bool
	reap     *time.Timer
	age      uint // in ticks of the reaper
	stopped  bool
	wg       sync.WaitGroup
}

// push makes e ready. It never blocks.
func (c *crew[E]) push(e E) {
	c.mu.Lock()
	c.ready.push(e)
	c.arm()
	w := c.muster()
	c.mu.Unlock()
	w.rouse()
}

// muster sees to it that somebody comes for what is ready, and returns the
// worker to rouse once the lock is given back, or nil.
func (c *crew[E]) muster() *worker[E] {
	switch n := len(c.idle); {
	case c.waking:
		return nil // it will muster the next one
	case n > 0:
		w := c.idle[n-1]
		c.idle[n-1] = nil
		c.idle = c.idle[:n-1]
		c.waking = true
		return w
	case c.count < c.size:
		c.waking = true
		c.start()
	}
	return nil
}

// start adds a worker. The lock is held.
func (c *crew[E]) start() {
	if c.stopped {
		return
	}
	c.count++
	w := &worker[E]{wake: make(chan struct{}, 1)}
	if c.staff == nil {
		c.staff = make(map[*worker[E]]struct{})
	}
	c.staff[w] = struct{}{}
	c.wg.Go(func() { c.run(w) })
	if c.count > c.size && !c.reaping {
		c.reaping = true
		c.reap = time.AfterFunc(idleExpiry/idleTicks, c.dismissIdle)
	}
}

// arm makes sure that a queue which stands still is noticed, and that workers
// notice when they take long. The lock is held.
func (c *crew[E]) arm() {
	if c.watching || c.stopped {
		return
	}
	c.watching, c.seen, c.started = true, c.moved, 0
	if c.watch == nil {
		c.watch = time.AfterFunc(stallTick, c.tick)
	} else {
		c.watch.Reset(stallTick)
	}
}

func (c *crew[E]) tick() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.moment.Add(1)
	if c.ready.n == 0 || c.stopped || c.count >= c.limit {
		c.watching = false
		return
	}
	stands := c.moved-c.seen <= c.started && len(c.idle) == 0
	c.seen, c.started = c.moved, 0
	if stands {
		for range min(c.ready.n, c.count, c.limit-c.count) {
			c.start()
			c.started++
		}
	}
	c.watch.Reset(stallTick)
}

// dismissIdle sends those home that are above the usual number and had nothing
// to do for idleExpiry.
func (c *crew[E]) dismissIdle() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.age++
	gone := 0
	for gone < len(c.idle) && c.count > c.size && c.age-c.idle[gone].parked > idleTicks {
		c.count--
		close(c.idle[gone].wake)
		delete(c.staff, c.idle[gone])
		gone++
	}
	c.idle = append(c.idle[:0], c.idle[gone:]...)
	if c.count > c.size && !c.stopped {
		c.reap.Reset(idleExpiry / idleTicks)
	} else {
		c.reaping = false
	}
}

func (c *crew[E]) run(w *worker[E]) {
	work := c.hire()
	home := false
	defer func() {
		if !home { // a handler ended the goroutine
			c.replace(w)
		}
	}()
	for e, ok := c.next(w); ok; {
		if work(e, w.since) {
			e = c.swap(w, e)
		} else {
			e, ok = c.next(w)
		}
	}
	home = true
}

// replace takes a worker off the crew that ended before its time.
func (c *crew[E]) replace(w *worker[E]) {
	c.mu.Lock()
	c.count--
	delete(c.staff, w)
	var another *worker[E]
	if c.ready.n > 0 {
		another = c.muster()
	}
	c.mu.Unlock()
	another.rouse()
}

// swap puts e behind what is ready and returns the first of it, which is e
// itself when there is nothing else.
func (c *crew[E]) swap(w *worker[E], e E) E {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.moves(w)
	if c.ready.n == 0 {
		return e
	}
	c.ready.push(e)
	e, _ = c.ready.pop()
	w.entry = e
	return e
}

// next returns a ready entry and waits for one; false sends the worker home.
func (c *crew[E]) next(w *worker[E]) (e E, ok bool) {
	for {
		c.mu.Lock()
		c.waking = false
		e, ok = c.ready.pop()
		w.entry, w.busy = e, ok
		if ok {
			c.moves(w)
			var another *worker[E]
			if c.ready.n > 0 {
				another = c.muster()
			}
			c.mu.Unlock()
			another.rouse()
			return e, true
		}
		if c.stopped {
			c.count--
			delete(c.staff, w)
			c.mu.Unlock()
			return e, false
		}
		w.parked = c.age
		c.idle = append(c.idle, w)
		c.mu.Unlock()
		if _, ok := <-w.wake; !ok {
			return e, false
		}
	}
}

// moves counts an entry that w takes, and makes sure that a tick is to come: w
// may take long when nothing becomes ready any more. The lock is held.
func (c *crew[E]) moves(w *worker[E]) {
	c.arm()
	c.moved++
	w.since = c.moment.Load()
}

// dropOldest takes the entry that has waited longest away.
func (c *crew[E]) dropOldest() (e E, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ready.pop()
}

// stop sends all workers home once nothing is ready, and waits for them.
func (c *crew[E]) stop() {
	c.mu.Lock()
	c.stopped = true
	for _, t := range []*time.Timer{c.watch, c.reap} {
		if t != nil {
			t.Stop()
		}
	}
	c.count -= len(c.idle)
	for _, w := range c.idle {
		close(w.wake)
		delete(c.staff, w)
	}
	c.idle = nil
	c.mu.Unlock()
	c.wg.Wait()
}

// taken returns the entries that workers are busy with.
func (c *crew[E]) taken() (entries []E) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for w := range c.staff {
		if w.busy {
			entries = append(entries, w.entry)
		}
	}
	return entries
}

// waiting returns how many entries are ready and wait for a worker.
func (c *crew[E]) waiting() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ready.n
}

func (c *crew[E]) workers() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.count
}
