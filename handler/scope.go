package handler

import (
	"context"
	"fmt"
	"strings"

	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/message/destination"
)

// scope is what a group adds to the router or group that it is in.
type scope struct {
	outer    *Router // nil for the router itself
	prefix   string
	names    []string // of the prefix's variables
	defaults options
}

// Group returns a router for routes with something in common: a prefix of their
// patterns, which may have variables; defaults for replies, in place of which
// a route that names destinations puts its own; interceptors ([Router.Use]),
// which run within those of r; and error handlers ([OnError]), which are asked
// before those of r. Groups nest. An empty prefix, and in a group an empty
// pattern, add nothing.
//
// Replies of an [OnSubscribe] do not take the group's defaults: they go to the
// subscriber unless the registration itself says otherwise.
func (r *Router) Group(prefix string, defaults ...ReplyOption) *Router {
	source := callSite(0)
	prefix = r.join(prefix)
	p, err := destination.Parse(r.root.normal(prefix), r.config.Separator)
	if err != nil {
		panic(fmt.Sprintf("handler: %v, at %s", err, source))
	}
	g := &Router{core: r.core, group: scope{
		outer:    r,
		prefix:   prefix,
		names:    p.Names(),
		defaults: collect(defaults).or(r.group.defaults),
	}}
	g.errorHandlers.Store(new([]*errorHandler))
	return g
}

// join puts the group's prefix before a pattern, with one separator between.
func (r *Router) join(pattern string) string {
	prefix, sep := r.group.prefix, r.config.Separator.String()
	if prefix == "" {
		return pattern
	}
	pattern = strings.TrimPrefix(strings.TrimPrefix(pattern, "/"), sep)
	if pattern == "" {
		return prefix
	}
	return strings.TrimSuffix(prefix, sep) + sep + pattern
}

// normal brings a pattern into the form that is matched: the leading slash may
// be missing where the slash separates, and is dropped where it does not.
func (c *core) normal(pattern string) string {
	text := strings.TrimPrefix(pattern, "/")
	if c.config.Separator == destination.Slash {
		text = "/" + text
	}
	return text
}

// enter puts the interceptors and error handlers of a group around what lies
// within it for one route.
func (r *Router) enter(rt *route, next message.RawHandler) message.RawHandler {
	next = message.Chain(next, r.interceptors...)
	return message.HandlerFunc[[]byte](func(ctx context.Context, m message.Raw) error {
		if err := next.Handle(ctx, m); err != nil {
			return r.answer(ctx, rt, m, err)
		}
		return nil
	})
}
