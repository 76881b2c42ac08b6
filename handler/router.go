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
	// segments. Zero means [destination.Slash].
	Separator destination.Separator
	// Codecs read payloads and write replies. Zero (nil) means the built-in
	// ones.
	Codecs *codec.Set
	// Logger is told of the errors that an error handler answered. Zero (nil)
	// means slog.Default() at the time of the error.
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
// these return. [Handle] and [Consume] wire endpoints, [OnError] what becomes
// of their errors. Everything may be wired at any time and from any goroutine,
// also while messages flow; wiring mistakes panic and name the lines of the
// program that made them.
type Router struct {
	config  Config
	replies message.RawHandler
	index   *destination.Index[*route]
	// entry is where a message begins: interceptors around dispatch.
	entry         atomic.Pointer[message.RawHandler]
	errorHandlers atomic.Pointer[[]*errorHandler]

	mu           sync.Mutex // of all that is wired
	interceptors []message.RawInterceptor
	routes       []*route
}

var _ message.RawHandler = (*Router)(nil)

// NewRouter returns a router without routes. What its endpoints return goes to
// replies: the way to the broker.
func NewRouter(replies message.RawHandler, c Config) *Router {
	mustWire(replies != nil, "a router needs a handler for replies")
	c = c.withDefaults()
	r := &Router{config: c, replies: replies, index: destination.NewIndex[*route](c.Separator)}
	r.errorHandlers.Store(new([]*errorHandler))
	r.Use()
	return r
}

// Handle takes a message of KindData to the endpoint with the most specific
// pattern that matches its destination (see [destination.Compare]; of two that
// tie, the one wired first) and returns when the endpoint did and its replies
// are sent. Any other message, and one that no pattern matches, is answered
// with CodeNotFound. Errors go to the error handlers first, see [OnError]; nil
// means that the message was handled, replied to, or its error was answered.
// All of it is over when Handle returns, so the message's Done is left alone;
// [Router.Use] tells of the exception.
//
// Handle may be called from any goroutine and blocks for as long as the
// endpoint, the interceptors and the handler of the replies do.
func (r *Router) Handle(ctx context.Context, m message.Raw) error {
	if _, ok := r.relative(m.Destination); !ok || m.Kind != message.KindData {
		return notFound(m)
	}
	err := (*r.entry.Load()).Handle(ctx, m)
	if err == nil {
		return nil
	}
	return r.answer(ctx, m, err)
}

// Use puts interceptors around the routing of all messages, within those of
// earlier calls; the first is the outermost. They see the errors of endpoints
// before the error handlers do. Each is called again when more are added.
//
// One that hands the message to another goroutine and returns, such as
// interceptor.Ordered, parts the endpoint from [Router.Handle], which then
// returns before the endpoint did: what the endpoint returns goes to the
// message's Done alone, and the error handlers never see it. To have both, mount
// Ordered before the router.
func (r *Router) Use(interceptors ...message.RawInterceptor) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.interceptors = append(r.interceptors, interceptors...)
	entry := message.Chain(message.RawHandler(message.HandlerFunc[[]byte](r.dispatch)), r.interceptors...)
	r.entry.Store(&entry)
}

func (r *Router) dispatch(ctx context.Context, m message.Raw) error {
	if rest, ok := r.relative(m.Destination); ok {
		if best := r.find(rest); best != nil {
			return best.entry.Handle(ctx, m)
		}
	}
	return notFound(m)
}

func (r *Router) find(dest string) *route {
	var best *route
	for rt := range r.index.Match(dest) {
		if best == nil || rt.before(best) {
			best = rt
		}
	}
	return best
}

// relative returns the part of a destination that patterns speak of: what
// follows the prefix, with its leading slash when that is the separator.
func (r *Router) relative(dest string) (rest string, ok bool) {
	rest, ok = strings.CutPrefix(dest, r.config.Prefix)
	if !ok || rest == "" {
		return "", false
	}
	if r.config.Separator == destination.Slash {
		return rest, rest[0] == '/'
	}
	return rest[1:], rest[0] == '/' || rest[0] == '.'
}

func notFound(m message.Raw) error {
	return message.Errorf(message.CodeNotFound, "no handler for %.200s", m.Destination)
}
