package handler

import (
	"context"
	"errors"

	"github.com/headrace/headrace/message"
)

// Handle makes f the endpoint of a pattern: f is given what a message holds,
// and what it returns is sent on. See [Call] for what In may be. Out is written
// by the router's codecs: a []byte as it is, a string as text, anything else as
// JSON. Without a [ReplyOption] it goes to the destination of the message, with
// ReplyPrefix in place of Prefix. When f returns [ErrNoReply] nothing is sent;
// any other error, and a panic as *message.PanicError, goes to the error
// handlers, see [OnError].
//
// The pattern is one of package destination and relative to the router's
// prefix. Handle panics, naming the lines of the program, when the pattern is
// malformed, when it is equivalent to another one, and when a reply option
// names a variable that the pattern has not. f is called from any number of
// goroutines at once.
func Handle[In, Out any](r *Router, pattern string, f func(ctx context.Context, in In) (Out, error), opts ...Option) {
	rt, o := r.newRoute(pattern, callSite()), collect(opts)
	mustWire(f != nil, "nil endpoint at "+rt.Source)
	plan := r.newPlan(o.replies, rt.names, rt.Source)
	wire(r, rt, o, func(ctx context.Context, c *Call, in In) error {
		out, err := f(ctx, in)
		if err != nil {
			return err
		}
		return reply(ctx, plan, c, out)
	})
}

// Consume is [Handle] for a function that never replies.
func Consume[In any](r *Router, pattern string, f func(ctx context.Context, in In) error, opts ...RouteOption) {
	rt := r.newRoute(pattern, callSite())
	mustWire(f != nil, "nil endpoint at "+rt.Source)
	wire(r, rt, collect(opts), func(ctx context.Context, _ *Call, in In) error { return f(ctx, in) })
}

func wire[In any](r *Router, rt *route, o options, run func(context.Context, *Call, In) error) {
	bind := binder[In](rt.Source)
	endpoint := message.HandlerFunc[[]byte](func(ctx context.Context, m message.Raw) (err error) {
		defer message.Recover(&err)
		var x struct { // one allocation for both
			call Call
			in   In
		}
		x.call = Call{Raw: m, ctx: ctx, codecs: r.config.Codecs}
		if err := r.capture(rt, &x.call); err != nil {
			return err
		}
		if err := bind(&x.call, &x.in); err != nil {
			return err
		}
		return noReply(run(ctx, &x.call, x.in))
	})
	rt.entry = message.Chain(message.RawHandler(endpoint), o.interceptors...)
	r.add(rt)
}

// capture reads the variables from the destination that is left when the
// interceptors are through with it.
func (r *Router) capture(rt *route, c *Call) error {
	if len(rt.names) == 0 {
		return nil
	}
	rest, _ := r.relative(c.Destination)
	vars, ok := rt.pattern.Capture(rest)
	if !ok {
		return notFound(c.Raw)
	}
	c.vars = vars
	return nil
}

// noReply takes [ErrNoReply] out: it is an answer, not a failure.
func noReply(err error) error {
	if err != nil && errors.Is(err, ErrNoReply) {
		return nil
	}
	return err
}
