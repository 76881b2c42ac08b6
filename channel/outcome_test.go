package channel_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/headrace/headrace/channel"
	"github.com/headrace/headrace/message"
)

// records is a slog handler that keeps a line for each record.
type records struct {
	slog.Handler
	log
}

func newRecords() *records { return &records{Handler: slog.DiscardHandler} }

func (r *records) Enabled(context.Context, slog.Level) bool { return true }

func (r *records) Handle(_ context.Context, rec slog.Record) error {
	line := rec.Level.String() + " " + rec.Message
	for a := range rec.Attrs {
		line += fmt.Sprintf(" %s=%v", a.Key, a.Value)
	}
	r.add(line)
	return nil
}

// TestOutcome: an error is told to the completion, or logged once when there
// is none; a drop is no failure; a panic is an error of its message alone.
func TestOutcome(t *testing.T) {
	type counts struct{ handled, failed, panicked, dropped uint64 }
	drop := fmt.Errorf("ticker: %w", message.ErrDropped)
	for _, tt := range []struct {
		name      string
		handlers  []message.HandlerFunc[int]
		want      error    // what the completion finds
		logged    []string // parts of the one line
		not       string
		withStack bool
		counts    counts
	}{
		{name: "handled", handlers: []message.HandlerFunc[int]{returning(nil)}, counts: counts{handled: 1}},
		{name: "failed", handlers: []message.HandlerFunc[int]{returning(errBroken)}, want: errBroken,
			logged: []string{"ERROR", "orders", "data", "/d", "broken"}, not: "stack", counts: counts{failed: 1}},
		{name: "dropped", handlers: []message.HandlerFunc[int]{returning(drop)}, want: message.ErrDropped, counts: counts{dropped: 1}},
		{name: "one of two failed", handlers: []message.HandlerFunc[int]{returning(nil), returning(errBroken)}, want: errBroken,
			logged: []string{"broken"}, counts: counts{failed: 1}},
		{name: "failed beside a drop", handlers: []message.HandlerFunc[int]{returning(drop), returning(errBroken)}, want: errBroken,
			logged: []string{"broken"}, counts: counts{failed: 1}},
		{name: "panicked", handlers: []message.HandlerFunc[int]{func(context.Context, message.Message[int]) error { panic(io.ErrNoProgress) }},
			want: io.ErrNoProgress, logged: []string{"panic: multiple Read", "outcome_test.go"}, counts: counts{failed: 1, panicked: 1}},
		{name: "nobody", want: channel.ErrNoSubscriber, logged: []string{"no subscriber"}, counts: counts{failed: 1}},
	} {
		for _, unordered := range []bool{false, true} {
			for _, completed := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s, unordered %v, completed %v", tt.name, unordered, completed), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						out := newRecords()
						c := channel.NewExecutorChannel(channel.Config[int]{Name: "orders", Unordered: unordered, Logger: slog.New(out)})
						defer c.Close()
						for _, h := range tt.handlers {
							c.Subscribe(h)
						}
						var o outcomes
						m := to("/d", 1)
						if completed {
							m.Done = o.done(1, message.Handled)
						}
						err := c.Handle(t.Context(), m)
						m.Done.Release(err)
						synctest.Wait()
						if err != nil {
							t.Errorf("Handle: %v, want nil: the message was taken over", err)
						}
						lines := out.take()
						if completed {
							if got := o.of(1); len(got) != 1 || !errors.Is(got[0], tt.want) {
								t.Errorf("completed with %v, want %v once", got, tt.want)
							}
							if len(lines) > 0 {
								t.Errorf("logged %q although the completion was told", lines)
							}
						} else {
							if len(lines) != min(1, len(tt.logged)) {
								t.Fatalf("%d lines were logged, want %d: %q", len(lines), min(1, len(tt.logged)), lines)
							}
							for _, part := range tt.logged {
								if !strings.Contains(lines[0], part) {
									t.Errorf("%q lacks %q", lines[0], part)
								}
							}
							if tt.not != "" && strings.Contains(lines[0], tt.not) {
								t.Errorf("%q has %q", lines[0], tt.not)
							}
						}
						s := c.Stats()
						if got := (counts{s.Handled, s.Failed, s.Panicked, s.Dropped}); got != tt.counts {
							t.Errorf("counted %+v, want %+v", got, tt.counts)
						}
						if s.UnderWay != 0 || s.Name != "orders" {
							t.Errorf("stats %+v", s)
						}
					})
				})
			}
		}
	}
}

// TestPanicIsOneMessages: the messages behind a panic are handled.
func TestPanicIsOneMessages(t *testing.T) {
	c := channel.NewExecutorChannel(channel.Config[int]{Logger: slog.New(slog.DiscardHandler)})
	var got []int
	channel.SubscribeFunc(c, func(_ context.Context, m message.Message[int]) error {
		got = append(got, m.Payload)
		if m.Payload%2 == 0 {
			panic(m.Payload)
		}
		return nil
	})
	for i := range 100 {
		c.Handle(t.Context(), to("k", i))
	}
	if err := c.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	if s := c.Stats(); len(got) != 100 || !slices.IsSorted(got) || s.Panicked != 50 || s.Handled != 50 {
		t.Errorf("%d handled, stats %+v", len(got), s)
	}
}

// TestDefaultLogger: without a logger it is the default one of the moment.
func TestDefaultLogger(t *testing.T) {
	c := channel.NewExecutorChannel(channel.Config[int]{})
	c.Subscribe(returning(errBroken))
	out := newRecords()
	defer slog.SetDefault(slog.Default())
	slog.SetDefault(slog.New(out))
	c.Handle(t.Context(), to("k", 1))
	c.Shutdown(t.Context())
	if lines := out.take(); len(lines) != 1 || !strings.Contains(lines[0], "channel=channel") {
		t.Errorf("logged %q, want one line that names the channel", lines)
	}
}

// TestAcceptedLevel: who asks for no more than Accepted is told when the channel
// has the message, whatever becomes of it.
func TestAcceptedLevel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := channel.NewExecutorChannel(channel.Config[int]{})
		g := newGate()
		c.Subscribe(g)
		var o outcomes
		for i, level := range []message.Level{message.Accepted, message.Stored, message.Handled} {
			m := to(fmt.Sprint(i), i)
			m.Done = o.done(i, level)
			m.Done.Release(c.Handle(t.Context(), m))
		}
		synctest.Wait()
		if len(o.of(0)) != 1 || len(o.of(1)) != 0 || len(o.of(2)) != 0 {
			t.Errorf("completed before the handler returned: %v", o.errs)
		}
		close(g.open)
		c.Shutdown(t.Context())
		for i := range 3 {
			if !slices.Equal(o.of(i), []error{nil}) {
				t.Errorf("message %d was completed %v", i, o.of(i))
			}
		}
	})
}

// TestExecutorHandlers: an executor of one's own hands each message to the
// handler that it was submitted with.
func TestExecutorHandlers(t *testing.T) {
	e := channel.NewExecutor(channel.Config[int]{})
	var mu sync.Mutex
	sums := map[string]int{}
	for i := range 100 {
		name := fmt.Sprint(i % 3)
		err := e.Submit(t.Context(), "k", to("", i), message.HandlerFunc[int](func(_ context.Context, m message.Message[int]) error {
			mu.Lock()
			defer mu.Unlock()
			sums[name] += m.Payload
			return nil
		}))
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := e.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	if sums["0"] != 1683 || sums["1"] != 1617 || sums["2"] != 1650 {
		t.Errorf("sums %v", sums)
	}
}
