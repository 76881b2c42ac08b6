package message_test

import (
	"io"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/headrace/headrace/message"
)

// TestCompletionKeepsError: of two holders that release at once, the one that
// failed is heard even if the other one is last.
func TestCompletionKeepsError(t *testing.T) {
	const rounds = 20_000
	outcomes := make([]error, rounds)
	all := make([]*message.Completion, rounds)
	for i := range all {
		all[i] = message.NewCompletion(message.Handled, func(err error) { outcomes[i] = err })
		all[i].Hold()
	}
	var at [2]atomic.Int64
	meet := func(me int, err error) {
		for i, c := range all {
			at[me].Store(int64(i + 1))
			for n := 0; at[1-me].Load() <= int64(i); n++ { // both release at the same moment
				if n > 1000 {
					runtime.Gosched()
				}
			}
			c.Release(err)
		}
	}
	var wg sync.WaitGroup
	wg.Go(func() { meet(0, io.EOF) })
	wg.Go(func() { meet(1, nil) })
	wg.Wait()
	lost := 0
	for _, err := range outcomes {
		if err != io.EOF {
			lost++
		}
	}
	if lost > 0 {
		t.Errorf("%d failures of %d were lost", lost, rounds)
	}
}
