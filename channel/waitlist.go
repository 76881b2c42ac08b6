package channel

import "slices"

// waitlist is a list of goroutines that wait, the longest first. Its owner's
// lock guards it.
type waitlist struct {
	list []chan struct{}
}

func (w *waitlist) add() chan struct{} {
	ch := make(chan struct{})
	w.list = append(w.list, ch)
	return ch
}

// remove takes ch off the list. It reports false when ch was woken before: whoever
// gives up then owes its wake-up to another one.
func (w *waitlist) remove(ch chan struct{}) bool {
	i := slices.Index(w.list, ch)
	if i >= 0 {
		w.list = slices.Delete(w.list, i, i+1)
	}
	return i >= 0
}

// wake wakes the first n.
func (w *waitlist) wake(n int) {
	n = min(n, len(w.list))
	for _, ch := range w.list[:n] {
		close(ch)
	}
	if w.list = slices.Delete(w.list, 0, n); len(w.list) == 0 {
		w.list = nil
	}
}
