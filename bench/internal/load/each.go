package load

import "sync"

// Each makes n things, at most so many at once, and returns them in order, with
// the first error.
func Each[T any](n, atOnce int, one func(i int) (T, error)) ([]T, error) {
	all, next := make([]T, n), 0
	var (
		mu     sync.Mutex
		failed error
		done   sync.WaitGroup
	)
	for range min(n, atOnce) {
		done.Go(func() {
			for {
				mu.Lock()
				i := next
				next++
				over := i >= n || failed != nil
				mu.Unlock()
				if over {
					return
				}
				v, err := one(i)
				mu.Lock()
				if all[i] = v; err != nil && failed == nil {
					failed = err
				}
				mu.Unlock()
			}
		})
	}
	done.Wait()
	return all, failed
}
