package transport

import (
	"sync"
	"sync/atomic"
)

// flushBytes is what a flusher joins into one write.
const flushBytes = 64 << 10

// keepFrames is the largest queue whose memory is used again.
const keepFrames = 128

// flusher writes what waits in the outboxes that were dealt to it. It goes
// round all that became dirty, once each and in that order; whoever is sent
// something meanwhile is in the next round. While it goes round, frames pile
// up behind it: that is what makes one write of many.
type flusher struct {
	server  *Server
	frames  atomic.Uint64
	bytes   atomic.Uint64
	dropped atomic.Uint64

	// Of the connections that were dealt to it, by what their protocol calls them.
	received, sent tally

	mu       sync.Mutex
	wake     sync.Cond
	dirty    []*outbox
	sleeping bool
	stopped  bool

	// What follows belongs to the flusher's goroutine.
	round []*outbox // the list that is being gone round
	spare []*Frame  // an empty queue for the next outbox
	buf   []byte
	now   int64 // when the round began: exact enough for heart-beats
}

func newFlusher(s *Server) *flusher {
	f := &flusher{server: s, buf: make([]byte, 0, flushBytes)}
	f.wake.L = &f.mu
	return f
}

// add puts a dirty outbox on the list.
func (f *flusher) add(o *outbox) {
	f.mu.Lock()
	f.dirty = append(f.dirty, o)
	if f.sleeping {
		f.sleeping = false
		f.wake.Signal()
	}
	f.mu.Unlock()
}

// stop lets run return once nothing is dirty.
func (f *flusher) stop() {
	f.mu.Lock()
	f.stopped = true
	f.sleeping = false
	f.wake.Signal()
	f.mu.Unlock()
}

func (f *flusher) run() {
	for f.next() {
		f.now = f.server.now()
		for i, o := range f.round {
			f.round[i] = nil
			o.flush(f)
		}
	}
}

// next waits for dirty outboxes and makes them the round.
func (f *flusher) next() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	for len(f.dirty) == 0 {
		if f.stopped {
			return false
		}
		f.sleeping = true
		f.wake.Wait()
	}
	f.round, f.dirty = f.dirty, f.round[:0]
	return true
}

// keep makes a written queue the next outbox's, unless it is large: a burst
// must not stay as the memory of an idle connection.
func (f *flusher) keep(frames []*Frame) {
	clear(frames)
	if cap(frames) <= keepFrames {
		f.spare = frames[:0]
	}
}

// wrote counts frames, which mostly have the name of the one before.
func (f *flusher) wrote(frames []*Frame, bytes int) {
	f.frames.Add(uint64(len(frames)))
	f.bytes.Add(uint64(bytes))
	for len(frames) > 0 {
		n := 1
		for n < len(frames) && frames[n].name == frames[0].name {
			n++
		}
		f.sent.add(frames[0].name, n)
		frames = frames[n:]
	}
}
