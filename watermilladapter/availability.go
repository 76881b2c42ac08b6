package watermilladapter

import "sync"

// availability is what the last calls of the engine tell of it.
type availability struct {
	mu       sync.Mutex
	down     bool
	watchers map[*func(bool)]struct{}
}

// is notes whether the engine is there.
func (a *availability) is(available bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.down == !available {
		return
	}
	a.down = !available
	for changed := range a.watchers {
		(*changed)(available)
	}
}

func (a *availability) watch(changed func(available bool)) (stop func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.watchers == nil {
		a.watchers = make(map[*func(bool)]struct{})
	}
	a.watchers[&changed] = struct{}{}
	changed(!a.down)
	return func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		delete(a.watchers, &changed)
	}
}
