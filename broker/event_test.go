package broker_test

import (
	"context"
	"testing"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/message"
)

// TestSubscribedIsTrue: who is told of a subscription can rely on it.
func TestSubscribedIsTrue(t *testing.T) {
	for _, dest := range []string{"/topic/a", "/topic/**", "/queue/a", "/history/a", "/user/queue/a"} {
		t.Run(dest, func(t *testing.T) {
			var o ops
			events := message.HandlerFunc[broker.Event](func(_ context.Context, m message.Message[broker.Event]) error {
				if m.Payload.Kind == broker.Subscribed {
					to := map[string]string{"/topic/**": "/topic/x", "/user/queue/a": "/user/kim/queue/a"}[dest]
					if to == "" {
						to = dest
					}
					o.must(o.send(to, "welcome"))
				}
				return nil
			})
			b := broker.NewMemory(outbound, broker.Config{Events: events, Rules: []broker.Rule{
				{Prefix: "/queue", Mode: broker.Queue}, {Prefix: "/history", History: broker.History{Messages: 10}},
			}})
			defer b.Close()
			o = ops{t, b}
			if dest == "/user/queue/a" {
				u := broker.NewUsers(outbound, broker.UsersConfig{Events: events})
				defer u.Stop()
				o.b = u
			}
			c := newClient("kim")
			o.connect(c)
			o.must(o.subscribe(c, "1", dest))
			if got := payloads(c); len(got) != 1 || got[0] != "welcome" {
				t.Errorf("got %q", got)
			}
		})
	}
}

func TestEventKindString(t *testing.T) {
	for kind, want := range map[broker.EventKind]string{
		broker.Connect:      "connect",
		broker.Connected:    "connected",
		broker.Subscribe:    "subscribe",
		broker.Subscribed:   "subscribed",
		broker.Unsubscribed: "unsubscribed",
		broker.Disconnected: "disconnected",
		broker.Available:    "available",
		broker.Unavailable:  "unavailable",
		0:                   "unknown",
		99:                  "unknown",
	} {
		if got := kind.String(); got != want {
			t.Errorf("%d is %q, want %q", kind, got, want)
		}
	}
}
