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

// OnError makes f answer the errors of type E that come out of the router:
// from endpoints, from what reads their input, from interceptors, as
// *message.PanicError from endpoints that panic, and as *message.Error with CodeNotFound for
// destinations that no pattern matches. What f returns is sent like the reply
// of an endpoint, by the same options; the message then counts as handled, and
// the router's Logger is told of the error. When f fails itself, or nobody is
// there for an error, [Router.Handle] returns it: the caller logs it and tells
// the client.
//
// E is looked for as [errors.AsType] does, in the whole chain. Of several
// handlers for one error, those of a concrete type come before those of an
// interface, and then the one wired first: an E of error catches what is left.
// [message.ErrDropped] is no failure and goes to none.
//
// OnError panics when there is a handler for E already, and when a reply option
// names a variable: errors do not belong to a pattern.
func OnError[E error, Out any](r *Router, f func(ctx context.Context, e E) (Out, error), opts ...ReplyOption) {
	source := callSite()
	mustWire(f != nil, "nil error handler at "+source)
	plan := r.newPlan(collect(opts).replies, nil, source)
	r.addErrorHandler(&errorHandler{
		of:     reflect.TypeFor[E](),
		source: source,
		answer: func(ctx context.Context, c *Call, err error) (mine bool, failed error) {
			e, ok := errors.AsType[E](err)
			if !ok {
				return false, nil
			}
			return true, answerWith(ctx, plan, c, f, e)
		},
	})
}

func answerWith[E error, Out any](ctx context.Context, p *plan, c *Call, f func(context.Context, E) (Out, error), e E) (failed error) {
	defer message.Recover(&failed)
	out, err := f(ctx, e)
	if err != nil {
		return noReply(err)
	}
	return reply(ctx, p, c, out)
}

// errorHandler answers the errors of one type.
type errorHandler struct {
	of     reflect.Type
	source string
	// answer reports whether the error is of the type, and what went wrong
	// when it was answered.
	answer func(ctx context.Context, c *Call, err error) (mine bool, failed error)
}

func (h *errorHandler) general() bool { return h.of.Kind() == reflect.Interface }

func (r *Router) addErrorHandler(h *errorHandler) {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := slices.Clone(*r.errorHandlers.Load())
	if i := slices.IndexFunc(all, func(o *errorHandler) bool { return o.of == h.of }); i >= 0 {
		panic(fmt.Sprintf("handler: errors of type %v are handled twice: at %s and at %s", h.of, all[i].source, h.source))
	}
	at := len(all)
	if first := slices.IndexFunc(all, (*errorHandler).general); first >= 0 && !h.general() {
		at = first
	}
	all = slices.Insert(all, at, h)
	r.errorHandlers.Store(&all)
}

// answer lets the error handlers answer err and returns what is left of it.
func (r *Router) answer(ctx context.Context, m message.Raw, err error) error {
	if errors.Is(err, message.ErrDropped) {
		return err
	}
	c := Call{Raw: m, ctx: ctx, codecs: r.config.Codecs}
	for _, h := range *r.errorHandlers.Load() {
		mine, failed := h.answer(ctx, &c, err)
		switch {
		case !mine:
			continue
		case failed == nil:
			r.log(ctx, m, err)
		case !errors.Is(failed, err):
			return errors.Join(failed, err)
		}
		return failed
	}
	return err
}

// log is for errors that were answered: nobody else hears of them.
func (r *Router) log(ctx context.Context, m message.Raw, err error) {
	attrs := []slog.Attr{slog.String("destination", m.Destination), slog.Any("error", err)}
	level := slog.LevelDebug
	if p, ok := errors.AsType[*message.PanicError](err); ok {
		level = slog.LevelError
		attrs = append(attrs, slog.String("stack", string(p.Stack)))
	}
	orDefault(r.config.Logger).LogAttrs(ctx, level, "error handler answered", attrs...)
}
