package channel

import (
	"errors"
	"sync/atomic"

	"github.com/headrace/headrace/message"
)

// Stats is a snapshot of an [Executor].
type Stats struct {
	// Name is the channel's name.
	Name string
	// UnderWay is how many messages wait or are being handled.
	UnderWay int64
	// Ready is how many keys with messages to handle, or without order how many
	// messages, wait for a worker. One that stays above zero while nothing is
	// handled means that all workers are blocked.
	Ready int
	// Workers is how many worker goroutines there are.
	Workers int
	// Handled counts messages whose handler returned nil.
	Handled uint64
	// Failed counts messages whose handler returned an error or panicked.
	Failed uint64
	// Panicked counts the panics among Failed.
	Panicked uint64
	// Dropped counts accepted messages that an interceptor or DropOldest dropped
	// and those that Close abandoned.
	Dropped uint64
	// Rejected counts messages that were not accepted.
	Rejected uint64
}

type counters struct {
	handled, failed, panicked, dropped, rejected atomic.Uint64
}

// tally is what a batch adds to the counters.
type tally struct {
	n                                  int64
	handled, failed, panicked, dropped uint64
}

func (t *tally) count(err error) {
	t.n++
	switch {
	case err == nil:
		t.handled++
	case err == errAbandoned, errors.Is(err, message.ErrDropped):
		t.dropped++
	default:
		t.failed++
		if _, ok := errors.AsType[*message.PanicError](err); ok {
			t.panicked++
		}
	}
}

// add is called with every batch, so it writes no more than it must.
func (c *counters) add(t *tally) {
	c.handled.Add(t.handled)
	if t.failed+t.dropped > 0 {
		c.failed.Add(t.failed)
		c.panicked.Add(t.panicked)
		c.dropped.Add(t.dropped)
	}
}

// Stats returns a snapshot. It takes no lock that handling takes for long.
func (e *Executor[T]) Stats() Stats {
	return Stats{
		Name:     e.config.Name,
		UnderWay: e.underWay(),
		Ready:    e.ready(),
		Workers:  e.workers(),
		Handled:  e.counters.handled.Load(),
		Failed:   e.counters.failed.Load(),
		Panicked: e.counters.panicked.Load(),
		Dropped:  e.counters.dropped.Load(),
		Rejected: e.counters.rejected.Load(),
	}
}
