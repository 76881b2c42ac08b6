package handler

import (
	"context"
	"iter"
	"sync"

	"github.com/headrace/headrace/message"
)

// Stream is [Handle] for a function that answers with any number of values: each
// is sent as a message of its own when the sequence yields it, and the next one
// is asked for when it was sent. An error ends the sequence and goes to the error
// handlers; what was sent before stays sent. [ErrNoReply] just ends it.
//
// The sequence runs on the worker that handles the message, so it has the
// session's turn: what the session sends meanwhile, to unsubscribe too, waits
// until the sequence is over. What has no end is better subscribed to, see
// [Live]. It ends early when the client leaves or the server drains, see
// [message.Session.Leaving]. It is told twice: ctx ends, which helps a source
// that waits for its next value, and yield returns false. After that its errors
// count for nothing.
func Stream[In, Out any](r *Router, pattern string, f func(ctx context.Context, in In) iter.Seq2[Out, error], opts ...Option) {
	rt := r.newRoute(message.KindData, pattern, (*In)(nil), (*Out)(nil), f != nil)
	rt.wireReplies(opts, func(ctx context.Context, m message.Raw) error {
		var x struct {
			call Call
			in   In
		}
		if err := rt.open(ctx, m, &x.call, &x.in); err != nil {
			return err
		}
		listening, stop := whileSession(ctx, m.Session)
		defer stop()
		for out, err := range f(listening, x.in) {
			if listening.Err() != nil {
				return context.Cause(ctx)
			}
			if err != nil {
				return err
			}
			if err := rt.plan.reply(ctx, &x.call, output(&out)); err != nil {
				return err
			}
		}
		return context.Cause(ctx)
	})
}

// whileSession returns a context that ends when the session is to, too. stop must be
// called and waits for the goroutine that watches.
func whileSession(ctx context.Context, s *message.Session) (_ context.Context, stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	if s == nil {
		return ctx, cancel
	}
	var watch sync.WaitGroup
	watch.Go(func() {
		select {
		case <-s.Leaving():
			cancel()
		case <-ctx.Done():
		}
	})
	return ctx, func() {
		cancel()
		watch.Wait()
	}
}
