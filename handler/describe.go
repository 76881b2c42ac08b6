package handler

import (
	"reflect"
	"runtime"
	"slices"
	"strings"

	"github.com/headrace/headrace/message"
)

// Description says all about a route: documents and pictures are made of it.
type Description struct {
	// Route is the pattern, its kind, and where it was registered.
	Route
	// In is the type of the payload that the endpoint takes; what a type with a
	// Bind method reads is its own business, so it stands for itself.
	In reflect.Type
	// Out is the type of the payload of the replies, or nil if there are none.
	Out reflect.Type
	// Replies are where replies go, in the order in which they are sent.
	Replies []Destination
	// Stream is where the messages come from that follow the reply to a
	// subscription, as it was registered. Empty means that none do, see [Live].
	Stream string
	// Interceptors names the functions around the endpoint, the outermost first:
	// those of the router, of its groups and of the route.
	Interceptors []string
	// Errors are the types and values that are answered, the nearest first: by
	// the route, its groups and the router.
	Errors []string
}

// Destination is where a reply goes.
type Destination struct {
	// To is who gets it: "all" who subscribed, the "user" or the "session" that
	// sent the message, or the "subscriber" on the subscription that asked.
	To string
	// Name is the destination as it was registered. Empty means the one made of
	// the destination of the message.
	Name string
}

// Describe returns the table of the routes, in the order of registration; of a
// group only what is in it. Changes of it do not reach the router.
func (r *Router) Describe() []Description {
	r.mu.Lock()
	defer r.mu.Unlock()
	var all []Description
	for _, rt := range r.routes {
		if rt.within(r) {
			all = append(all, rt.describe())
		}
	}
	return all
}

func (rt *route) describe() Description {
	d := Description{Route: rt.Route, In: rt.in, Out: rt.out}
	if rt.plan != nil {
		for _, t := range rt.plan.targets {
			d.Replies = append(d.Replies, Destination{t.audience.String(), t.address.String()})
		}
		if rt.plan.stream != nil {
			d.Stream = rt.plan.stream.destination
		}
	}
	d.Interceptors = names(rt.interceptors)
	d.Errors = handled(rt.catches)
	for r := rt.router; r != nil; r = r.group.outer {
		d.Interceptors = slices.Concat(names(r.interceptors), d.Interceptors)
		d.Errors = append(d.Errors, handled(*r.errorHandlers.Load())...)
	}
	return d
}

// names returns the names of functions, as the runtime knows them.
func names(interceptors []message.RawInterceptor) (all []string) {
	for _, i := range interceptors {
		name := runtime.FuncForPC(reflect.ValueOf(i).Pointer()).Name()
		all = append(all, name[strings.LastIndexByte(name, '/')+1:])
	}
	return all
}

func handled(by []*errorHandler) (all []string) {
	for _, h := range by {
		all = append(all, h.what())
	}
	return all
}
