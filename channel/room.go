package channel

import (
	"sync"
	"sync/atomic"
)

// room counts the messages under way against a limit, and is the one gate that
// closes: after close nobody enters, and whoever leaves last knows it.
type room struct {
	limit   int64
	state   atomic.Int64 // how many are in, and roomClosed
	waiting atomic.Int64

	mu      sync.Mutex
	senders waitlist
}

const roomClosed = 1 << 62

// enter takes up to n places and returns how many. It returns [ErrFull] or
// [ErrClosed] when there is none.
func (r *room) enter(n int64) (int64, error) {
	for {
		in := r.state.Load()
		if in&roomClosed != 0 {
			return 0, ErrClosed
		}
		n = min(n, r.limit-in)
		if n <= 0 {
			return 0, ErrFull
		}
		if r.state.CompareAndSwap(in, in+n) {
			return n, nil
		}
	}
}

// leave gives n places back and reports whether nobody is left and nobody can
// come.
func (r *room) leave(n int64) (over bool) {
	if n == 0 {
		return false
	}
	left := r.state.Add(-n)
	if r.waiting.Load() > 0 {
		r.wake(int(n))
	}
	return left == roomClosed
}

// close lets nobody in any more and reports whether nobody is in.
func (r *room) close() (over bool) {
	return r.state.Or(roomClosed)&^roomClosed == 0
}

// wait returns what is closed when it is worth another try.
func (r *room) wait() chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	ch := r.senders.add()
	r.waiting.Add(1)
	if free := r.limit - r.used(); free > 0 { // given back meanwhile by somebody who saw nobody wait
		r.wakeLocked(int(free))
	}
	return ch
}

// wake lets n of those who wait try again.
func (r *room) wake(n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.wakeLocked(n)
}

func (r *room) wakeLocked(n int) {
	r.senders.wake(n)
	r.waiting.Store(int64(len(r.senders.list)))
}

// forget takes ch off the list of those who wait and reports whether it was
// there.
func (r *room) forget(ch chan struct{}) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	found := r.senders.remove(ch)
	r.waiting.Store(int64(len(r.senders.list)))
	return found
}

// contended reports whether places may not be kept: somebody waits for one, or
// the room is closed.
func (r *room) contended() bool { return r.waiting.Load() > 0 || r.closed() }

func (r *room) used() int64 { return r.state.Load() &^ roomClosed }

// closed reports whether close was called.
func (r *room) closed() bool { return r.state.Load()&roomClosed != 0 }
