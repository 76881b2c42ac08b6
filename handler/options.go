package handler

import "github.com/headrace/headrace/message"

// Option shapes one registration: a [ReplyOption] or a [RouteOption].
type Option interface{ apply(*options) }

// ReplyOption says where a reply goes: [SendTo], [SendToUser], [SendToSession].
// Several add up.
type ReplyOption func(*options)

// RouteOption shapes a route whether it replies or not: [Interceptors].
type RouteOption func(*options)

func (o ReplyOption) apply(to *options) { o(to) }
func (o RouteOption) apply(to *options) { o(to) }

type options struct {
	replies      []replyTo
	interceptors []message.RawInterceptor
}

func collect[O Option](opts []O) options {
	var all options
	for _, o := range opts {
		o.apply(&all)
	}
	return all
}

// Interceptors puts interceptors around one endpoint, within those of
// [Router.Use]; the first is the outermost. One that hands the message to
// another goroutine keeps the endpoint's errors from the error handlers, see
// [Router.Use].
func Interceptors(interceptors ...message.RawInterceptor) RouteOption {
	return func(o *options) { o.interceptors = append(o.interceptors, interceptors...) }
}
