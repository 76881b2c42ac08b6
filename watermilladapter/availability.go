package watermilladapter

// availability is what the last calls of the engine tell of it.
type availability struct {
	watchers[bool]
	down bool
}

// is notes whether the engine is there.
func (a *availability) is(available bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.down == !available {
		return
	}
	a.down = !available
	a.tell(available)
}

func (a *availability) watch(changed func(available bool)) (stop func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	stop = a.add(changed)
	changed(!a.down)
	return stop
}
