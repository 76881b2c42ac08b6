package handler

import (
	"context"
	"errors"
	"reflect"

	"github.com/headrace/headrace/message"
)

// Handle makes f the endpoint of a pattern: f is given what a message holds,
// and what it returns is sent on. See [Call] for what In may be. Out is written
// by the router's codecs: a []byte as it is, a string as text, anything else as
// JSON; a [Reply] says more. Without [SendTo], [SendToUser] or [SendToSession],
// of the route or of its group, it goes to the destination of the message, with
// ReplyPrefix in place of Prefix. When f returns [ErrNoReply] nothing is sent;
// any other error, and a panic as *message.PanicError, goes to the error
// handlers, see [OnError].
//
// The pattern is one of package destination and relative to the router's
// prefix. Handle panics, naming the lines of the program, when the pattern is
// malformed, when it matches the same destinations as another one or ties with
// it at some destination, and when a reply option names a variable that the
// pattern has not. f is called from any number of goroutines at once.
func Handle[In, Out any](r *Router, pattern string, f func(ctx context.Context, in In) (Out, error), opts ...Option) {
	rt := r.newRoute(message.KindData, pattern, callSite())
	mustWire(f != nil, "nil endpoint at "+rt.Source)
	o := collect(opts)
	rt.replies(payloadType[Out](), o)
	respond(rt, o, f)
}

// Consume is [Handle] for a function that never replies.
func Consume[In any](r *Router, pattern string, f func(ctx context.Context, in In) error, opts ...RouteOption) {
	rt := r.newRoute(message.KindData, pattern, callSite())
	mustWire(f != nil, "nil endpoint at "+rt.Source)
	wire(rt, collect(opts), func(ctx context.Context, _ *Call, in In) error { return f(ctx, in) })
}

// replies says what the route answers with, and where.
func (rt *route) replies(out reflect.Type, o options) {
	rt.out = out
	rt.plan = rt.router.newPlan(o.or(rt.router.group.defaults), toAll, rt.names, rt.Source)
}

// respond wires a function that answers when it returns.
func respond[In, Out any](rt *route, o options, f func(context.Context, In) (Out, error)) {
	wire(rt, o, func(ctx context.Context, c *Call, in In) error {
		out, err := f(ctx, in)
		if err != nil {
			return err
		}
		return reply(ctx, rt.plan, c, out)
	})
}

// wire is the end of every registration. Only what depends on In is in it: the
// rest is compiled once and not for each endpoint.
func wire[In any](rt *route, o options, run func(context.Context, *Call, In) error) {
	bind := binder[In](rt.Source)
	rt.in = payloadType[In]()
	rt.wire(o, func(ctx context.Context, m message.Raw) error {
		var x struct { // one allocation for both
			call Call
			in   In
		}
		if err := rt.open(ctx, m, &x.call); err != nil {
			return err
		}
		if err := bind(&x.call, &x.in); err != nil {
			return err
		}
		return run(ctx, &x.call, x.in)
	})
}

func (rt *route) wire(o options, endpoint func(context.Context, message.Raw) error) {
	rt.endpoint = message.HandlerFunc[[]byte](func(ctx context.Context, m message.Raw) (err error) {
		defer message.Recover(&err)
		return noReply(endpoint(ctx, m))
	})
	rt.interceptors = o.interceptors
	for _, catch := range o.catches {
		rt.catches = insertHandler(rt.catches, catch(rt.router, rt))
	}
	rt.router.add(rt)
}

// noReply takes [ErrNoReply] out: it is an answer, not a failure.
func noReply(err error) error {
	if err != nil && errors.Is(err, ErrNoReply) {
		return nil
	}
	return err
}

// payloadType returns the type of the payload that an endpoint is given as a V,
// or that it replies with.
func payloadType[V any]() reflect.Type {
	var none V
	switch v := any(&none).(type) {
	case interface{ payloadType() reflect.Type }: // a Request or a Reply
		return v.payloadType()
	case *message.Raw:
		return reflect.TypeFor[[]byte]()
	}
	return reflect.TypeFor[V]()
}
