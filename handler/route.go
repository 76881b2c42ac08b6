package handler

import (
	"fmt"
	"runtime"
	"slices"
	"strings"

	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/message/destination"
)

// Route is a pattern that is wired, see [Router.Routes].
type Route struct {
	// Pattern is the pattern as it was registered.
	Pattern string
	// Source is the place in the program that registered it, as file:line.
	Source string
}

// Routes returns what is wired, in the order of registration.
func (r *Router) Routes() []Route {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := make([]Route, len(r.routes))
	for i, rt := range r.routes {
		all[i] = rt.Route
	}
	return all
}

// route is an endpoint, its interceptors around it, under its pattern.
type route struct {
	Route
	pattern destination.Pattern
	names   []string // of the pattern's variables
	order   int      // among all routes
	entry   message.RawHandler
}

func (rt *route) before(o *route) bool {
	c := destination.Compare(rt.pattern, o.pattern)
	return c < 0 || c == 0 && rt.order < o.order
}

// newRoute parses a pattern as users write it: the leading slash may be missing
// where the slash separates, and is dropped where it does not.
func (r *Router) newRoute(pattern, source string) *route {
	text := strings.TrimPrefix(pattern, "/")
	if r.config.Separator == destination.Slash {
		text = "/" + text
	}
	p, err := destination.Parse(text, r.config.Separator)
	if err != nil {
		panic(fmt.Sprintf("handler: %v, at %s", err, source))
	}
	return &route{Route: Route{pattern, source}, pattern: p, names: p.Names()}
}

func (r *Router) add(rt *route) {
	r.mu.Lock()
	defer r.mu.Unlock()
	same := func(o *route) bool { return o.pattern.Canonical() == rt.pattern.Canonical() }
	if i := slices.IndexFunc(r.routes, same); i >= 0 {
		panic(fmt.Sprintf("handler: pattern %q at %s matches the same destinations as %q at %s",
			rt.Pattern, rt.Source, r.routes[i].Pattern, r.routes[i].Source))
	}
	rt.order = len(r.routes)
	r.routes = append(r.routes, rt)
	r.index.Add(rt.pattern, rt)
}

// callSite returns where the program called the exported function that calls
// callSite.
func callSite() string {
	_, file, line, _ := runtime.Caller(2)
	return fmt.Sprintf("%s:%d", file, line)
}
