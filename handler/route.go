package handler

import (
	"context"
	"fmt"
	"reflect"
	"runtime"
	"sync/atomic"

	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/message/destination"
)

// Route is a pattern that is wired, see [Router.Routes].
type Route struct {
	// Kind is KindData, or KindSubscribe for an [OnSubscribe].
	Kind message.Kind
	// Pattern is the pattern as it was registered, behind the prefixes of its
	// groups.
	Pattern string
	// Source is the place in the program that registered it, as file:line.
	Source string
}

// Routes returns what is wired, in the order of registration; of a group only
// what is in it. [Router.Describe] says more.
func (r *Router) Routes() []Route {
	r.mu.Lock()
	defer r.mu.Unlock()
	var all []Route
	for _, rt := range r.routes {
		if rt.within(r) {
			all = append(all, rt.Route)
		}
	}
	return all
}

// route is an endpoint, and what is around it, under its pattern. What a message
// reads of it comes first: among many routes, memory that is far apart is most of
// what a message waits for.
type route struct {
	// entry is the endpoint within all that the route and its groups put around it.
	entry   atomic.Pointer[message.RawHandler]
	router  *Router // or group
	bind    func(c *Call, in any) error
	pattern destination.Pattern
	names   []string // of the pattern's variables
	plan    *plan    // nil: it never replies

	Route
	in, out      reflect.Type
	endpoint     message.RawHandler
	interceptors []message.RawInterceptor
	catches      []*errorHandler
}

// newRoute begins a registration, for the exported function that the program
// called. It parses a pattern as users write it. The endpoint, if there is one,
// takes and returns what in and out, nil pointers, point to; a nil out means that
// it never replies.
func (r *Router) newRoute(kind message.Kind, pattern string, in, out any, endpoint bool) *route {
	source := callSite(1)
	mustWire(endpoint, "nil endpoint at "+source)
	pattern = r.join(pattern)
	p, err := destination.Parse(r.normal(pattern), r.config.Separator)
	if err != nil {
		panic(fmt.Sprintf("handler: %v, at %s", err, source))
	}
	rt := &route{router: r, pattern: p, names: p.Names(), Route: Route{kind, pattern, source}}
	rt.in, rt.bind = payloadType(in), binder(in, source)
	if rt.in == reflect.TypeFor[message.Raw]() {
		if _, whole := in.(*message.Raw); !whole {
			panic(fmt.Sprintf("handler: the endpoint at %s takes a message.Raw as a payload: it must take the message itself, or a Request[[]byte]", source))
		}
		rt.in = reflect.TypeFor[[]byte]()
	}
	if out != nil {
		rt.out = sendable(payloadType(out), source)
	}
	return rt
}

// payloadType returns the type of the payload of an input or output, to which v is
// a nil pointer.
func payloadType(v any) reflect.Type {
	if v, ok := v.(interface{ payloadType() reflect.Type }); ok { // a Request or a Reply
		return v.payloadType()
	}
	return reflect.TypeOf(v).Elem()
}

// sendable refuses a message where the payload of a reply is wanted: a codec would
// write all that the server has in it.
func sendable(out reflect.Type, source string) reflect.Type {
	if out == reflect.TypeFor[message.Raw]() {
		panic(fmt.Sprintf("handler: what is wired at %s returns a message.Raw: it must return a Reply", source))
	}
	return out
}

// wire ends a registration: endpoint is what the options are put around.
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

// wireReplies is wire for an endpoint that replies.
func (rt *route) wireReplies(opts []Option, endpoint func(context.Context, message.Raw) error) {
	o := collect(opts)
	rt.plan = rt.router.newPlan(o.or(rt.router.group.defaults), toAll, rt.names, rt.Source)
	rt.wire(o, endpoint)
}

// add makes a route known. Two of one kind that match the same destinations are
// a mistake, and so are two that match one destination equally well.
func (r *Router) add(rt *route) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, o := range r.routes {
		if o.Kind != rt.Kind || destination.Compare(o.pattern, rt.pattern) != 0 {
			continue
		}
		problem := "ties with"
		if o.pattern.Canonical() == rt.pattern.Canonical() {
			problem = "matches the same destinations as"
		} else if !o.pattern.Overlaps(rt.pattern) {
			continue
		}
		panic(fmt.Sprintf("handler: pattern %q at %s %s %q at %s", rt.Pattern, rt.Source, problem, o.Pattern, o.Source))
	}
	rt.mount()
	r.routes = append(r.routes, rt)
	r.table(rt.Kind).Add(rt.pattern, rt)
}

// mount makes the route's entry. The lock is held.
func (rt *route) mount() {
	h := message.Chain(rt.endpoint, rt.interceptors...)
	if len(rt.catches) > 0 {
		h = rt.catching(h)
	}
	for r := rt.router; r != r.root; r = r.group.outer {
		h = r.enter(rt, h)
	}
	rt.entry.Store(&h)
}

func (rt *route) catching(next message.RawHandler) message.RawHandler {
	return message.HandlerFunc[[]byte](func(ctx context.Context, m message.Raw) error {
		if err := next.Handle(ctx, m); err != nil {
			return rt.router.answerBy(ctx, rt.catches, rt, m, err)
		}
		return nil
	})
}

// within reports whether the route belongs to a router or group, or to a group
// in that.
func (rt *route) within(r *Router) bool {
	for g := rt.router; g != nil; g = g.group.outer {
		if g == r {
			return true
		}
	}
	return false
}

// callSite returns where the program called the exported function that calls
// callSite through so many others.
func callSite(through int) string {
	_, file, line, _ := runtime.Caller(2 + through)
	return fmt.Sprintf("%s:%d", file, line)
}
