package watermilladapter

import "sync"

// misses are those who are told what subscriptions did not get.
type misses struct {
	mu       sync.Mutex
	watchers map[*func(string)]struct{}
}

func (w *misses) tell(topic string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for missed := range w.watchers {
		(*missed)(topic)
	}
}

func (w *misses) watch(missed func(topic string)) (stop func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.watchers == nil {
		w.watchers = make(map[*func(string)]struct{})
	}
	w.watchers[&missed] = struct{}{}
	return func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		delete(w.watchers, &missed)
	}
}
