package handler

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"slices"

	"github.com/headrace/headrace/message"
)

// OnError makes f answer the errors of type E that come out of a router or
// group: from endpoints, from what reads their input, from interceptors, as
// *message.PanicError from endpoints that panic, and, out of a router, as
// *message.Error with CodeNotFound for destinations that no pattern matches.
// What f returns is sent like the reply of an endpoint, by the same options; the
// message then counts as handled, and the router's Logger is told of the error.
//
// The nearest handler answers: first what a route has by [Catch], then its
// group, the groups around that, and the router. When f fails itself, its error
// goes on outwards; what nobody answers [Router.Handle] returns: the caller
// logs it and tells the client its code.
//
// E is looked for as [errors.AsType] does, in the whole chain. Of several
// handlers in one place, those of [OnErrorIs] come first, those of a concrete
// type before those of an interface, and then the one wired first: an E of error
// catches what is left. [message.ErrDropped] is no failure and goes to none.
// [FailedCall] tells f about the message.
//
// OnError panics when there is a handler for E already, and when a reply option
// names a variable that is not one of the group's prefix.
func OnError[E error, Out any](r *Router, f func(ctx context.Context, e E) (Out, error), opts ...ReplyOption) {
	source := callSite(0)
	mustWire(f != nil, "nil error handler at "+source)
	sendable(payloadType((*Out)(nil)), source)
	r.addErrorHandler(byType(r.errorPlan(opts, source), source, f))
}

// OnErrorIs is [OnError] for one error value, looked for as [errors.Is] does.
func OnErrorIs[Out any](r *Router, target error, f func(ctx context.Context, err error) (Out, error), opts ...ReplyOption) {
	source := callSite(0)
	mustWire(f != nil, "nil error handler at "+source)
	mustWire(target != nil, "nil error at "+source)
	sendable(payloadType((*Out)(nil)), source)
	p := r.errorPlan(opts, source)
	r.addErrorHandler(&errorHandler{
		is:     target,
		source: source,
		answer: func(ctx context.Context, c *Call, err error) (mine bool, failed error) {
			if !errors.Is(err, target) {
				return false, nil
			}
			return true, answerWith(ctx, p, c, f, err)
		},
	})
}

// Catch is [OnError] for one route, before all others. Its reply options may
// name the variables of the route's pattern.
func Catch[E error, Out any](f func(ctx context.Context, e E) (Out, error), opts ...ReplyOption) RouteOption {
	source := callSite(0)
	mustWire(f != nil, "nil error handler at "+source)
	sendable(payloadType((*Out)(nil)), source)
	return func(o *options) {
		o.catches = append(o.catches, func(r *Router, rt *route) *errorHandler {
			p := r.newPlan(collect(opts).or(r.group.defaults), toAll, rt.names, source)
			return byType(p, source, f)
		})
	}
}

func (r *Router) errorPlan(opts []ReplyOption, source string) *plan {
	return r.newPlan(collect(opts).or(r.group.defaults), toAll, r.group.names, source)
}

func byType[E error, Out any](p *plan, source string, f func(context.Context, E) (Out, error)) *errorHandler {
	return &errorHandler{
		of:     reflect.TypeFor[E](),
		source: source,
		answer: func(ctx context.Context, c *Call, err error) (mine bool, failed error) {
			e, ok := errors.AsType[E](err)
			if !ok {
				return false, nil
			}
			return true, answerWith(ctx, p, c, f, e)
		},
	}
}

type failedCallKey struct{}

// FailedCall returns the message that an error handler answers for, with its
// route and path variables as far as a route was found. Elsewhere it returns
// nil.
func FailedCall(ctx context.Context) *Call {
	c, _ := ctx.Value(failedCallKey{}).(*Call)
	return c
}

func answerWith[E error, Out any](ctx context.Context, p *plan, c *Call, f func(context.Context, E) (Out, error), e E) (failed error) {
	defer message.Recover(&failed)
	out, err := f(context.WithValue(ctx, failedCallKey{}, c), e)
	if err != nil {
		return noReply(err)
	}
	return p.reply(ctx, c, output(&out))
}

// errorHandler answers the errors of one type, or one error.
type errorHandler struct {
	of     reflect.Type
	is     error // or nil
	source string
	// answer reports whether the error is the handler's, and what went wrong
	// when it was answered.
	answer func(ctx context.Context, c *Call, err error) (mine bool, failed error)
}

// rank orders the handlers of one place.
func (h *errorHandler) rank() int {
	switch {
	case h.is != nil:
		return 0
	case h.of.Kind() != reflect.Interface:
		return 1
	}
	return catchAll
}

// catchAll is the rank of those that answer errors of an interface.
const catchAll = 2

// what names the errors that are the handler's.
func (h *errorHandler) what() string {
	if h.is != nil {
		return h.is.Error()
	}
	return h.of.String()
}

func (h *errorHandler) same(o *errorHandler) bool {
	if h.is == nil || o.is == nil {
		return h.is == o.is && h.of == o.of
	}
	return reflect.TypeOf(h.is).Comparable() && h.is == o.is
}

func (r *Router) addErrorHandler(h *errorHandler) {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := insertHandler(*r.errorHandlers.Load(), h)
	r.errorHandlers.Store(&all)
}

// insertHandler returns a new list with h behind those of its rank.
func insertHandler(all []*errorHandler, h *errorHandler) []*errorHandler {
	if i := slices.IndexFunc(all, h.same); i >= 0 {
		kind := "of type"
		if h.is != nil {
			kind = "that are"
		}
		panic(fmt.Sprintf("handler: errors %s %s are handled twice: at %s and at %s", kind, h.what(), all[i].source, h.source))
	}
	at := slices.IndexFunc(all, func(o *errorHandler) bool { return o.rank() > h.rank() })
	if at < 0 {
		at = len(all)
	}
	return slices.Insert(slices.Clone(all), at, h)
}

// answer lets the error handlers of a router or group answer err and returns
// what is left of it.
func (r *Router) answer(ctx context.Context, rt *route, m message.Raw, err error) error {
	return r.answerBy(ctx, *r.errorHandlers.Load(), rt, m, err)
}

// answerAll lets everybody around a route answer err, the nearest first, when
// the call that would have passed it on has returned already.
func (rt *route) answerAll(ctx context.Context, m message.Raw, err error) error {
	err = rt.router.answerBy(ctx, rt.catches, rt, m, err)
	for r := rt.router; r != nil && err != nil; r = r.group.outer {
		err = r.answer(ctx, rt, m, err)
	}
	return err
}

// answerBy needs no route: it looks for one itself when somebody is there for
// the error.
func (r *Router) answerBy(ctx context.Context, handlers []*errorHandler, rt *route, m message.Raw, err error) error {
	if len(handlers) == 0 || errors.Is(err, message.ErrDropped) {
		return err
	}
	c := r.failedCall(ctx, rt, m)
	for _, h := range handlers {
		mine, failed := h.answer(ctx, c, err)
		switch {
		case !mine:
			continue
		case failed == nil:
			r.log(ctx, h, m, err)
		case !errors.Is(failed, err):
			return errors.Join(failed, err)
		}
		return failed
	}
	return err
}

func (r *Router) failedCall(ctx context.Context, rt *route, m message.Raw) *Call {
	if rt == nil {
		rt = r.find(m)
	}
	c := new(Call)
	if rt == nil || rt.call(ctx, m, c) != nil {
		*c = Call{Raw: m, ctx: ctx, config: &r.config}
	}
	return c
}

// log is for errors that were answered: nobody else hears of them. One that h is
// for by its value or concrete type was expected; of others, what the client
// learned by a code other than CodeInternal is no failure of the program.
func (r *Router) log(ctx context.Context, h *errorHandler, m message.Raw, err error) {
	attrs := []slog.Attr{slog.String("destination", m.Destination), slog.Any("error", err)}
	level := slog.LevelDebug
	if h.rank() == catchAll && message.Public(err).Code == message.CodeInternal {
		level = slog.LevelWarn
	}
	if p, ok := errors.AsType[*message.PanicError](err); ok {
		level = slog.LevelError
		attrs = append(attrs, slog.String("stack", string(p.Stack)))
	}
	orDefault(r.config.Logger).LogAttrs(ctx, level, "error handler answered", attrs...)
}
