package interceptor

import (
	"context"
	"sync"
	"time"

	"github.com/headrace/headrace/message"
)

// alarm is the one timer that an interceptor has for a session. What it calls runs on
// the timer's goroutine.
type alarm struct {
	session *message.Session
	ring    func()

	mu      sync.Mutex
	timer   *time.Timer
	stopped bool
	turn    int                // of the call that began last
	cancel  context.CancelFunc // of that call while it runs, or nil
	calls   sync.WaitGroup
}

// set makes the alarm ring after d, in place of what was set before. It does nothing
// once the alarm is stopped.
func (a *alarm) set(d time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case a.stopped:
	case a.timer == nil:
		a.timer = time.AfterFunc(d, a.ring)
	default:
		a.timer.Reset(d)
	}
}

// stop ends the alarm, and waits for a call that runs.
func (a *alarm) stop() {
	a.mu.Lock()
	a.stopped = true
	if a.timer != nil {
		a.timer.Stop()
	}
	if a.cancel != nil {
		a.cancel()
	}
	a.mu.Unlock()
	a.calls.Wait()
}

// call calls a function of the program, which has a limited time and is told when the
// alarm is stopped, or rings anew and calls again. A panic of it is an error. It reports
// false when one of both came before the function has returned.
func (a *alarm) call(limit time.Duration, f func(context.Context) error) (ok bool, err error) {
	ctx, cancel := context.WithTimeout(a.session.Context(), limit)
	defer cancel()
	a.mu.Lock()
	if a.stopped {
		a.mu.Unlock()
		return false, nil
	}
	if a.cancel != nil {
		a.cancel()
	}
	a.turn++
	turn := a.turn
	a.cancel = cancel
	a.calls.Add(1)
	a.mu.Unlock()
	defer a.calls.Done()
	err = func() (err error) {
		defer message.Recover(&err)
		return f(ctx)
	}()
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.turn != turn {
		return false, err
	}
	a.cancel = nil
	return !a.stopped, err
}

// ended reports whether a session is over, or about to be because its node is closed.
func ended(s *message.Session) bool {
	select {
	case <-s.Done():
		return true
	default:
		return s.Context().Err() != nil
	}
}
