package handler

import (
	"fmt"

	"github.com/headrace/headrace/message"
)

// Option shapes a registration that replies: a [ReplyOption] or a [RouteOption].
type Option interface {
	SubscribeOption
	endpoint()
}

// SubscribeOption shapes an [OnSubscribe]: every [Option] does, and [Live].
type SubscribeOption interface{ apply(*options) }

// ReplyOption says where a reply goes and what it carries: [SendTo],
// [SendToUser], [SendToSession], [CopyHeaders]. Several add up.
type ReplyOption func(*options)

// RouteOption shapes a route whether it replies or not: [Interceptors], [Catch].
type RouteOption func(*options)

func (o ReplyOption) apply(to *options) { o(to) }
func (o RouteOption) apply(to *options) { o(to) }
func (ReplyOption) endpoint()           {}
func (RouteOption) endpoint()           {}

type options struct {
	replies      []replyTo
	copies       []string // names of header fields
	interceptors []message.RawInterceptor
	catches      []func(*Router, *route) *errorHandler
	live         *live // or nil
}

func collect[O SubscribeOption](opts []O) options {
	var all options
	for _, o := range opts {
		o.apply(&all)
	}
	return all
}

// or takes from another what these options leave open about replies.
func (o options) or(defaults options) options {
	if len(o.replies) == 0 {
		o.replies = defaults.replies
	}
	if len(o.copies) == 0 {
		o.copies = defaults.copies
	}
	return o
}

// Interceptors puts interceptors around one endpoint, within those of its group
// and of the router; the first is the outermost. One that hands the message to
// another goroutine keeps the endpoint's errors from the error handlers, see
// [Router.Use].
func Interceptors(interceptors ...message.RawInterceptor) RouteOption {
	mustIntercept(interceptors, callSite(0))
	return func(o *options) { o.interceptors = append(o.interceptors, interceptors...) }
}

func mustIntercept(interceptors []message.RawInterceptor, source string) {
	for _, i := range interceptors {
		mustWire(i != nil, "nil interceptor at "+source)
	}
}

// CopyHeaders copies these fields of the message's header to its replies, the
// first of each name, where the message has them. A [Reply] that sets one keeps
// its own. It panics for names that only the server may set, and for the content
// type, which is the reply's own.
func CopyHeaders(names ...string) ReplyOption {
	for _, name := range names {
		if message.Reserved(name) || name == message.HeaderContentType {
			panic(fmt.Sprintf("handler: the header %q cannot be copied to a reply, at %s", name, callSite(0)))
		}
	}
	return func(o *options) { o.copies = append(o.copies, names...) }
}
