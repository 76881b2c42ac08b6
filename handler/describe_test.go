package handler_test

import (
	"context"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/headrace/headrace/handler"
	"github.com/headrace/headrace/interceptor"
	"github.com/headrace/headrace/message"
)

func TestDescribe(t *testing.T) {
	r, _ := newRouter(handler.Config{Outbound: new(broker)})
	r.Use(interceptor.Recover)
	g := r.Group("/trade", handler.SendToUser("/queue/positions"))
	var trace []string
	g.Use(tracing(&trace, "g"))
	at := here(1)
	handler.Handle(g, "/{symbol}", func(context.Context, handler.Request[trade]) (handler.Reply[int], error) {
		return handler.Reply[int]{}, nil
	},
		handler.SendTo("/topic/{symbol}", "/topic/all"), handler.SendToUser("/queue/x"), handler.Interceptors(interceptor.Timeout[[]byte](time.Hour)),
		handler.Catch(func(context.Context, *tradeError) (string, error) { return "", nil }))
	handler.Consume(r, "/log", func(context.Context, message.Raw) error { return nil })
	handler.OnSubscribe(g, "", func(context.Context, struct{}) ([]trade, error) { return nil, nil })
	handler.Handle(r, "/form", func(context.Context, form) (*trade, error) { return nil, nil })
	naming[error](r, "any")
	handler.OnErrorIs(g, errBoom, func(context.Context, error) (string, error) { return "", nil })

	all := r.Describe()
	first := all[0]
	expect(t, "source", first.Source, at)
	if n := len(first.Interceptors); n != 3 || !strings.Contains(first.Interceptors[0], "interceptor.Recover") || !strings.Contains(first.Interceptors[1], "tracing") || !strings.Contains(first.Interceptors[2], "interceptor.Timeout") {
		t.Errorf("interceptors %q", first.Interceptors)
	}
	all[0].Source, all[0].Interceptors = "", nil
	for i := range all {
		all[i].Source, all[i].Interceptors = "", nil
	}
	want := []handler.Description{{
		Route: handler.Route{Pattern: "/trade/{symbol}"},
		In:    reflect.TypeFor[trade](), Out: reflect.TypeFor[int](),
		Replies: []handler.Destination{{To: "user", Name: "/queue/x"}, {To: "all", Name: "/topic/{symbol}"}, {To: "all", Name: "/topic/all"}},
		Errors:  []string{"*handler_test.tradeError", errBoom.Error(), "error"},
	}, {
		Route: handler.Route{Pattern: "/log"},
		In:    reflect.TypeFor[[]byte](), Errors: []string{"error"},
	}, {
		Route: handler.Route{Kind: message.KindSubscribe, Pattern: "/trade"},
		In:    reflect.TypeFor[struct{}](), Out: reflect.TypeFor[[]trade](),
		Replies: []handler.Destination{{To: "subscriber"}}, Errors: []string{errBoom.Error(), "error"},
	}, {
		Route: handler.Route{Pattern: "/form"},
		In:    reflect.TypeFor[form](), Out: reflect.TypeFor[*trade](),
		Replies: []handler.Destination{{To: "all"}}, Errors: []string{"error"},
	}}
	if !reflect.DeepEqual(all, want) {
		t.Errorf("got  %+v\nwant %+v", all, want)
	}
	expect(t, "of the group", len(g.Describe()), 2)
	expect(t, "routes of the group", len(g.Routes()), 2)
}

func TestRouterStats(t *testing.T) {
	r, _ := newRouter(handler.Config{})
	g := r.Group("/g")
	handler.Handle(g, "/x", echo("x"))
	for _, dest := range []string{"/app/g/x", "/app/nowhere", "/app/g/nowhere", "/elsewhere"} {
		_ = send(r, dest, "hi")
	}
	_ = subscribe(r, session(""), "/app/g/x")
	expect(t, "stats", g.Stats(), handler.RouterStats{Routes: 1, Unroutable: 3})
}
