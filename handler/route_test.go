package handler_test

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/headrace/headrace/handler"
	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/message/destination"
)

// here returns the place of its caller, some lines away, as panics name it.
func here(away int) string {
	_, file, line, _ := runtime.Caller(1)
	return fmt.Sprintf("%s:%d", file, line+away)
}

func TestRegistrationOfEquivalentPatternsPanics(t *testing.T) {
	for _, c := range []struct{ first, second string }{
		{"/greeting", "/greeting"},
		{"/greeting", "greeting"},
		{"/trade/{symbol}", "/trade/{s}"},
		{"/trade/{n:[0-9]+}/x", "/trade/{m:[0-9]+}/x"},
		{"/all/**", "/all/**/**"},
	} {
		r, _ := newRouter(handler.Config{})
		first := here(1)
		handler.Handle(r, c.first, echo("first"))
		second := here(2)
		text := panicOf(t, func() {
			handler.Consume(r, c.second, func(context.Context, string) error { return nil })
		})
		expect(t, c.second, text, fmt.Sprintf("handler: pattern %q at %s matches the same destinations as %q at %s", c.second, second, c.first, first))
		expect(t, "routes", len(r.Routes()), 1)
	}
}

func TestRegistrationPanics(t *testing.T) {
	upper := func(_ context.Context, in string) (string, error) { return strings.ToUpper(in), nil }
	for _, c := range []struct {
		name string
		wire func(r *handler.Router)
		want string
	}{
		{"malformed pattern", func(r *handler.Router) { handler.Handle(r, "/a/{b", upper) }, "'{' without '}'"},
		{"unknown variable", func(r *handler.Router) { handler.Handle(r, "/a/{b}", upper, handler.SendTo("/topic/{c}")) }, "no variable {c}"},
		{"unknown variable for the user", func(r *handler.Router) { handler.Handle(r, "/a/{b}", upper, handler.SendToUser("/queue/{c}")) }, "no variable {c}"},
		{"unknown variable for the session", func(r *handler.Router) { handler.Handle(r, "/a", upper, handler.SendToSession("/queue/{b}")) }, "no variable {b}"},
		{"variable without a name", func(r *handler.Router) { handler.Handle(r, "/a/{b}", upper, handler.SendTo("/topic/{}")) }, "no variable {}"},
		{"open variable", func(r *handler.Router) { handler.Handle(r, "/a/{b}", upper, handler.SendTo("/topic/{b")) }, "'{' without '}'"},
		{"variable of an error", func(r *handler.Router) {
			handler.OnError(r, func(context.Context, error) (string, error) { return "", nil }, handler.SendTo("/topic/{b}"))
		}, "no variable {b}"},
		{"nil endpoint", func(r *handler.Router) { handler.Handle[string, string](r, "/a", nil) }, "nil endpoint"},
		{"nil consumer", func(r *handler.Router) { handler.Consume[string](r, "/a", nil) }, "nil endpoint"},
		{"nil error handler", func(r *handler.Router) { handler.OnError[error, string](r, nil) }, "nil error handler"},
		{"empty destination", func(r *handler.Router) { handler.Handle(r, "/a", upper, handler.SendTo("/topic/a", "")) }, "empty reply destination"},
		{"empty destination of the user", func(r *handler.Router) { handler.Handle(r, "/a", upper, handler.SendToUser("")) }, "empty reply destination"},
		{"empty stream", func(*handler.Router) { handler.Live("") }, "empty stream"},
		{"nil interceptor", func(*handler.Router) { handler.Interceptors(nil) }, "nil interceptor"},
		{"nil interceptor of a group", func(r *handler.Router) { r.Group("/a").Use(nil) }, "nil interceptor"},
		{"message as the payload of a request", func(r *handler.Router) {
			handler.Consume(r, "/a", func(context.Context, handler.Request[message.Raw]) error { return nil })
		}, "takes a message.Raw as a payload"},
		{"message as a reply", func(r *handler.Router) {
			handler.Handle(r, "/a", func(_ context.Context, m message.Raw) (message.Raw, error) { return m, nil })
		}, "returns a message.Raw"},
		{"message in a reply", func(r *handler.Router) {
			handler.Handle(r, "/a", func(_ context.Context, m message.Raw) (handler.Reply[message.Raw], error) {
				return handler.Reply[message.Raw]{Payload: m}, nil
			})
		}, "returns a message.Raw"},
		{"message as a reply to an error", func(r *handler.Router) {
			handler.OnError(r, func(context.Context, error) (m message.Raw, err error) { return m, err })
		}, "returns a message.Raw"},
		{"message as a reply to one error", func(r *handler.Router) {
			handler.OnErrorIs(r, errBoom, func(context.Context, error) (m message.Raw, err error) { return m, err })
		}, "returns a message.Raw"},
		{"message as a reply of Catch", func(*handler.Router) {
			handler.Catch(func(context.Context, error) (m message.Raw, err error) { return m, err })
		}, "returns a message.Raw"},
		{"pointer to what fills itself", func(r *handler.Router) {
			handler.Consume(r, "/a", func(context.Context, *handler.Request[string]) error { return nil })
		}, "without the *"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, _ := newRouter(handler.Config{})
			text := panicOf(t, func() { c.wire(r) })
			if !strings.Contains(text, c.want) || !strings.Contains(text, "route_test.go:") {
				t.Errorf("panic %q does not say %q and where", text, c.want)
			}
			expect(t, "routes", len(r.Routes()), 0)
		})
	}
}

func TestConstructionPanics(t *testing.T) {
	expect(t, "router", panicOf(t, func() { handler.NewRouter(nil, handler.Config{}) }), "handler: a router needs a handler for replies")
	expect(t, "template", panicOf(t, func() { handler.NewTemplate(nil, handler.TemplateConfig{}) }), "handler: a template needs a handler to send to")
}

func TestRegistrationOfErrorHandlersTwicePanics(t *testing.T) {
	r, _ := newRouter(handler.Config{})
	first := here(1)
	handler.OnError(r, func(context.Context, *message.Error) (string, error) { return "", nil })
	second := here(2)
	text := panicOf(t, func() {
		handler.OnError(r, func(context.Context, *message.Error) (int, error) { return 0, nil })
	})
	expect(t, "panic", text, "handler: errors of type *message.Error are handled twice: at "+first+" and at "+second)
}

func TestRoutesListsWhatIsWired(t *testing.T) {
	r, _ := newRouter(handler.Config{})
	at := here(1)
	handler.Handle(r, "/z/{x}", echo("z"))
	handler.Consume(r, "a", func(context.Context, string) error { return nil })
	routes := r.Routes()
	if len(routes) != 2 || routes[0] != (handler.Route{Pattern: "/z/{x}", Source: at}) || routes[1].Pattern != "a" {
		t.Errorf("routes: %v", routes)
	}
	routes[0].Pattern = "changed"
	if slices.Equal(routes, r.Routes()) {
		t.Error("the list is the router's own")
	}
}

// TestTemplate: what is shown of a destination is the pattern of its route.
func TestTemplate(t *testing.T) {
	for _, tt := range []struct {
		separator     destination.Separator
		pattern, dest string
		kind          message.Kind
		want          string
	}{
		{destination.Slash, "/trade/{symbol}", "/app/trade/MILL", message.KindData, "/app/trade/{symbol}"},
		{destination.Slash, "trade/{symbol}", "/app/trade/MILL", message.KindData, "/app/trade/{symbol}"},
		{destination.Slash, "/trade/{symbol}", "/app/trade/MILL", message.KindSubscribe, ""},
		{destination.Slash, "/trade/{symbol}", "/app/other", message.KindData, ""},
		{destination.Slash, "/trade/{symbol}", "/topic/trade/MILL", message.KindData, ""},
		{destination.Dot, "trade.{symbol}", "/app/trade.MILL", message.KindData, "/app/trade.{symbol}"},
	} {
		r, _ := newRouter(handler.Config{Separator: tt.separator})
		handler.Consume(r.Group(""), tt.pattern, func(context.Context, string) error { return nil })
		expect(t, tt.dest, r.Template(tt.kind, tt.dest), tt.want)
	}
}
