package messagetest

import (
	"context"
	"sync"
	"time"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/message"
)

// settlement lets one of two members of a group end what it gets as it should not: the
// other gets all that. What is settled, however late, comes to nobody again. Members have
// nothing to settle where the engine has no acknowledgements.
func settlement(w *wire) {
	if !w.features.Queues {
		return
	}
	w.unsettled("error", func(*message.Completion) error { return errRefused })
	w.unsettled("release", func(done *message.Completion) error {
		done.Hold()
		done.Release(errRefused)
		return nil
	})
	w.unsettled("never", func(done *message.Completion) error {
		done.Hold()
		return nil
	})
	w.settledLate()
}

const settlements = 10

// unsettled gives envelopes to a member that settles none of them, and leaves while there
// is another one.
func (w *wire) unsettled(name string, do func(*message.Completion) error) {
	w.t.Helper()
	first, stop := w.settler(name, do)
	w.eventually("something came to the first member", first.has(1))
	if w.nothingToSettle(first) {
		return
	}
	other := w.subscribe(w.b, w.name+"-"+name, "group")
	stop()
	y := w.tally()
	y.s.features.Ordered = false // what comes again has no place
	for _, e := range w.received(other, settlements) {
		y.add(0, e.Payload)
	}
}

// settledLate gives envelopes to a member that settles each after a while.
func (w *wire) settledLate() {
	var settling sync.WaitGroup
	first, stop := w.settler("late", func(done *message.Completion) error {
		done.Hold()
		settling.Add(1)
		time.AfterFunc(10*time.Millisecond, func() {
			defer settling.Done()
			done.Release(nil)
		})
		return nil
	})
	w.eventually("all came to the first member", first.has(settlements))
	if w.nothingToSettle(first) {
		return
	}
	settling.Wait()
	other := w.subscribe(w.b, w.name+"-late", "group")
	stop()
	w.send(w.a, w.name+"-late", "end")
	if e := w.received(other, 1)[0]; e.ID != "end" {
		w.t.Errorf("%s came again, and it was settled", e.ID)
	}
}

// settler subscribes a member and publishes what it gets.
func (w *wire) settler(name string, do func(*message.Completion) error) (s *settler, stop func()) {
	s = &settler{do: do, seen: make(map[string]bool)}
	stop, err := w.a.Subscribe(w.t.Context(), w.name+"-"+name, "group", s.receive)
	w.must(err)
	stop = sync.OnceFunc(stop)
	w.t.Cleanup(stop)
	for i := range settlements {
		w.send(w.b, w.name+"-"+name, stream{0, i}.String())
	}
	return s, stop
}

// nothingToSettle reports whether the engine has no acknowledgements.
func (w *wire) nothingToSettle(s *settler) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.none && w.features.Acks {
		w.t.Error("there is nothing to settle, and the engine has acknowledgements")
	}
	return s.none
}

// settler is a member that does something with each envelope when it comes for the
// first time, and leaves it to others later.
type settler struct {
	do func(*message.Completion) error

	mu   sync.Mutex
	seen map[string]bool
	none bool // there is nothing to settle
}

func (s *settler) receive(_ context.Context, e broker.Envelope) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.none = s.none || e.Done == nil
	if s.none || s.seen[e.ID] {
		return errRefused
	}
	s.seen[e.ID] = true
	return s.do(e.Done)
}

// has reports whether n came, or there is nothing to settle.
func (s *settler) has(n int) func() bool {
	return func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return len(s.seen) >= n || s.none
	}
}
