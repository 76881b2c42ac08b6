package handler

import (
	"context"
	"errors"
	"sync"

	"github.com/headrace/headrace/message"
)

// Future is a value that comes later. It is made by [NewFuture] and completed
// once; its methods may be called from any goroutine.
type Future[T any] struct {
	mu      sync.Mutex
	done    bool
	value   T
	err     error
	waiting []func(T, error)
}

// NewFuture returns a future that nobody has completed yet.
func NewFuture[T any]() *Future[T] { return new(Future[T]) }

// Complete ends the future with a value or an error. The first call counts; it
// reports whether this was it. The replies of those who returned the future
// (see [Later]) are sent before Complete returns, on its goroutine, and it
// blocks for as long as that does. A future that is never completed leaves its
// senders waiting.
func (f *Future[T]) Complete(value T, err error) bool {
	f.mu.Lock()
	if f.done {
		f.mu.Unlock()
		return false
	}
	f.done, f.value, f.err = true, value, err
	waiting := f.waiting
	f.waiting = nil
	f.mu.Unlock()
	for _, then := range waiting {
		then(value, err)
	}
	return true
}

var errNoFuture = errors.New("handler: endpoint returned no future")

// then calls g when the future is completed, unless it is: then it returns
// false and what came.
func (f *Future[T]) then(g func(T, error)) (waits bool, value T, err error) {
	if f == nil {
		return false, value, errNoFuture
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.done {
		return false, f.value, f.err
	}
	f.waiting = append(f.waiting, g)
	return true, value, nil
}

// Later is [Handle] for a function that starts work and answers when that is
// done: the worker is free as soon as f returns, and so is the session's turn.
// The error of the future goes to the error handlers like one that f returned.
//
// # Order
//
// Messages of one session are given to f in order. Those that follow do not wait
// for the future, so their replies may be sent before its own: replies of futures
// come in the order of [Future.Complete]. Whoever needs the order of the messages
// uses Handle. The sender's receipt says that the reply was sent.
//
// Interceptors see the message taken over, without its outcome, unless the future
// was completed when f returned it. The reply, and that of an error handler, is sent
// with the values of the message's ctx, also after the session has ended. An interceptor
// that ends the ctx when it returns, as interceptor.Timeout does, ends it for the work
// that goes on, but not for the reply: such work needs [context.WithoutCancel], or a
// deadline of its own.
func Later[In, Out any](r *Router, pattern string, f func(ctx context.Context, in In) *Future[Out], opts ...Option) {
	rt := r.newRoute(message.KindData, pattern, (*In)(nil), (*Out)(nil), f != nil)
	rt.wireReplies(opts, func(ctx context.Context, m message.Raw) error {
		var x struct {
			call Call
			in   In
		}
		if err := rt.open(ctx, m, &x.call, &x.in); err != nil {
			return err
		}
		finish := func(ctx context.Context, out Out, err error) error {
			if err != nil {
				return err
			}
			return rt.plan.reply(ctx, &x.call, output(&out))
		}
		future := f(ctx, x.in)
		m.Done.Hold() // before anybody can release it
		waits, out, err := future.then(func(out Out, err error) {
			ctx := context.WithoutCancel(ctx) // which an interceptor may have ended behind f
			rt.settle(ctx, m, func() error { return finish(ctx, out, err) })
		})
		if waits {
			return nil
		}
		m.Done.Release(nil)
		return finish(ctx, out, err)
	})
}

// settle ends a message whose endpoint has returned long since.
func (rt *route) settle(ctx context.Context, m message.Raw, finish func() error) {
	end := message.HandlerFunc[[]byte](func(ctx context.Context, m message.Raw) error {
		if err := attempt(finish); err != nil {
			return rt.answerAll(ctx, m, err)
		}
		return nil
	})
	settle(ctx, rt.router.config.Logger, "future", end, m)
}

func attempt(f func() error) (err error) {
	defer message.Recover(&err)
	return noReply(f())
}
