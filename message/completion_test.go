package message_test

import (
	"context"
	"errors"
	"io"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/headrace/headrace/message"
	"pgregory.net/rapid"
)

func TestCompletion(t *testing.T) {
	first, second := errors.New("first"), errors.New("second")
	type c = *message.Completion
	hold := func(c c) { c.Hold() }
	release := func(err error) func(c) { return func(c c) { c.Release(err) } }
	suffice := func(l message.Level) func(c) { return func(c c) { c.Suffice(l) } }
	reach := func(l message.Level) func(c) { return func(c c) { c.Reached(l) } }
	for _, tt := range []struct {
		name  string
		level message.Level
		steps []func(c)
		want  []error
	}{
		{"held", message.Accepted, nil, nil},
		{"released by its maker", message.Handled, []func(c){release(nil)}, []error{nil}},
		{"refused", message.Handled, []func(c){release(first)}, []error{first}},
		{"taken over", message.Handled, []func(c){hold, release(nil)}, nil},
		{"taken over and done", message.Handled, []func(c){hold, release(nil), release(nil)}, []error{nil}},
		{"taken over and failed", message.Handled, []func(c){hold, release(nil), release(first)}, []error{first}},
		{"an error does not wait for the others", message.Handled, []func(c){hold, hold, release(first)}, []error{first}},
		{"the first error counts", message.Handled, []func(c){hold, hold, release(first), release(second), release(nil)}, []error{first}},
		{"level reached", message.Stored, []func(c){reach(message.Stored)}, []error{nil}},
		{"a further level reached", message.Accepted, []func(c){reach(message.Handled)}, []error{nil}},
		{"a nearer level is not enough", message.Handled, []func(c){reach(message.Accepted), reach(message.Stored)}, nil},
		{"reached, then failed", message.Stored, []func(c){hold, reach(message.Stored), release(first), release(nil)}, []error{nil}},
		{"failed, then reached", message.Stored, []func(c){hold, release(first), reach(message.Stored), release(nil)}, []error{first}},
		{"less suffices", message.Handled, []func(c){suffice(message.Stored), hold, reach(message.Stored)}, []error{nil}},
		{"more never does", message.Accepted, []func(c){suffice(message.Handled), hold, reach(message.Accepted)}, []error{nil}},
		{"less suffices, then failed", message.Handled, []func(c){suffice(message.Stored), hold, release(first)}, []error{first}},
		{"nobody can reach it any more", message.Stored, []func(c){hold, reach(message.Accepted), release(nil), release(nil)}, []error{nil}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var got []error
			c := message.NewCompletion(tt.level, func(err error) { got = append(got, err) })
			for _, step := range tt.steps {
				step(c)
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("completed with %v, want %v", got, tt.want)
			}
		})
	}
}

func TestCompletionNil(t *testing.T) {
	var c *message.Completion
	c.Hold()
	c.Suffice(message.Accepted)
	c.Reached(message.Handled)
	c.Release(nil)
	c.Release(io.EOF)
}

// TestCompletionExactlyOnce: whatever the holders do, on whatever goroutine, it
// is told once, with an outcome that somebody gave.
func TestCompletionExactlyOnce(t *testing.T) {
	failure := errors.New("failure")
	rapid.Check(t, func(t *rapid.T) {
		type holder struct {
			err    error
			reach  message.Level
			yields int
		}
		holders := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) holder {
			return holder{
				err:    rapid.SampledFrom([]error{nil, nil, failure}).Draw(t, "err"),
				reach:  message.Level(rapid.IntRange(0, int(message.Handled)).Draw(t, "reach")),
				yields: rapid.IntRange(0, 3).Draw(t, "yields"),
			}
		}), 1, 6).Draw(t, "holders")
		level := message.Level(rapid.IntRange(int(message.Accepted), int(message.Handled)).Draw(t, "level"))

		var told atomic.Int32
		var outcome error
		c := message.NewCompletion(level, func(err error) { told.Add(1); outcome = err })
		var wg sync.WaitGroup
		for _, h := range holders {
			c.Hold()
			wg.Go(func() {
				for range h.yields {
					runtime.Gosched()
				}
				if h.reach > 0 {
					c.Reached(h.reach)
				}
				c.Release(h.err)
			})
		}
		c.Release(nil)
		wg.Wait()

		if told.Load() != 1 {
			t.Fatalf("told %d times", told.Load())
		}
		failed := slices.ContainsFunc(holders, func(h holder) bool { return h.err != nil })
		reached := slices.ContainsFunc(holders, func(h holder) bool { return h.reach >= level })
		switch {
		case !failed && outcome != nil:
			t.Fatalf("outcome %v, and nobody failed", outcome)
		case failed && !reached && outcome != failure:
			t.Fatalf("outcome %v, want the failure", outcome)
		}
	})
}

// A completion knows where its message is handled, for the log.
func TestCompletionKnowsItsContext(t *testing.T) {
	type key struct{}
	at := func(where string) context.Context { return context.WithValue(t.Context(), key{}, where) }
	var none *message.Completion
	none.Within(at("nowhere"))
	c := message.NewCompletion(message.Handled, func(error) {})
	for _, c := range []*message.Completion{none, c} {
		if got := c.Context(at("the sender's")).Value(key{}); got != "the sender's" {
			t.Errorf("before anybody said: %v", got)
		}
	}
	c.Within(at("the channel"))
	ctx, cancel := context.WithCancel(at("the handler"))
	c.Within(ctx)
	cancel()
	if got := c.Context(at("the sender's")); got.Value(key{}) != "the handler" || got.Err() != nil {
		t.Errorf("%v, ended: %v", got.Value(key{}), got.Err())
	}
}
