package handler

import (
	"cmp"
	"context"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/message/codec"
	"github.com/headrace/headrace/message/destination"
)

// Config is what all routes of a [Router] share.
type Config struct {
	// Prefix begins the destinations that are the router's; patterns are
	// relative to it. Zero means "/app"; "/" claims every destination.
	Prefix string
	// ReplyPrefix takes the place of Prefix in the destination of a reply that
	// names none. Zero means "/topic".
	ReplyPrefix string
	// UserPrefix begins the destinations of [SendToUser] and [SendToSession].
	// Zero means "/user".
	UserPrefix string
	// Separator divides patterns, and destinations behind Prefix, into
	// segments. Zero means [destination.Slash]; a slash follows Prefix in any case.
	Separator destination.Separator
	// Codecs read payloads and write replies. Zero (nil) means the built-in
	// ones.
	Codecs *codec.Set
	// Validate looks at every payload that was read as a Go value, before the
	// value's own Validate method does; see [Payload]. It is called from any
	// goroutine. Zero (nil) means no further check.
	Validate func(payload any) error
	// Outbound takes the direct replies of [OnSubscribe]: the way to the
	// clients. Zero (nil) means that there are none, and that every OnSubscribe
	// needs a SendTo.
	Outbound message.RawHandler
	// CatchUp returns when what was sent to a destination before, at any node, was delivered
	// here, see broker.Memory. A [Live] with [Newer] calls it before it delivers a snapshot,
	// so that nothing older comes behind that. Zero (nil) means that nothing is on its way
	// when who sent it goes on.
	CatchUp func(ctx context.Context, destination string) error
	// Logger is told of the errors that an error handler answered: at Error of
	// panics, at Debug of what the client may be told by another code than
	// CodeInternal and of errors that the handler is for by their concrete type or
	// value, at Warn of all others. Zero (nil) means slog.Default() at the time of
	// the error.
	Logger *slog.Logger
}

func (c Config) withDefaults() Config {
	c.Prefix = prefixOr(c.Prefix, "/app")
	c.ReplyPrefix = prefixOr(c.ReplyPrefix, "/topic")
	c.UserPrefix = prefixOr(c.UserPrefix, defaultUserPrefix)
	return c
}

// prefixOr returns a prefix without the separator at its end: what it is put
// before brings one.
func prefixOr(prefix, otherwise string) string {
	return strings.TrimRight(cmp.Or(prefix, otherwise), "/.")
}

// Router takes the messages of clients to typed endpoints and sends on what
// these return. [Handle], [Consume], [Stream], [Later] and [OnSubscribe] wire
// endpoints, [OnError] and [OnErrorIs] what becomes of their errors, and
// [Router.Group] gives routes something in common. Everything may be wired at
// any time and from any goroutine, also while messages flow; wiring mistakes
// panic and name the lines of the program that made them.
type Router struct {
	*core
	group         scope
	errorHandlers atomic.Pointer[[]*errorHandler]
	interceptors  []message.RawInterceptor // under core.mu
}

// core is what a router and its groups share.
type core struct {
	root          *Router
	config        Config
	replies       message.RawHandler
	messages      *destination.Index[*route]
	subscriptions *destination.Index[*route]
	unroutable    atomic.Uint64
	// entry is where a message begins: interceptors around dispatch.
	entry atomic.Pointer[message.RawHandler]

	mu     sync.Mutex // of all that is wired
	routes []*route
}

var _ message.RawHandler = (*Router)(nil)

// NewRouter returns a router without routes. What its endpoints return goes to
// replies: the way to the broker.
func NewRouter(replies message.RawHandler, c Config) *Router {
	mustWire(replies != nil, "a router needs a handler for replies")
	c = c.withDefaults()
	r := &Router{core: &core{
		config:        c,
		replies:       replies,
		messages:      destination.NewIndex[*route](c.Separator),
		subscriptions: destination.NewIndex[*route](c.Separator),
	}}
	r.root = r
	r.errorHandlers.Store(new([]*errorHandler))
	r.Use()
	return r
}

// Handle takes a message of KindData, or of KindSubscribe for [OnSubscribe], to
// the endpoint with the most specific pattern that matches its destination (see
// [destination.Compare]) and returns when the endpoint did and its replies are
// sent; [Later] tells of the exception. Any other message, and one that no
// pattern matches, is answered with CodeNotFound. Errors go to the error
// handlers first, see [OnError]; nil means that the message was handled, replied
// to, or its error was answered. All of it is over when Handle returns, so the
// message's Done is left alone; [Router.Use] tells of another exception.
//
// Handle may be called from any goroutine and blocks for as long as the
// endpoint, the interceptors and the handler of the replies do. To hand a message
// to a group is to hand it to its router.
func (r *Router) Handle(ctx context.Context, m message.Raw) error {
	if _, ok := r.relative(m.Destination); !ok && m.Destination != r.config.Prefix || r.table(m.Kind) == nil {
		return notFound(m)
	}
	err := (*r.entry.Load()).Handle(ctx, m)
	if err == nil {
		return nil
	}
	return r.root.answer(ctx, nil, m, err)
}

// Template returns the pattern, behind Prefix, of the route that takes messages of a
// kind to a destination, or "" if none does: what spans and metrics show of it.
func (r *Router) Template(k message.Kind, dest string) string {
	rt := r.find(message.Raw{Kind: k, Destination: dest})
	if rt == nil {
		return ""
	}
	return r.config.Prefix + "/" + strings.TrimPrefix(rt.Pattern, "/")
}

// table returns the routes for a kind of messages, or nil.
func (c *core) table(k message.Kind) *destination.Index[*route] {
	switch k {
	case message.KindData:
		return c.messages
	case message.KindSubscribe:
		return c.subscriptions
	}
	return nil
}

// Use puts interceptors around the routing of all messages, or around the
// endpoints of a group, within those of earlier calls; the first is the
// outermost. They see the errors of endpoints before the error handlers of the
// same router or group do, and after those of groups and routes within it. Each
// is called again when more are added.
//
// One that hands the message to another goroutine and returns, such as
// interceptor.Ordered, parts the endpoint from [Router.Handle], which then
// returns before the endpoint did: what the endpoint returns goes to the
// message's Done alone, and the error handlers never see it. To have both, mount
// Ordered before the router.
func (r *Router) Use(interceptors ...message.RawInterceptor) {
	mustIntercept(interceptors, callSite(0))
	r.mu.Lock()
	defer r.mu.Unlock()
	r.interceptors = append(r.interceptors, interceptors...)
	if r == r.root {
		entry := message.Chain(message.RawHandler(message.HandlerFunc[[]byte](r.dispatch)), r.interceptors...)
		r.entry.Store(&entry)
		return
	}
	for _, rt := range r.routes {
		if rt.within(r) {
			rt.mount()
		}
	}
}

func (c *core) dispatch(ctx context.Context, m message.Raw) error {
	if best := c.find(m); best != nil {
		return (*best.entry.Load()).Handle(ctx, m)
	}
	c.unroutable.Add(1)
	return notFound(m)
}

// find returns the route of a message, or nil.
func (c *core) find(m message.Raw) (best *route) {
	rest, ok := c.relative(m.Destination)
	table := c.table(m.Kind)
	if !ok || table == nil {
		return nil
	}
	for rt := range table.Match(rest) {
		if best == nil || destination.Compare(rt.pattern, best.pattern) < 0 {
			best = rt
		}
	}
	return best
}

// relative returns the part of a destination that patterns speak of: what follows the
// prefix, with its leading slash when that is the separator. A slash follows the prefix in
// any case: with two spellings of one endpoint, a policy that denies one lets the other in.
func (c *core) relative(dest string) (rest string, ok bool) {
	rest, ok = strings.CutPrefix(dest, c.config.Prefix)
	if !ok || rest == "" || rest[0] != '/' {
		return "", false
	}
	if c.config.Separator == destination.Slash {
		return rest, true
	}
	return rest[1:], true
}

func notFound(m message.Raw) error {
	return message.Errorf(message.CodeNotFound, "no handler for %.200s", m.Destination)
}

// RouterStats is a snapshot of a [Router].
type RouterStats struct {
	// Routes is how many endpoints are wired.
	Routes int
	// Unroutable counts messages to the prefix or below it that no pattern
	// matches.
	Unroutable uint64
}

// Stats returns a snapshot of the router, also when it is asked of a group.
func (r *Router) Stats() RouterStats {
	r.mu.Lock()
	defer r.mu.Unlock()
	return RouterStats{Routes: len(r.routes), Unroutable: r.unroutable.Load()}
}
