package channel_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/headrace/headrace/channel"
	"github.com/headrace/headrace/message"
)

// TestGoexit: a handler that ends its goroutine costs its own message, not the
// others of the batch, not the key and not the worker.
func TestGoexit(t *testing.T) {
	for _, unordered := range []bool{false, true} {
		c := channel.NewExecutorChannel(channel.Config[int]{Workers: 1, Unordered: unordered, Logger: slog.New(slog.DiscardHandler)})
		first := make(chan struct{})
		channel.SubscribeFunc(c, func(_ context.Context, m message.Message[int]) error {
			<-first
			if m.Payload%3 == 0 {
				runtime.Goexit()
			}
			return nil
		})
		var o outcomes
		for i := range 30 {
			if err := o.send(t.Context(), c, to("k", i)); err != nil {
				t.Fatal(err)
			}
		}
		close(first)
		if err := c.Shutdown(t.Context()); err != nil {
			t.Fatal(err)
		}
		for i := range 30 {
			if got := o.of(i); len(got) != 1 || (got[0] == nil) != (i%3 != 0) {
				t.Errorf("unordered %v: message %d was completed %v", unordered, i, got)
			}
		}
		if s := c.Stats(); s.UnderWay != 0 || s.Handled != 20 || s.Failed != 10 {
			t.Errorf("stats %+v", s)
		}
	}
}

// TestForeignPanics: a completion or a log handler that panics counts nothing
// twice and takes nobody along.
func TestForeignPanics(t *testing.T) {
	c := channel.NewExecutorChannel(channel.Config[int]{Logger: slog.New(panicking{slog.DiscardHandler})})
	channel.SubscribeFunc(c, func(_ context.Context, m message.Message[int]) error {
		switch m.Payload {
		case 1:
			return io.EOF
		case 2:
			panic("handler")
		}
		return nil
	})
	for i := range 4 {
		m := to("k", i)
		if i == 3 {
			m.Done = message.NewCompletion(message.Handled, func(error) { panic("completion") })
			m.Done.Hold() // so that the worker's release is not the last
			m.Done.Release(nil)
		}
		if err := c.Handle(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	if s := c.Stats(); s.Handled != 2 || s.Failed != 2 || s.Panicked != 1 {
		t.Errorf("stats %+v", s)
	}
}

type panicking struct{ slog.Handler }

func (panicking) Enabled(context.Context, slog.Level) bool  { return true }
func (panicking) Handle(context.Context, slog.Record) error { panic("log handler") }

// TestSlowBatchLeavesAtOnce: what is handled does not count as under way until
// its batch ends when handlers take long; nor in the second batch, when nothing
// has come in for a while.
func TestSlowBatchLeavesAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := channel.NewExecutorChannel(channel.Config[int]{Workers: 1})
		defer c.Close()
		channel.SubscribeFunc(c, func(context.Context, message.Message[int]) error {
			time.Sleep(time.Second)
			return nil
		})
		for i := range 40 {
			c.Handle(t.Context(), to("k", i))
			synctest.Wait() // the first is a batch of its own
		}
		time.Sleep(20*time.Second + 500*time.Millisecond)
		if s := c.Stats(); s.Handled != 20 || s.UnderWay != 20 {
			t.Errorf("after 20 of 40: %+v", s)
		}
		if err := c.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// TestShutdownWithoutTime: an executor with nothing to do has shut down, however
// little time it is given.
func TestShutdownWithoutTime(t *testing.T) {
	over, end := context.WithCancel(t.Context())
	end()
	for range 50 {
		c := channel.NewExecutorChannel(channel.Config[int]{})
		if err := c.Shutdown(over); err != nil {
			t.Fatal(err)
		}
	}
}

// TestContextsEndWithShutdown: what a handler left running learns of the end.
func TestContextsEndWithShutdown(t *testing.T) {
	c := channel.NewExecutorChannel(channel.Config[int]{})
	got := make(chan context.Context, 1)
	channel.SubscribeFunc(c, func(ctx context.Context, _ message.Message[int]) error { got <- ctx; return nil })
	c.Handle(t.Context(), to("k", 0))
	if err := c.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	if ctx := <-got; ctx.Err() == nil {
		t.Error("the context did not end")
	}
}

// TestSendersThatGiveUp: a sender that stops waiting passes on the place that it
// was woken for, and nobody waits for ever.
func TestSendersThatGiveUp(t *testing.T) {
	for _, config := range []channel.Config[int]{{Mailbox: 1}, {Capacity: 2}} {
		c := channel.NewExecutorChannel(config)
		channel.SubscribeFunc(c, func(context.Context, message.Message[int]) error { return nil })
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				for i := range 300 {
					ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i%50)*time.Microsecond)
					if err := c.Handle(ctx, to("k", i)); err != nil && !errors.Is(err, context.DeadlineExceeded) {
						t.Error(err)
					}
					cancel()
					if err := c.Handle(t.Context(), to("k", i)); err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		if err := c.Shutdown(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

// TestWiringMistakes: they panic where they are made and leave the channel as it
// was.
func TestWiringMistakes(t *testing.T) {
	c := new(channel.DirectChannel[int])
	handled := 0
	channel.SubscribeFunc(c, func(context.Context, message.Message[int]) error { handled++; return nil })
	for name, mistake := range map[string]func(){
		"is nil":            func() { c.Subscribe(nil) },
		"interceptor 0":     func() { c.Intercept(nil) },
		"interceptor 1":     func() { channel.SubscribeFunc(c, nil, through, nil) },
		"mounting":          func() { c.Intercept(func(message.Handler[int]) message.Handler[int] { panic("mounting") }) },
		"negative number":   func() { channel.NewExecutorChannel(channel.Config[int]{Workers: -1}) },
		"negative capacity": func() { channel.NewQueueChannel[int](channel.QueueConfig{Capacity: -1}) },
	} {
		func() {
			defer func() {
				if v, _ := recover().(string); !strings.Contains(v, name) {
					t.Errorf("%s: panic %q", name, v)
				}
			}()
			mistake()
		}()
	}
	c.Intercept(through)
	if err := c.Handle(t.Context(), to("k", 0)); err != nil || handled != 1 {
		t.Errorf("afterwards: %v, handled %d", err, handled)
	}
}

func through(next message.Handler[int]) message.Handler[int] { return next }

// TestReplyHasNoDone: the answer does not drag the question's completion along.
func TestReplyHasNoDone(t *testing.T) {
	c := new(channel.DirectChannel[int])
	c.Subscribe(channel.Reply[int]())
	m, err := channel.Request[int](t.Context(), c, to("k", 7))
	if err != nil || m.Done != nil || m.Payload != 7 {
		t.Errorf("got %+v, %v", m, err)
	}
}
