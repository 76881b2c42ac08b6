package watermilladapter

import "sync"

// watchers are functions that are told of something, one at a time. The lock is held by
// who adds one and by who tells.
type watchers[T any] struct {
	mu  sync.Mutex
	all map[*func(T)]struct{}
}

func (w *watchers[T]) tell(what T) {
	for told := range w.all {
		(*told)(what)
	}
}

func (w *watchers[T]) add(told func(T)) (remove func()) {
	if w.all == nil {
		w.all = make(map[*func(T)]struct{})
	}
	w.all[&told] = struct{}{}
	return func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		delete(w.all, &told)
	}
}
