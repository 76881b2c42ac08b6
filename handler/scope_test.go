package handler_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/headrace/headrace/handler"
	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/message/destination"
)

func TestGroupJoinsPrefixAndPattern(t *testing.T) {
	for _, c := range []struct {
		name            string
		separator       destination.Separator
		prefix, pattern string
		dest, want      string
	}{
		{"slashes", destination.Slash, "/red", "/blue/{x}", "/app/red/blue/1", "/red/blue/{x}"},
		{"no slash", destination.Slash, "red", "blue", "/app/red/blue", "red/blue"},
		{"slash at the end", destination.Slash, "/red/", "blue", "/app/red/blue", "/red/blue"},
		{"empty pattern", destination.Slash, "/red", "", "/app/red", "/red"},
		{"empty prefix", destination.Slash, "", "/blue", "/app/blue", "/blue"},
		{"dots", destination.Dot, "red", "blue.{x}", "/app/red.blue.1", "red.blue.{x}"},
		{"dots and slash", destination.Dot, "/red.", "/blue", "/app/red.blue", "/red.blue"},
		{"variable in the prefix", destination.Slash, "/rooms/{room}", "/say", "/app/rooms/7/say", "/rooms/{room}/say"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, sent := newRouter(handler.Config{Separator: c.separator})
			handler.Handle(r.Group(c.prefix), c.pattern, echo("x"), handler.SendTo("/topic/y"))
			mustHandle(t, send(r, c.dest, "hi"))
			expect(t, "sent", sent.lines(), "/topic/y x:hi")
			expect(t, "pattern", r.Routes()[0].Pattern, c.want)
		})
	}
}

func TestGroupDefaultsAndTheirOverriding(t *testing.T) {
	r, sent := newRouter(handler.Config{})
	g := r.Group("/g/{a}", handler.SendTo("/topic/{a}"), handler.SendToUser("/queue/g"), handler.CopyHeaders("who"))
	inner := g.Group("/inner")
	own := g.Group("/own", handler.SendTo("/topic/own"))
	handler.Handle(g, "/default", echo("x"))
	handler.Handle(g, "/override", echo("x"), handler.SendTo("/topic/z"))
	handler.Handle(inner, "/default", echo("x"))
	handler.Handle(own, "/default", echo("x"))
	handler.Handle(r, "/outside", echo("x"))
	for dest, want := range map[string]string{
		"/app/g/1/default":       "/user/kim/queue/g x:hi\n/topic/1 x:hi",
		"/app/g/1/override":      "/topic/z x:hi",
		"/app/g/1/inner/default": "/user/kim/queue/g x:hi\n/topic/1 x:hi",
		"/app/g/1/own/default":   "/topic/own x:hi",
		"/app/outside":           "/topic/outside x:hi",
	} {
		m := message.Raw{Destination: dest, Session: session("kim"), Header: message.NewHeader(field("who", "me")), Payload: []byte("hi")}
		mustHandle(t, r.Handle(t.Context(), m))
		for _, m := range sent.sent {
			expect(t, dest+" copies", m.Header.Get("who") != "", strings.Contains(dest, "/g/"))
		}
		expect(t, dest, sent.lines(), want)
	}
}

// tracing notes when a message passes, and with which error it comes back.
func tracing(trace *[]string, name string) message.RawInterceptor {
	return func(next message.RawHandler) message.RawHandler {
		return message.HandlerFunc[[]byte](func(ctx context.Context, m message.Raw) error {
			*trace = append(*trace, name)
			err := next.Handle(ctx, m)
			*trace = append(*trace, name+":"+string(code(err)))
			return err
		})
	}
}

func TestGroupInterceptorsRunWithinThoseOfTheRouter(t *testing.T) {
	var trace []string
	r, _ := newRouter(handler.Config{})
	g := r.Group("/g")
	inner := g.Group("/inner")
	handler.Handle(inner, "/x", echo("x"), handler.Interceptors(tracing(&trace, "route")))
	handler.Handle(r, "/x", echo("x"))
	inner.Use(tracing(&trace, "inner")) // after the route, and the innermost first
	g.Use(tracing(&trace, "g1"))
	r.Use(tracing(&trace, "r"))
	g.Use(tracing(&trace, "g2"))
	mustHandle(t, send(r, "/app/g/inner/x", "hi"))
	expect(t, "in the group", strings.Join(trace, " "), "r g1 g2 inner route route: inner: g2: g1: r:")
	trace = nil
	mustHandle(t, send(r, "/app/x", "hi"))
	expect(t, "outside", strings.Join(trace, " "), "r r:")
	mustHandle(t, send(inner, "/app/x", "hi")) // a group's Handle is the router's
}

func TestNearestErrorHandlerAnswers(t *testing.T) {
	var trace []string
	r, sent := newRouter(handler.Config{})
	g := r.Group("/g")
	inner := g.Group("/inner")
	fail := func(_ context.Context, in string) (string, error) {
		switch in {
		case "trade":
			return "", &tradeError{"ACME"}
		case "denied":
			return "", message.Errorf(message.CodeDenied, "no")
		}
		return "", errBoom
	}
	handler.Handle(inner, "/caught", fail, handler.Catch(func(_ context.Context, e *tradeError) (string, error) { return "route: " + e.symbol, nil }))
	handler.Handle(inner, "/x", fail)
	handler.Handle(r, "/x", fail)
	naming[*tradeError](inner, "inner")
	naming[*message.Error](g, "g")
	naming[error](r, "r")
	inner.Use(tracing(&trace, "inner"))
	g.Use(tracing(&trace, "g"))
	r.Use(tracing(&trace, "r"))
	for _, c := range []struct{ dest, payload, want, trace string }{
		{"/g/inner/caught", "trade", "route: ACME", "r g inner inner: g: r:"},
		{"/g/inner/x", "trade", "inner: cannot trade ACME", "r g inner inner:internal g: r:"},
		{"/g/inner/x", "denied", "g: denied: no", "r g inner inner:denied g:denied r:"},
		{"/g/inner/caught", "boom", "r: " + errBoom.Error(), "r g inner inner:internal g:internal r:internal"},
		{"/x", "trade", "r: cannot trade ACME", "r r:internal"},
		{"/g/nowhere", "trade", "r: not-found: no handler for /app/g/nowhere", "r r:not-found"},
	} {
		trace = nil
		mustHandle(t, send(r, "/app"+c.dest, c.payload))
		expect(t, c.dest, sent.lines(), "/topic"+c.dest+" "+c.want)
		expect(t, c.dest+" interceptors", strings.Join(trace, " "), c.trace)
	}
}

func TestErrorHandlerThatFailsHandsOutwards(t *testing.T) {
	r, sent := newRouter(handler.Config{})
	g := r.Group("/g")
	other := errors.New("other")
	handler.Handle(g, "/x", func(context.Context, string) (string, error) { return "", errBoom })
	handler.OnErrorIs(g, errBoom, func(context.Context, error) (string, error) { return "", other })
	handler.OnErrorIs(r, other, func(_ context.Context, err error) (string, error) {
		expect(t, "still the first one too", errors.Is(err, errBoom), true)
		return "answered", nil
	}, handler.SendTo("/topic/errors"))
	mustHandle(t, send(r, "/app/g/x", "hi"))
	expect(t, "sent", sent.lines(), "/topic/errors answered")
}

func TestErrorHandlersKnowVariables(t *testing.T) {
	r, sent := newRouter(handler.Config{})
	g := r.Group("/rooms/{room}", handler.SendTo("/topic/rooms.{room}"))
	handler.Consume(g, "/say/{what}", func(context.Context, string) error { return errBoom },
		handler.Catch(func(context.Context, *tradeError) (string, error) { return "", nil }, handler.SendTo("/topic/{what}")))
	handler.OnErrorIs(g, errBoom, func(ctx context.Context, _ error) (string, error) {
		c := handler.FailedCall(ctx)
		return c.PathValue("room") + " " + c.PathValue("what") + " " + c.Route().Pattern + " " + string(c.Payload), nil
	})
	handler.OnError(r, func(ctx context.Context, _ *message.Error) (string, error) {
		return "no route: " + handler.FailedCall(ctx).Route().Pattern, nil
	})
	mustHandle(t, send(r, "/app/rooms/blue/say/it", "hi"))
	expect(t, "of the group's prefix", sent.lines(), "/topic/rooms.blue blue it /rooms/{room}/say/{what} hi")
	mustHandle(t, send(r, "/app/nowhere", "hi"))
	expect(t, "no route", sent.lines(), "/topic/nowhere no route: ")
	if handler.FailedCall(t.Context()) != nil {
		t.Error("a call without a failure")
	}
}

func TestOnErrorIs(t *testing.T) {
	r, sent := newRouter(handler.Config{})
	handler.Handle(r, "/x", func(context.Context, string) (string, error) { return "", errors.Join(errBoom, &tradeError{"ACME"}) })
	naming[error](r, "any")
	naming[*tradeError](r, "trade")
	handler.OnErrorIs(r, errBoom, func(_ context.Context, err error) (string, error) { return "is", nil })
	mustHandle(t, send(r, "/app/x", "hi"))
	expect(t, "a value comes before types", sent.lines(), "/topic/x is")
}

func TestGroupPanics(t *testing.T) {
	for _, c := range []struct {
		name string
		wire func(r *handler.Router)
		want string
	}{
		{"malformed prefix", func(r *handler.Router) { r.Group("/{a") }, "'{' without '}'"},
		{"variable twice", func(r *handler.Router) { handler.Handle(r.Group("/{a}"), "/{a}", echo("x")) }, "variable a used twice"},
		{"unknown variable of a default", func(r *handler.Router) { handler.Handle(r.Group("/a", handler.SendTo("/topic/{b}")), "/c", echo("x")) }, "no variable {b}"},
		{"unknown variable of Catch", func(r *handler.Router) {
			handler.Handle(r, "/a", echo("x"), handler.Catch(func(context.Context, error) (string, error) { return "", nil }, handler.SendTo("/topic/{b}")))
		}, "no variable {b}"},
		{"Catch twice", func(r *handler.Router) {
			catch := handler.Catch(func(context.Context, error) (string, error) { return "", nil })
			handler.Handle(r, "/a", echo("x"), catch, catch)
		}, "errors of type error are handled twice"},
		{"OnErrorIs twice", func(r *handler.Router) {
			f := func(context.Context, error) (string, error) { return "", nil }
			handler.OnErrorIs(r, errBoom, f)
			handler.OnErrorIs(r, errBoom, f)
		}, "errors that are boom: secret of the database are handled twice"},
		{"no error", func(r *handler.Router) {
			handler.OnErrorIs(r, nil, func(context.Context, error) (string, error) { return "", nil })
		}, "nil error"},
		{"header that only the server sets", func(*handler.Router) { handler.CopyHeaders("hr-x") }, `"hr-x" cannot be copied`},
		{"content type", func(*handler.Router) { handler.CopyHeaders("content-type") }, "cannot be copied"},
		{"nil stream", func(r *handler.Router) { handler.Stream[string, string](r, "/a", nil) }, "nil endpoint"},
		{"nil later", func(r *handler.Router) { handler.Later[string, string](r, "/a", nil) }, "nil endpoint"},
		{"nil subscription", func(r *handler.Router) { handler.OnSubscribe[string, string](r, "/a", nil) }, "nil endpoint"},
		{"no way to the subscriber", func(r *handler.Router) {
			handler.OnSubscribe(r, "/a", func(context.Context, struct{}) (string, error) { return "", nil })
		}, "needs a SendTo"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, _ := newRouter(handler.Config{})
			text := panicOf(t, func() { c.wire(r) })
			if !strings.Contains(text, c.want) || !strings.Contains(text, "scope_test.go:") {
				t.Errorf("panic %q does not say %q and where", text, c.want)
			}
			expect(t, "routes", len(r.Routes()), 0)
		})
	}
}

func TestTiePanicsAndNamesBothLines(t *testing.T) {
	r, _ := newRouter(handler.Config{})
	first := here(1)
	handler.Handle(r, "/x*", echo("first"))
	second := here(1)
	text := panicOf(t, func() { handler.Handle(r, "/*x", echo("second")) })
	expect(t, "panic", text, `handler: pattern "/*x" at `+second+` ties with "/x*" at `+first)
	handler.Handle(r, "/y*", echo("no destination matches both"))
	handler.Handle(r, "/{n:[0-9]+}/a", echo("digits"))
	handler.Handle(r, "/{n:[a-z]+}/a", echo("letters"))
	expect(t, "routes", len(r.Routes()), 4)
}

// TestCatchIsAroundTheInterceptorsOfItsRoute: it answers what they refuse, and what
// those of the group refuse is the group's.
func TestCatchIsAroundTheInterceptorsOfItsRoute(t *testing.T) {
	refuse := func(destination string) message.RawInterceptor {
		return func(next message.RawHandler) message.RawHandler {
			return message.HandlerFunc[[]byte](func(ctx context.Context, m message.Raw) error {
				if m.Destination == destination {
					return errBoom
				}
				return next.Handle(ctx, m)
			})
		}
	}
	r, sent := newRouter(handler.Config{})
	g := r.Group("/{at}")
	g.Use(refuse("/app/group/x"))
	naming[error](g, "group")
	handler.Handle(g, "/x", echo("x"), handler.Interceptors(refuse("/app/route/x")),
		handler.Catch(func(context.Context, error) (string, error) { return "route", nil }))
	for dest, want := range map[string]string{
		"/app/route/x": "/topic/route/x route",
		"/app/group/x": "/topic/group/x group: " + errBoom.Error(),
		"/app/other/x": "/topic/other/x x:hi",
	} {
		mustHandle(t, send(r, dest, "hi"))
		expect(t, dest, sent.lines(), want)
	}
}
