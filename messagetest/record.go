package messagetest

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/headrace/headrace/channel"
	"github.com/headrace/headrace/message"
)

// Recording holds the messages that were sent to a channel.
type Recording[T any] struct {
	arrived chan struct{} // holds a token when something was added

	mu       sync.Mutex
	messages []message.Message[T]
	read     int
}

// Record notes every message that is sent to ch from now on until the test
// ends, whatever becomes of it.
func Record[T any](t testing.TB, ch channel.SubscribableChannel[T]) *Recording[T] {
	r := &Recording[T]{arrived: make(chan struct{}, 1)}
	t.Cleanup(ch.Intercept(func(next message.Handler[T]) message.Handler[T] {
		return message.HandlerFunc[T](func(ctx context.Context, m message.Message[T]) error {
			r.add(m)
			return next.Handle(ctx, m)
		})
	}))
	return r
}

func (r *Recording[T]) add(m message.Message[T]) {
	r.mu.Lock()
	r.messages = append(r.messages, m)
	r.mu.Unlock()
	select {
	case r.arrived <- struct{}{}:
	default:
	}
}

// All returns what was recorded. It may be called from any goroutine.
func (r *Recording[T]) All() []message.Message[T] {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.messages)
}

// Next returns the first message that it has not returned before. It fails t
// when none comes for ten seconds. It is called from the test's goroutine.
func (r *Recording[T]) Next(t testing.TB) message.Message[T] {
	t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	for {
		r.mu.Lock()
		if r.read < len(r.messages) {
			m := r.messages[r.read]
			r.read++
			r.mu.Unlock()
			return m
		}
		r.mu.Unlock()
		select {
		case <-r.arrived:
		case <-deadline.C:
			t.Fatalf("nothing was sent for %v", patience)
		}
	}
}
