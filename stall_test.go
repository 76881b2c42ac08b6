package headrace_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/headrace/headrace"
	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/channel"
	"github.com/headrace/headrace/handler"
	"github.com/headrace/headrace/interceptor"
	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/messagetest"
)

// misdeeds are what an interceptor may do to a message instead of passing it on,
// and what its sender is told.
var misdeeds = map[string]struct {
	do   func(ctx context.Context, m message.Raw, next message.RawHandler) error
	told string
}{
	"drops": {func(context.Context, message.Raw, message.RawHandler) error { return message.ErrDropped }, "message dropped"},
	"refuses": {func(context.Context, message.Raw, message.RawHandler) error {
		return message.Errorf(message.CodeDenied, "no")
	}, "no"},
	"fails":    {func(context.Context, message.Raw, message.RawHandler) error { return errors.New("secret") }, "internal error"},
	"panics":   {func(context.Context, message.Raw, message.RawHandler) error { return explode() }, "internal error"},
	"says nil": {func(context.Context, message.Raw, message.RawHandler) error { return nil }, ""},
	"ends the goroutine": {func(context.Context, message.Raw, message.RawHandler) error {
		runtime.Goexit()
		return nil
	}, "internal error"},
	"passes on another message": {func(ctx context.Context, m message.Raw, next message.RawHandler) error {
		return next.Handle(ctx, message.Raw{Destination: m.Destination, Payload: m.Payload})
	}, ""},
}

// TestNothingStallsASession: whatever an interceptor or an endpoint does to every
// third message of a session in order, its sender is told, once and in order, and
// the messages behind it are handled.
func TestNothingStallsASession(t *testing.T) {
	const n = 30
	for mount, wire := range map[string]func(*headrace.Node, message.RawInterceptor){
		"router":     func(n *headrace.Node, i message.RawInterceptor) { n.Router.Use(i) },
		"group":      func(*headrace.Node, message.RawInterceptor) {}, // these are mounted below
		"route":      func(*headrace.Node, message.RawInterceptor) {},
		"Handling":   func(*headrace.Node, message.RawInterceptor) {},
		"Publishing": func(*headrace.Node, message.RawInterceptor) {},
		"subscriber of Inbound": func(n *headrace.Node, i message.RawInterceptor) {
			n.Inbound.Subscribe(message.HandlerFunc[[]byte](func(context.Context, message.Raw) error { return nil }), i)
		},
		"BrokerChannel": func(n *headrace.Node, i message.RawInterceptor) { n.BrokerChannel.Intercept(i) },
	} {
		for name, bad := range misdeeds {
			t.Run(mount+" "+name, func(t *testing.T) {
				meddle := interceptor.Around(func(ctx context.Context, m message.Raw, next message.RawHandler) error {
					if m.Kind == message.KindData && strings.HasPrefix(string(m.Payload), "bad") {
						return bad.do(ctx, m, next)
					}
					return next.Handle(ctx, m)
				})
				config := headrace.Config{Logger: slog.New(slog.DiscardHandler)}
				switch mount {
				case "Handling":
					config.Handling = []message.RawInterceptor{meddle}
				case "Publishing":
					config.Publishing = []message.RawInterceptor{meddle}
				}
				node := headrace.New(config)
				t.Cleanup(node.Close)
				wire(node, meddle)
				group := node.Router.Group("")
				var options []handler.Option
				switch mount {
				case "group":
					group.Use(meddle)
				case "route":
					options = append(options, handler.Interceptors(meddle))
				}
				var handled []string // plain: two at once would be a race
				handler.Handle(group, "/count", func(_ context.Context, text string) (string, error) {
					if text[:3] != "bad" {
						handled = append(handled, text)
					}
					return text, nil
				}, options...)

				kim := messagetest.Connect(t, node)
				var want, told, good []string
				var all sync.WaitGroup
				for i := range n {
					text, outcome := fmt.Sprintf("message %d", i), ""
					if i%3 == 0 {
						text, outcome = "bad "+text, bad.told
					} else {
						good = append(good, text)
					}
					want = append(want, text+": "+outcome)
					all.Add(1)
					done := message.NewCompletion(message.Handled, func(err error) {
						outcome := ""
						if err != nil {
							outcome = message.Public(err).Message
						}
						told = append(told, text+": "+outcome) // plain, too
						all.Done()
					})
					m := message.Raw{Session: kim.Session(), Destination: "/app/count", Payload: []byte(text), Done: done}
					err := node.Handle(kim.Session().Context(), m)
					done.Release(err)
					if err != nil {
						t.Errorf("%s: %v", text, err)
					}
				}
				all.Wait() // what stalls would wait here for ever
				if !slices.Equal(told, want) {
					t.Errorf("told %q\nwant %q", told, want)
				}
				if !slices.Equal(handled, good) {
					t.Errorf("handled %q, want %q", handled, good)
				}
			})
		}
	}
}

// TestVetoOnTheWayOutCostsOneDelivery: what an interceptor of Outbound does to what
// one session is delivered is nobody else's matter, and that session is delivered
// the next.
func TestVetoOnTheWayOutCostsOneDelivery(t *testing.T) {
	for name, bad := range misdeeds {
		if name == "ends the goroutine" || name == "passes on another message" { // the publisher's own, and one without a receiver
			continue
		}
		t.Run(name, func(t *testing.T) {
			node := headrace.New(headrace.Config{Logger: slog.New(slog.DiscardHandler)})
			t.Cleanup(node.Close)
			kim, zoe := messagetest.Connect(t, node, messagetest.User("kim")), messagetest.Connect(t, node, messagetest.User("zoe"))
			node.Outbound.Intercept(interceptor.Around(func(ctx context.Context, m message.Raw, next message.RawHandler) error {
				if isBoom(m) && m.Session == kim.Session() {
					return bad.do(ctx, m, next)
				}
				return next.Handle(ctx, m)
			}))
			kim.Subscribe("/topic/x")
			zoe.Subscribe("/topic/x")
			for _, text := range []string{"boom", "fine"} {
				zoe.Send("/topic/x", text) // fails the test where the veto is hers
			}
			for _, got := range []string{string(zoe.Next(t).Payload), string(zoe.Next(t).Payload), string(kim.Next(t).Payload)} {
				if got != "boom" && got != "fine" {
					t.Errorf("got %q", got)
				}
			}
			kim.Refute(t)
			zoe.Refute(t)
		})
	}
}

// TestVetoIsNoEvent: what an interceptor of Inbound refuses has never been asked
// for: events tell of what was let in alone, once it is there.
func TestVetoIsNoEvent(t *testing.T) {
	node := headrace.New(headrace.Config{})
	t.Cleanup(node.Close)
	var mu sync.Mutex
	var told []string
	channel.SubscribeFunc(node.Events, func(_ context.Context, m message.Message[broker.Event]) error {
		mu.Lock()
		defer mu.Unlock()
		told = append(told, fmt.Sprint(m.Payload.Kind, " ", m.Payload.Destination))
		return nil
	})
	remove := node.Inbound.Intercept(at(func(m message.Raw) bool { return m.Kind == message.KindConnect }, func() error { return message.ErrDropped }))
	if _, err := messagetest.TryConnect(t, node); err == nil || message.Public(err).Code != message.CodeDropped {
		t.Errorf("connected: %v", err)
	}
	remove()
	node.Inbound.Intercept(at(func(m message.Raw) bool { return m.Destination == "/topic/closed" }, func() error { return message.ErrDropped }))
	kim := messagetest.Connect(t, node)
	if _, err := kim.TrySubscribe("/topic/closed"); err == nil {
		t.Error("subscribed")
	}
	kim.Subscribe("/topic/open")
	mu.Lock()
	defer mu.Unlock()
	if slices.ContainsFunc(told, func(s string) bool { return strings.Contains(s, "closed") }) || len(told) == 0 {
		t.Errorf("events tell %q", told)
	}
	if connects := slices.DeleteFunc(slices.Clone(told), func(s string) bool { return !strings.HasPrefix(s, fmt.Sprint(broker.Connected, " ")) }); len(connects) != 1 {
		t.Errorf("%d sessions are told to be there in %q", len(connects), told)
	}
}
