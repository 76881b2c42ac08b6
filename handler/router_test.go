package handler_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/headrace/headrace/handler"
	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/message/destination"
)

func TestRouterTakesTheMostSpecificPattern(t *testing.T) {
	// From the least to the most specific, so that order alone would be wrong.
	patterns := []string{"/**", "/a/**", "/a/**/z", "/a/*/*", "/a/{x}/c", "/a/{x:[0-9]+}/c", "/a/b/{y}/d", "/a/b/c"}
	r, sent := newRouter(handler.Config{})
	for _, p := range patterns {
		handler.Handle(r, p, echo(p))
	}
	for dest, want := range map[string]string{
		"/a/b/c":    "/a/b/c",
		"/a/b/7/d":  "/a/b/{y}/d",
		"/a/77/c":   "/a/{x:[0-9]+}/c",
		"/a/x/c":    "/a/{x}/c",
		"/a/x/y":    "/a/*/*",
		"/a/w/x/z":  "/a/**/z",
		"/a/w/x/yy": "/a/**",
		"/b":        "/**",
	} {
		mustHandle(t, send(r, "/app"+dest, "hi"))
		expect(t, dest, sent.lines(), "/topic"+dest+" "+want+":hi")
	}
}

func TestRouterNotFound(t *testing.T) {
	r, sent := newRouter(handler.Config{})
	handler.Handle(r, "/greeting", echo("greeting"))
	for _, m := range []message.Raw{
		{Destination: "/app/greetings"},
		{Destination: "/app/greeting/"},
		{Destination: "/app"},
		{Destination: "/app/"},
		{Destination: "/apple/greeting"},
		{Destination: "/topic/greeting"},
		{Destination: ""},
		{Destination: "/app/greeting", Kind: message.KindSubscribe},
	} {
		err := r.Handle(t.Context(), m)
		expect(t, m.Destination, code(err), message.CodeNotFound)
		expect(t, "text", message.Public(err).Message, "no handler for "+m.Destination)
	}
	expect(t, "sent", sent.lines(), "")
}

func TestRouterPrefixAndSeparator(t *testing.T) {
	for _, c := range []struct {
		name, prefix, pattern, dest, want string
		separator                         destination.Separator
	}{
		{"default", "", "/greeting", "/app/greeting", "/topic/greeting", destination.Slash},
		{"pattern without slash", "", "greeting", "/app/greeting", "/topic/greeting", destination.Slash},
		{"slash at the end", "/app/", "/greeting", "/app/greeting", "/topic/greeting", destination.Slash},
		{"several segments", "/a/b", "/greeting", "/a/b/greeting", "/topic/greeting", destination.Slash},
		{"everything", "/", "/greeting", "/greeting", "/topic/greeting", destination.Slash},
		{"dots", "", "red.blue.{green}", "/app/red.blue.green123", "/topic/red.blue.green123", destination.Dot},
		{"dots, pattern with slash", "", "/red.{x}", "/app/red.blue", "/topic/red.blue", destination.Dot},
		{"dots, prefix too", "app.", "red.{x}", "app/red.blue", "/topic/red.blue", destination.Dot},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, sent := newRouter(handler.Config{Prefix: c.prefix, Separator: c.separator})
			handler.Handle(r, c.pattern, echo("x"))
			mustHandle(t, send(r, c.dest, "hi"))
			expect(t, "sent", sent.lines(), c.want+" x:hi")
		})
	}
}

// TestPrefixEndsWithASlash: what only begins like the prefix is not the router's, nor is
// another spelling of what is.
func TestPrefixEndsWithASlash(t *testing.T) {
	for dest, sep := range map[string]destination.Separator{
		"/apples/red":   destination.Slash,
		"/app.les/red":  destination.Slash,
		"/apple.red":    destination.Dot,
		"/app.le.red":   destination.Dot,
		"/app-le.x.red": destination.Dot,
	} {
		r, sent := newRouter(handler.Config{Separator: sep})
		handler.Handle(r, "**", echo("x"))
		expect(t, dest, code(send(r, dest, "hi")), message.CodeNotFound)
		expect(t, "sent", sent.lines(), "")
	}
}

func TestRouterInterceptors(t *testing.T) {
	var trace []string
	mark := func(name string) message.RawInterceptor {
		return func(next message.RawHandler) message.RawHandler {
			return message.HandlerFunc[[]byte](func(ctx context.Context, m message.Raw) error {
				trace = append(trace, name)
				err := next.Handle(ctx, m)
				trace = append(trace, name+" after: "+string(code(err)))
				return err
			})
		}
	}
	r, _ := newRouter(handler.Config{})
	handler.Handle(r, "/plain", echo("plain"))
	handler.Handle(r, "/guarded", func(context.Context, string) (string, error) {
		trace = append(trace, "endpoint")
		return "", errBoom
	}, handler.Interceptors(mark("route 1"), mark("route 2")), handler.SendTo("/topic/x"))
	r.Use(mark("a"), mark("b"))
	r.Use(mark("c"))

	mustHandle(t, send(r, "/app/plain", "-"))
	expect(t, "plain", strings.Join(trace, ", "), "a, b, c, c after: , b after: , a after: ")
	trace = nil
	expect(t, "error", send(r, "/app/guarded", "-"), errBoom)
	expect(t, "guarded", strings.Join(trace, ", "), "a, b, c, route 1, route 2, endpoint, route 2 after: internal, "+
		"route 1 after: internal, c after: internal, b after: internal, a after: internal")
	trace = nil
	_ = send(r, "/app/nowhere", "-")
	expect(t, "not found passes too", strings.Join(trace, ", "), "a, b, c, c after: not-found, b after: not-found, a after: not-found")
	trace = nil
	_ = send(r, "/other", "-")
	expect(t, "what is not the router's", strings.Join(trace, ", "), "")
}

func TestRouterInterceptorChangesTheMessage(t *testing.T) {
	r, sent := newRouter(handler.Config{})
	var route string
	rewrite := func(next message.RawHandler) message.RawHandler {
		return message.HandlerFunc[[]byte](func(ctx context.Context, m message.Raw) error {
			m.Destination, m.Payload = route, []byte("changed")
			return next.Handle(ctx, m)
		})
	}
	handler.Handle(r, "/rooms/{room}", func(_ context.Context, req handler.Request[string]) (string, error) {
		return req.PathValue("room") + " " + req.Payload, nil
	}, handler.Interceptors(rewrite), handler.SendTo("/topic/{room}"))
	route = "/app/rooms/blue"
	mustHandle(t, send(r, "/app/rooms/red", "hi"))
	expect(t, "variables come from what is left", sent.lines(), "/topic/blue blue changed")
	route = "/app/elsewhere"
	expect(t, "no longer the route's", code(send(r, "/app/rooms/red", "hi")), message.CodeNotFound)
}

func TestRouterVeto(t *testing.T) {
	r, sent := newRouter(handler.Config{})
	veto := func(message.RawHandler) message.RawHandler {
		return message.HandlerFunc[[]byte](func(context.Context, message.Raw) error { return message.ErrDropped })
	}
	handler.Handle(r, "/x", echo("x"), handler.Interceptors(veto))
	handler.OnError(r, func(context.Context, error) (string, error) { return "answered", nil })
	expect(t, "a drop is no failure to answer", send(r, "/app/x", "-"), message.ErrDropped)
	expect(t, "sent", sent.lines(), "")
}

func TestRouterRegistersWhileMessagesFlow(t *testing.T) {
	r, _ := newRouter(handler.Config{})
	handler.Handle(r, "/0", echo("0"))
	var senders, wirers sync.WaitGroup
	stop := make(chan struct{})
	for range 2 {
		senders.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					mustHandle(t, send(r, "/app/0", "x"))
					_ = send(r, "/app/100", "x")
				}
			}
		})
	}
	for w := range 2 {
		wirers.Go(func() {
			for i := range 100 {
				handler.Handle(r, fmt.Sprintf("/%d", 1+2*i+w), echo("x"))
				_ = r.Routes()
			}
		})
	}
	wirers.Wait()
	close(stop)
	senders.Wait()
	expect(t, "routes", len(r.Routes()), 201)
	for i := range 201 {
		mustHandle(t, send(r, fmt.Sprintf("/app/%d", i), "x"))
	}
}

func TestRouterUseFromManyGoroutines(t *testing.T) {
	r, _ := newRouter(handler.Config{})
	handler.Handle(r, "/x", echo("x"))
	passed := 0
	count := func(next message.RawHandler) message.RawHandler {
		return message.HandlerFunc[[]byte](func(ctx context.Context, m message.Raw) error {
			passed++
			return next.Handle(ctx, m)
		})
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 50 {
				r.Use(count)
			}
		})
	}
	wg.Wait()
	mustHandle(t, send(r, "/app/x", "-"))
	expect(t, "interceptors", passed, 200)
}

func TestRouterLeavesDoneToItsCaller(t *testing.T) {
	r, sent := newRouter(handler.Config{})
	handler.Handle(r, "/x", echo("x"))
	told := 0
	done := message.NewCompletion(message.Handled, func(error) { told++ })
	mustHandle(t, r.Handle(t.Context(), message.Raw{Destination: "/app/x", Payload: []byte("x"), Done: done}))
	expect(t, "told by the router", told, 0)
	if sent.sent[0].Done != nil {
		t.Error("the reply carries the Done of the message")
	}
	done.Release(nil)
	expect(t, "told when the one holder released", told, 1)
}

// The prefix itself is the router's as well: it is counted, and offered to the
// error handlers.
func TestRouterPrefixAlone(t *testing.T) {
	r, sent := newRouter(handler.Config{})
	naming[*message.Error](r, "authored")
	mustHandle(t, send(r, "/app", "go"))
	expect(t, "unroutable", r.Stats().Unroutable, uint64(1))
	expect(t, "answered", sent.lines() != "", true)
}
