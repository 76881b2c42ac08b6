package broker_test

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/message/destination"
)

// TestAvailabilityIsTheBrokers: that there is a broker is told by the broker alone, and
// not by what stands beside it.
func TestAvailabilityIsTheBrokers(t *testing.T) {
	var got []broker.EventKind
	events := message.HandlerFunc[broker.Event](func(_ context.Context, m message.Message[broker.Event]) error {
		got = append(got, m.Payload.Kind)
		return nil
	})
	u := broker.NewUsers(outbound, broker.UsersConfig{Events: events})
	u.Stop()
	if got != nil {
		t.Errorf("users told %q", got)
	}
	broker.NewMemory(outbound, broker.Config{Events: events}).Close()
	if want := []broker.EventKind{broker.Available, broker.Unavailable}; !slices.Equal(got, want) {
		t.Errorf("events %q, want %q", got, want)
	}
}

// TestMemoryTakesAnyDestination: what it is given is the broker's, whatever its name
// begins with. The prefixes are a node's.
func TestMemoryTakesAnyDestination(t *testing.T) {
	o := ops{t, broker.NewMemory(outbound, broker.Config{})}
	c := o.newClient()
	for i, dest := range []string{"/topic/a", "/app/a", "/user/kim/queue/x", "/user/queue/x", "elsewhere", "/", "a.b"} {
		o.must(o.subscribe(c, fmt.Sprint(i), dest))
		o.must(o.send(dest, "x"))
		wantLines(t, c, fmt.Sprint(i, " ", dest, " x"))
	}
}

// TestMemoryDeliversToAll: each subscription of each session gets a message of its own.
func TestMemoryDeliversToAll(t *testing.T) {
	o := ops{t, broker.NewMemory(outbound, broker.Config{})}
	a, b := o.newClient(), o.newClient()
	for _, c := range []*client{a, b} {
		o.must(o.subscribe(c, "1", "/foo"))
		o.must(o.subscribe(c, "2", "/foo"))
		o.must(o.subscribe(c, "3", "/bar"))
	}
	o.must(o.send("/foo", "f"))
	o.must(o.send("/bar", "b"))
	for _, c := range []*client{a, b} {
		wantLines(t, c, "1 /foo f", "2 /foo f", "3 /bar b")
	}
	o.must(o.disconnect(a))
	o.must(o.send("/foo", "f"))
	o.must(o.send("/bar", "b"))
	wantLines(t, a)
	wantLines(t, b, "1 /foo f", "2 /foo f", "3 /bar b")
}

// TestMemoryWithoutANeed: a subscription that lacks what it needs is refused, and
// nothing is left of it.
func TestMemoryWithoutANeed(t *testing.T) {
	b := broker.NewMemory(outbound, broker.Config{})
	o := ops{t, b}
	c := o.newClient()
	for name, m := range map[string]message.Raw{
		"session":                    {Subscription: "1", Destination: "/foo"},
		"session that has connected": {Subscription: "1", Destination: "/foo", Session: newClient("").Session},
		"id":                         {Destination: "/foo", Session: c.Session},
	} {
		t.Run(name, func(t *testing.T) {
			m.Kind = message.KindSubscribe
			wantCode(t, o.do(m), message.CodeInvalid)
			if n := b.Stats().Subscriptions; n != 0 {
				t.Errorf("%d subscriptions", n)
			}
		})
	}
}

// TestMemoryPatterns are those of Spring's own tests.
func TestMemoryPatterns(t *testing.T) {
	for _, tc := range []struct {
		pattern string
		sent    map[string]bool
	}{
		{"/topic/PRICE.STOCK.*.IBM", map[string]bool{
			"/topic/PRICE.STOCK.NASDAQ.IBM": true, "/topic/PRICE.STOCK.NYSE.IBM": true, "/topic/PRICE.STOCK.NASDAQ.MSFT": false,
		}},
		{"/topic/PRICE.STOCK.NASDAQ.{ticker:(?:IBM|MSFT)}", map[string]bool{
			"/topic/PRICE.STOCK.NASDAQ.IBM": true, "/topic/PRICE.STOCK.NASDAQ.MSFT": true, "/topic/PRICE.STOCK.NASDAQ.VMW": false,
		}},
	} {
		for _, sep := range []destination.Separator{destination.Slash, destination.Dot} {
			t.Run(fmt.Sprint(tc.pattern, " by ", sep), func(t *testing.T) {
				o := ops{t, broker.NewMemory(outbound, broker.Config{Separator: sep})}
				c := o.newClient()
				o.must(o.subscribe(c, "1", tc.pattern))
				for dest, want := range tc.sent {
					o.must(o.send(dest, "x"))
					if got := len(c.take()) == 1; got != want {
						t.Errorf("%s came: %v", dest, got)
					}
				}
			})
		}
	}
}

// TestMemoryExactAndPattern: one and the other may come and go in any order; each gets
// a message as long as it is there, after look-ups as before them.
func TestMemoryExactAndPattern(t *testing.T) {
	o := ops{t, broker.NewMemory(outbound, broker.Config{})}
	c := o.newClient()
	const dest = "/topic/PRICE.STOCK.NASDAQ.IBM"
	want := func(ids ...string) {
		t.Helper()
		o.must(o.send(dest, "x"))
		var lines []string
		for _, id := range ids {
			lines = append(lines, id+" "+dest+" x")
		}
		wantLines(t, c, lines...)
	}
	want()
	o.must(o.subscribe(c, "1", dest))
	want("1")
	o.must(o.subscribe(c, "2", "/topic/PRICE.STOCK.*.IBM"))
	want("1", "2")
	o.must(o.subscribe(c, "3", "/topic/PRICE.STOCK.*.MSFT"))
	want("1", "2")
	o.must(o.unsubscribe(c, "1"))
	want("2")
	o.must(o.subscribe(c, "1", dest))
	want("1", "2")
	o.must(o.unsubscribe(c, "2"))
	want("1")
	o.must(o.unsubscribe(c, "1"))
	want()
}

// TestMemorySameIDTwice: the second is refused and changes nothing, whatever its
// destination and whether somebody was found by it before.
func TestMemorySameIDTwice(t *testing.T) {
	o := ops{t, broker.NewMemory(outbound, broker.Config{})}
	c := o.newClient()
	o.must(o.subscribe(c, "1", "/foo"))
	for range 2 {
		wantCode(t, o.subscribe(c, "1", "/foo"), message.CodeConflict)
		wantCode(t, o.subscribe(c, "1", "/bar"), message.CodeConflict)
		o.must(o.send("/bar", "x"))
		wantLines(t, c)
		o.must(o.send("/foo", "x"))
		wantLines(t, c, "1 /foo x")
	}
	o.must(o.unsubscribe(c, "1"))
	o.must(o.send("/foo", "x"))
	o.must(o.send("/bar", "x"))
	wantLines(t, c)
}

// TestMemoryUnknownSession: the end of a session that is not known is no error, and
// nobody else's.
func TestMemoryUnknownSession(t *testing.T) {
	o := ops{t, broker.NewMemory(outbound, broker.Config{})}
	c := o.newClient()
	o.must(o.subscribe(c, "1", "/foo"))
	o.must(o.disconnect(newClient("")))
	o.must(o.send("/foo", "x"))
	wantLines(t, c, "1 /foo x")
}

// TestMemoryChangesWhileItDelivers: who is subscribed for the whole of a publication gets
// it once, while others come and go, even by what is delivered to them.
func TestMemoryChangesWhileItDelivers(t *testing.T) {
	const n = 20
	var o ops
	var leave []*client
	out := message.HandlerFunc[[]byte](func(ctx context.Context, m message.Raw) error {
		if m.Kind == message.KindData {
			for _, c := range leave {
				o.must(o.unsubscribe(c, "1"))
			}
			c := o.newClient()
			o.must(o.subscribe(c, "1", "/foo"))
			o.must(o.disconnect(c))
		}
		return m.Session.Deliver(ctx, m)
	})
	o = ops{t, broker.NewMemory(out, broker.Config{})}
	var stay []*client
	for i := range 2 * n {
		c := o.newClient()
		o.must(o.subscribe(c, "1", []string{"/foo", "/*"}[i/2%2]))
		if i%2 == 0 {
			stay = append(stay, c)
		} else {
			leave = append(leave, c)
		}
	}
	o.must(o.send("/foo", "x"))
	for _, c := range stay {
		wantLines(t, c, "1 /foo x")
	}
	for _, c := range leave {
		if got := c.take(); len(got) > 1 {
			t.Errorf("who left got %q", got)
		}
	}
}

// TestMemoryToNobody: a message that nobody wants is no error, and is not kept.
func TestMemoryToNobody(t *testing.T) {
	b := broker.NewMemory(outbound, broker.Config{})
	o := ops{t, b}
	o.must(o.send("/foo", "x"))
	c := o.newClient()
	o.must(o.subscribe(c, "1", "/foo"))
	wantLines(t, c)
	if s := b.Stats(); s.Published != 1 || s.Delivered != 0 || s.Failed != 0 || s.Bytes != 0 {
		t.Errorf("stats %+v", s)
	}
}
