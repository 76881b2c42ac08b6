package broker_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/messagetest"
)

// departures is an interceptor of Sending: it notes what leaves and refuses what is "bad".
func departures(seen *[]string) []message.RawInterceptor {
	return []message.RawInterceptor{func(next message.RawHandler) message.RawHandler {
		return message.HandlerFunc[[]byte](func(ctx context.Context, m message.Raw) error {
			*seen = append(*seen, string(m.Payload))
			if m.Session != nil {
				*seen = append(*seen, m.Session.User().Name())
			}
			if string(m.Payload) == "bad" {
				return message.Errorf(message.CodeDenied, "bad")
			}
			m.Header = m.Header.With("left", "yes")
			return next.Handle(ctx, m)
		})
	}}
}

// What goes through Sending leaves for the other nodes as that makes it, and what is
// refused there is delivered nowhere.
func TestSending(t *testing.T) {
	for _, dest := range []string{"/topic/x", "/queue/x", "/history/x"} {
		t.Run(dest, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				engine, seen := newGauge(), []string(nil)
				config := broker.Config{
					Backplane: engine, Sending: departures(&seen),
					Rules: []broker.Rule{{Prefix: "/queue", Mode: broker.Queue}, {Prefix: "/history", History: broker.History{Messages: 10}}},
				}
				b := broker.NewMemory(outbound, config)
				defer b.Close()
				here := ops{t, b}
				there := node(t, engine, "other", config.Rules...).joined(dest)
				at := newClient("kim")
				here.connect(at)
				here.must(here.do(message.Raw{Session: at.Session, Destination: dest, Payload: []byte("good")}))
				if dest == "/topic/x" {
					here.must(here.subscribe(at, "1", dest))
				}
				if err := here.send(dest, "bad"); message.Public(err) == nil || message.Public(err).Code != message.CodeDenied {
					t.Errorf("told %v", err)
				}
				if m := there.wantDeliveries(t, "good")[0]; m.Header.Get("left") != "yes" {
					t.Errorf("delivered with %v", m.Header)
				}
				at.wantDeliveries(t)
				if want := []string{"good", "kim", "bad"}; !slices.Equal(seen, want) {
					t.Errorf("left %q, want %q", seen, want)
				}
			})
		})
	}
}

// A message for a user leaves once, however many nodes he is at.
func TestClusterSending(t *testing.T) {
	var seen []string
	stations(t, 3, broker.UsersConfig{Sending: departures(&seen)}, func(t *testing.T, _ *messagetest.LocalBackplane, all []*station) {
		kim := []*client{all[1].enter("kim"), all[2].enter("kim")}
		synctest.Wait()
		all[0].must(all[0].do(message.Raw{Session: newClient("ann").Session, Destination: "/user/kim/queue/x", Payload: []byte("good")}))
		if err := all[0].send("/user/kim/queue/x", "bad"); !errors.Is(err, message.Errorf(message.CodeDenied, "bad")) {
			t.Errorf("told %v", err)
		}
		synctest.Wait()
		for _, c := range kim {
			if len(c.got) > 0 && c.got[0].Header.Get("left") != "yes" {
				t.Errorf("header %v", c.got[0].Header)
			}
			wantLines(t, c, "1 /user/queue/x good")
		}
		if want := []string{"good", "ann", "bad"}; !slices.Equal(seen, want) {
			t.Errorf("left %q, want %q", seen, want)
		}
	})
}
