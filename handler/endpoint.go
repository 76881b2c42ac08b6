package handler

import (
	"context"
	"errors"
	"slices"

	"github.com/headrace/headrace/message"
)

// Handle makes f the endpoint of a pattern: f is given what a message holds,
// and what it returns is sent on. See [Call] for what In may be. Out is written
// by the router's codecs: a []byte as it is, a string as text, anything else as
// JSON; a [Reply] says more, and a message.Raw is none. Without [SendTo], [SendToUser] or [SendToSession],
// of the route or of its group, it goes to the destination of the message, with
// ReplyPrefix in place of Prefix. When f returns [ErrNoReply] nothing is sent;
// any other error, and a panic as *message.PanicError, goes to the error
// handlers, see [OnError].
//
// The pattern is one of package destination and relative to the router's
// prefix. Handle panics, naming the lines of the program, when the pattern is
// malformed, when it matches the same destinations as another one or ties with
// it at some destination, when a reply option names a variable that the
// pattern has not, and when Out is a message.Raw. f is called from any number of goroutines at once.
func Handle[In, Out any](r *Router, pattern string, f func(ctx context.Context, in In) (Out, error), opts ...Option) {
	rt := r.newRoute(message.KindData, pattern, (*In)(nil), (*Out)(nil), f != nil)
	rt.wireReplies(opts, answering(rt, f))
}

// Consume is [Handle] for a function that never replies.
func Consume[In any](r *Router, pattern string, f func(ctx context.Context, in In) error, opts ...RouteOption) {
	rt := r.newRoute(message.KindData, pattern, (*In)(nil), nil, f != nil)
	rt.wire(collect(opts), func(ctx context.Context, m message.Raw) error {
		var x struct { // one allocation for both
			call Call
			in   In
		}
		if err := rt.open(ctx, m, &x.call, &x.in); err != nil {
			return err
		}
		return f(ctx, x.in)
	})
}

// answering makes an endpoint of a function that answers when it returns. Such
// functions are compiled once for every pair of types: what does not depend on
// these is not in it.
//
//go:noinline
func answering[In, Out any](rt *route, f func(context.Context, In) (Out, error)) func(context.Context, message.Raw) error {
	return func(ctx context.Context, m message.Raw) error {
		var x struct { // one allocation for all
			call Call
			in   In
			out  Out
		}
		err := rt.open(ctx, m, &x.call, &x.in)
		if err != nil {
			return err
		}
		if x.out, err = f(ctx, x.in); err != nil {
			return err
		}
		return rt.plan.reply(ctx, &x.call, output(&x.out))
	}
}

// noReply takes [ErrNoReply] out: it is an answer, not a failure. What is joined to
// it is one.
func noReply(err error) error {
	if err != nil && errors.Is(err, ErrNoReply) && isNoReply(err) {
		return nil
	}
	return err
}

// isNoReply reports whether an error is nothing else than [ErrNoReply].
func isNoReply(err error) bool {
	if err == ErrNoReply {
		return true
	}
	switch err := err.(type) {
	case interface{ Unwrap() error }:
		return isNoReply(err.Unwrap())
	case interface{ Unwrap() []error }:
		return !slices.ContainsFunc(err.Unwrap(), func(err error) bool { return !isNoReply(err) })
	}
	return false
}
