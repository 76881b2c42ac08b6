package channel_test

import (
	"context"
	"errors"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/headrace/headrace/channel"
	"github.com/headrace/headrace/message"
)

type valueKey struct{}

// handledIn sends m and returns the context in which it is handled; the
// handler stays in until the test ends.
func handledIn(t *testing.T, c *channel.ExecutorChannel[int], ctx context.Context, m message.Message[int]) context.Context {
	t.Helper()
	got, leave := make(chan context.Context), make(chan struct{})
	t.Cleanup(func() { close(leave) })
	unsubscribe := channel.SubscribeFunc(c, func(ctx context.Context, _ message.Message[int]) error {
		got <- ctx
		<-leave
		return nil
	})
	defer unsubscribe()
	if err := c.Handle(ctx, m); err != nil {
		t.Fatal(err)
	}
	return <-got
}

// TestContextOfSession: a context that ends with the session's passes as it is.
func TestContextOfSession(t *testing.T) {
	for name, derive := range map[string]func(context.Context) (session, sender context.Context){
		"itself": func(ctx context.Context) (session, sender context.Context) { return ctx, ctx },
		"with values": func(ctx context.Context) (session, sender context.Context) {
			return ctx, context.WithValue(ctx, valueKey{}, "sender")
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				node, end := context.WithCancel(t.Context())
				defer end()
				ofSession, ctx := derive(node)
				c := channel.NewExecutorChannel(channel.Config[int]{})
				t.Cleanup(c.Close)
				got := handledIn(t, c, ctx, message.Message[int]{Session: sessions(ofSession, 1)[0]})
				if got != ctx {
					t.Errorf("handled in %v, want the sender's context as it is", got)
				}
				go c.Close()
				synctest.Wait()
				if got.Err() != nil {
					t.Error("Close cancelled the session's context, which is not the channel's")
				}
			})
		})
	}
}

// TestContextDetached: any other context keeps its values, loses cancellation
// and deadline, and ends with the channel.
func TestContextDetached(t *testing.T) {
	for _, tt := range []struct {
		name    string
		session bool
		config  channel.Config[int]
	}{
		{"no session", false, channel.Config[int]{}},
		{"no session, unordered", false, channel.Config[int]{Unordered: true}},
		{"a session and a context of its own end", true, channel.Config[int]{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := channel.NewExecutorChannel(tt.config)
				t.Cleanup(c.Close)
				ctx := context.WithValue(t.Context(), valueKey{}, "sender")
				m := message.Message[int]{}
				if tt.session {
					m.Session = sessions(ctx, 1)[0]
				}
				ctx, cancel := context.WithCancelCause(ctx)
				ctx, stop := context.WithTimeout(ctx, time.Second)
				defer stop()
				got := handledIn(t, c, ctx, m)
				cancel(errBroken)
				elapse(time.Minute)
				if got.Err() != nil || context.Cause(got) != nil {
					t.Errorf("the sender's end came through: %v, cause %v", got.Err(), context.Cause(got))
				}
				if _, ok := got.Deadline(); ok {
					t.Error("the sender's deadline came through")
				}
				if v := got.Value(valueKey{}); v != "sender" {
					t.Errorf("value %v, want the sender's", v)
				}
				derived, release := context.WithTimeout(got, time.Hour)
				defer release()
				if derived.Err() != nil || derived.Value(valueKey{}) != "sender" {
					t.Errorf("derived: %v, value %v", derived.Err(), derived.Value(valueKey{}))
				}
				go c.Close()
				synctest.Wait()
				if !errors.Is(got.Err(), context.Canceled) || !errors.Is(derived.Err(), context.Canceled) || !errors.Is(context.Cause(got), context.Canceled) {
					t.Errorf("after Close: %v, derived %v, cause %v", got.Err(), derived.Err(), context.Cause(got))
				}
			})
		})
	}
}

// TestContextDerivedIsFree: a handler that sets a deadline of its own starts no
// goroutine by it.
func TestContextDerivedIsFree(t *testing.T) {
	c := channel.NewExecutorChannel(channel.Config[int]{})
	t.Cleanup(c.Close)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	got := handledIn(t, c, ctx, to("k", 1))
	before := runtime.NumGoroutine()
	for range 100 {
		_, release := context.WithTimeout(got, time.Hour)
		defer release()
	}
	if more := runtime.NumGoroutine() - before; more > 50 {
		t.Errorf("%d goroutines for 100 derived contexts", more)
	}
}

// TestContextEndedSender: a sender whose context ended is served while there is
// room: what he waits for is room alone.
func TestContextEndedSender(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	c := channel.NewExecutorChannel(channel.Config[int]{})
	handled := make(chan error, 1)
	channel.SubscribeFunc(c, func(ctx context.Context, _ message.Message[int]) error {
		handled <- ctx.Err()
		return nil
	})
	if err := c.Handle(ctx, to("k", 1)); err != nil {
		t.Fatal(err)
	}
	if err := <-handled; err != nil {
		t.Errorf("handled in a context that ended: %v", err)
	}
	c.Close()
}

// TestContextOfEndlessSession: what no session ends, Close does.
func TestContextOfEndlessSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := channel.NewExecutorChannel(channel.Config[int]{})
		ended := make(chan error, 1)
		channel.SubscribeFunc(c, func(ctx context.Context, _ message.Message[int]) error {
			<-ctx.Done()
			ended <- ctx.Err()
			return nil
		})
		s := sessions(context.Background(), 1)[0]
		if err := c.Handle(s.Context(), message.Message[int]{Session: s}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		c.Close()
		if err := <-ended; err != context.Canceled {
			t.Errorf("ended with %v", err)
		}
	})
}
