package interceptor_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"pgregory.net/rapid"

	"github.com/headrace/headrace/channel"
	"github.com/headrace/headrace/interceptor"
	"github.com/headrace/headrace/message"
)

// fate is what becomes of a message behind the order.
type fate int

const (
	handled fate = iota
	failed
	droppedInside
	panicked
	vanished // nobody calls next, and says nil
	replaced
	goexit
	fates
)

// job is a message of a load: the i-th of its key.
type job struct {
	key, i int
	fate   fate
	yields int
}

type jobMessage = message.Message[job]

// meddler is an interceptor that does to a message what is to become of it.
func meddler(next message.Handler[job]) message.Handler[job] {
	return message.HandlerFunc[job](func(ctx context.Context, m jobMessage) error {
		switch m.Payload.fate {
		case droppedInside:
			return message.ErrDropped
		case panicked:
			panic(io.ErrNoProgress)
		case vanished:
			return nil
		case replaced: // header, session and completion are gone
			return next.Handle(ctx, jobMessage{Payload: m.Payload})
		case goexit:
			runtime.Goexit()
		}
		return next.Handle(ctx, m)
	})
}

// run is what can be seen of a load when all of it is over.
type run struct {
	reached  [][]int // by key: what came to the order's end, in order
	outcomes []string
	overlap  atomic.Bool
}

// load is a random list of messages, the order in which its sender sends them.
type load struct {
	keys      int
	jobs      []job
	bySession bool // keys are sessions, not destinations
}

func drawLoad(t *rapid.T) load {
	l := load{keys: rapid.IntRange(1, 6).Draw(t, "keys"), bySession: rapid.Bool().Draw(t, "by session")}
	next := make([]int, l.keys)
	l.jobs = rapid.SliceOfN(rapid.Custom(func(t *rapid.T) job {
		return job{
			key:    rapid.IntRange(0, l.keys-1).Draw(t, "key"),
			fate:   fate(rapid.IntRange(0, int(fates)-1).Draw(t, "fate")),
			yields: rapid.IntRange(0, 3).Draw(t, "yields"),
		}
	}), 0, 120).Draw(t, "jobs")
	for n := range l.jobs {
		j := &l.jobs[n]
		j.i = next[j.key]
		next[j.key]++
	}
	return l
}

// through sends the load and returns what became of it. order mounts the order
// around a handler and returns where to send, and what ends it.
func (l load) through(t *rapid.T, order func(message.Handler[job]) (message.Handler[job], func(context.Context) error)) *run {
	r := &run{reached: make([][]int, l.keys), outcomes: make([]string, len(l.jobs))}
	running := make([]atomic.Int32, l.keys)
	h := message.HandlerFunc[job](func(_ context.Context, m jobMessage) error {
		k := m.Payload.key
		if running[k].Add(1) != 1 {
			r.overlap.Store(true)
		}
		defer running[k].Add(-1)
		for range m.Payload.yields {
			runtime.Gosched()
		}
		r.reached[k] = append(r.reached[k], m.Payload.i) // plain: two at once would be a race
		if m.Payload.fate == failed {
			return io.ErrUnexpectedEOF
		}
		return nil
	})
	entry, end := order(message.Chain(message.Handler[job](h), meddler))
	sessions := make([]*message.Session, l.keys)
	for k := range sessions {
		sessions[k] = newSession()
	}
	var mu sync.Mutex
	for n, j := range l.jobs {
		m := jobMessage{Payload: j, Destination: fmt.Sprint("/", j.key)}
		if l.bySession {
			m.Session, m.Destination = sessions[j.key], fmt.Sprint("/", n)
		}
		m.Done = message.NewCompletion(message.Handled, func(err error) {
			mu.Lock()
			defer mu.Unlock()
			if r.outcomes[n] != "" {
				err = errors.Join(err, errors.New("told twice"))
			}
			r.outcomes[n] = fmt.Sprint(err)
		})
		m.Done.Release(entry.Handle(context.Background(), m))
	}
	if err := end(context.Background()); err != nil { // a stalled key would hang here
		t.Fatal(err)
	}
	return r
}

// want is what the load comes to where nothing but order is added to it.
func (l load) want() (reached [][]int, outcomes []string) {
	reached = make([][]int, l.keys)
	for _, j := range l.jobs {
		outcome := "<nil>"
		switch j.fate {
		case failed:
			outcome = io.ErrUnexpectedEOF.Error()
		case droppedInside:
			outcome = message.ErrDropped.Error()
		case panicked:
			outcome = "panic: " + io.ErrNoProgress.Error()
		case goexit:
			outcome = "the handler ended its goroutine"
		}
		outcomes = append(outcomes, outcome)
		if slices.Contains([]fate{handled, failed, replaced}, j.fate) {
			reached[j.key] = append(reached[j.key], j.i)
		}
	}
	return reached, outcomes
}

// TestOrderedEqualsTheExecutor: on any load an executor channel and Ordered on an
// executor of one's own do the same: what comes to the handler, in which order, one
// at a time for each key, and what each sender is told. Refusals, errors, panics,
// vetoes and messages that were replaced on the way are told, once, and hold up
// nothing that comes behind them.
func TestOrderedEqualsTheExecutor(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := drawLoad(t)
		config := channel.Config[job]{
			Workers: rapid.IntRange(1, 4).Draw(t, "workers"),
			Mailbox: rapid.SampledFrom([]int{1, 3, 256}).Draw(t, "mailbox"),
			Logger:  slog.New(slog.DiscardHandler),
		}
		reached, outcomes := l.want()
		for name, order := range map[string]func(message.Handler[job]) (message.Handler[job], func(context.Context) error){
			"executor channel": func(h message.Handler[job]) (message.Handler[job], func(context.Context) error) {
				c := channel.NewExecutorChannel(config)
				c.Subscribe(h)
				return c, c.Shutdown
			},
			"Ordered": func(h message.Handler[job]) (message.Handler[job], func(context.Context) error) {
				e := channel.NewExecutor(config)
				return interceptor.Ordered[job](e, nil)(h), e.Shutdown
			},
		} {
			r := l.through(t, order)
			if r.overlap.Load() {
				t.Fatalf("%s: two messages of a key at once", name)
			}
			for k := range reached {
				if !slices.Equal(r.reached[k], reached[k]) {
					t.Fatalf("%s: key %d was handled as %v, want %v", name, k, r.reached[k], reached[k])
				}
			}
			if !slices.Equal(r.outcomes, outcomes) {
				t.Fatalf("%s: senders were told %q, want %q", name, r.outcomes, outcomes)
			}
		}
	})
}
