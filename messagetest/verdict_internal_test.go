package messagetest

import (
	"fmt"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// verdict is a testing.TB that may fail without failing the test that holds it.
type verdict struct {
	testing.TB

	mu       sync.Mutex
	said     []string
	cleanups []func()
}

// judge runs a check in virtual time and returns what it complained of.
func judge(t *testing.T, check func(t testing.TB)) (said []string) {
	synctest.Test(t, func(t *testing.T) {
		v := &verdict{TB: t}
		var checking sync.WaitGroup
		checking.Go(func() {
			defer v.cleanUp() // also when the check ends at once
			check(v)
		})
		checking.Wait()
		time.Sleep(time.Minute) // what the broker left behind ends
		said = v.said
	})
	return said
}

func (v *verdict) cleanUp() {
	v.mu.Lock()
	n := len(v.cleanups)
	if n == 0 {
		v.mu.Unlock()
		return
	}
	last := v.cleanups[n-1]
	v.cleanups = v.cleanups[:n-1]
	v.mu.Unlock()
	defer v.cleanUp()
	last()
}

func (v *verdict) say(text string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.said = append(v.said, text)
}

// Failed reports whether it said something.
func (v *verdict) Failed() bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return len(v.said) > 0
}

func (v *verdict) Cleanup(f func()) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.cleanups = append(v.cleanups, f)
}

func (v *verdict) Helper()                      {}
func (v *verdict) Logf(string, ...any)          {}
func (v *verdict) Error(args ...any)            { v.say(fmt.Sprint(args...)) }
func (v *verdict) Errorf(f string, args ...any) { v.say(fmt.Sprintf(f, args...)) }
func (v *verdict) Fatal(args ...any)            { v.Error(args...); runtime.Goexit() }
func (v *verdict) Fatalf(f string, args ...any) { v.Errorf(f, args...); runtime.Goexit() }
