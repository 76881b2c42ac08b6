package broker_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/message/destination"
)

func TestMemoryDelivers(t *testing.T) {
	for _, tc := range []struct {
		name, subscription, sent string
		want                     bool
	}{
		{"exact", "/topic/a", "/topic/a", true},
		{"other", "/topic/a", "/topic/b", false},
		{"longer", "/topic/a", "/topic/a/b", false},
		{"star", "/topic/*", "/topic/a", true},
		{"star is one segment", "/topic/*", "/topic/a/b", false},
		{"double star", "/topic/**", "/topic/a/b", true},
		{"part of a segment", "/topic/price.*", "/topic/price.IBM", true},
		{"a sent pattern is only text", "/topic/a", "/topic/*", false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			o := ops{t, broker.NewMemory(outbound, broker.Config{})}
			c := newClient("")
			o.connect(c)
			o.must(o.subscribe(c, "s1", tc.subscription))
			o.must(o.send(tc.sent, "x"))
			if tc.want {
				wantLines(t, c, "s1 "+tc.sent+" x")
			} else {
				wantLines(t, c)
			}
		})
	}
}

func TestMemoryDeliversOncePerSubscription(t *testing.T) {
	o := ops{t, broker.NewMemory(outbound, broker.Config{})}
	a, b := newClient(""), newClient("")
	o.connect(a)
	o.connect(b)
	o.must(o.subscribe(a, "1", "/topic/x"))
	o.must(o.subscribe(a, "2", "/topic/*"))
	o.must(o.subscribe(b, "1", "/topic/x"))
	o.must(o.send("/topic/x", "m"))
	wantLines(t, a, "1 /topic/x m", "2 /topic/x m")
	wantLines(t, b, "1 /topic/x m")
}

func TestMemorySharesOneHeaderWithAnID(t *testing.T) {
	o := ops{t, broker.NewMemory(outbound, broker.Config{})}
	a, b := newClient(""), newClient("")
	for _, c := range []*client{a, b} {
		o.connect(c)
		o.must(o.subscribe(c, "1", "/topic/x"))
	}
	header := message.NewHeader(message.Field{Name: "color", Value: "red"}, message.Field{Name: message.HeaderMessageID, Value: "forged"})
	o.must(o.do(message.Raw{Destination: "/topic/x", Header: header}))
	o.must(o.do(message.Raw{Destination: "/topic/x", Header: header}))
	first, again, second := a.got[1].Header, b.got[1].Header, a.got[2].Header
	if !first.Same(again) {
		t.Error("two subscribers of one publication got two headers")
	}
	if id := first.Get(message.HeaderMessageID); id == "forged" || id == "" || id == second.Get(message.HeaderMessageID) {
		t.Errorf("message id %q is not the broker's own", id)
	}
	if first.Get("color") != "red" {
		t.Error("the header of the application is gone")
	}
}

func TestMemoryAnswersConnect(t *testing.T) {
	b := broker.NewMemory(outbound, broker.Config{})
	o := ops{t, b}
	c := newClient("")
	o.connect(c)
	if len(c.got) != 1 || c.got[0].Kind != message.KindConnected {
		t.Fatalf("got %v, want one KindConnected", c.got)
	}
	wantCode(t, o.do(message.Raw{Kind: message.KindConnect, Session: c.Session}), message.CodeConflict)
	refused := newClient("")
	refused.err = errors.New("gone")
	if err := o.do(message.Raw{Kind: message.KindConnect, Session: refused.Session}); !errors.Is(err, refused.err) {
		t.Errorf("error %v, want that of the delivery", err)
	}
	if n := b.Stats().Sessions; n != 1 {
		t.Errorf("%d sessions, want the answered one alone", n)
	}
}

func TestMemoryRefuses(t *testing.T) {
	o := ops{t, broker.NewMemory(outbound, broker.Config{MaxSubscriptions: 2})}
	c, stranger := newClient(""), newClient("")
	o.connect(c)
	wantCode(t, o.subscribe(c, "", "/topic/a"), message.CodeInvalid)
	o.must(o.subscribe(c, "1", "/topic/a"))
	wantCode(t, o.subscribe(c, "1", "/topic/b"), message.CodeConflict)
	o.must(o.subscribe(c, "2", "/topic/b"))
	wantCode(t, o.subscribe(c, "3", "/topic/c"), message.CodeFull)
	wantCode(t, o.subscribe(stranger, "1", "/topic/a"), message.CodeInvalid)
	wantCode(t, o.do(message.Raw{Kind: message.KindAck, Session: c.Session}), message.CodeNotFound)
	wantCode(t, o.do(message.Raw{Kind: message.KindSubscribe, Destination: "/topic/a"}), message.CodeInvalid)
	o.must(o.send("/topic/c", "x"))
	wantLines(t, c)
}

func TestMemoryUnsubscribe(t *testing.T) {
	o := ops{t, broker.NewMemory(outbound, broker.Config{})}
	c := newClient("")
	o.connect(c)
	o.must(o.subscribe(c, "1", "/topic/a"))
	o.must(o.subscribe(c, "2", "/topic/a"))
	o.must(o.unsubscribe(c, "1"))
	o.must(o.unsubscribe(c, "1"))
	o.must(o.unsubscribe(newClient(""), "1"))
	o.must(o.send("/topic/a", "x"))
	wantLines(t, c, "2 /topic/a x")
}

// TestMemoryForgetsSessions: whatever the order of DISCONNECT and SUBSCRIBE,
// nothing stays.
func TestMemoryForgetsSessions(t *testing.T) {
	b := broker.NewMemory(outbound, broker.Config{})
	o := ops{t, b}
	c := newClient("")
	o.connect(c)
	o.must(o.subscribe(c, "1", "/topic/a"))
	o.must(o.disconnect(c))
	wantCode(t, o.subscribe(c, "2", "/topic/a"), message.CodeInvalid)
	o.must(o.disconnect(c))
	o.must(o.send("/topic/a", "x"))
	wantLines(t, c)
	for range 200 { // at the same time
		c := newClient("")
		o.connect(c)
		var both sync.WaitGroup
		both.Go(func() { _ = o.subscribe(c, "1", "/topic/a") }) // refused or stored: the race decides
		both.Go(func() { o.do(message.Raw{Kind: message.KindDisconnect, Session: c.Session}) })
		both.Wait()
	}
	if s := b.Stats(); s.Sessions != 0 || s.Subscriptions != 0 {
		t.Errorf("left behind: %+v", s)
	}
}

// TestMemoryIsolatesDeliveries: an error or a panic on the way to one session
// is not the others' and not the publisher's.
func TestMemoryIsolatesDeliveries(t *testing.T) {
	var log strings.Builder
	bad, worse, good := newClient(""), newClient(""), newClient("")
	bad.err = errors.New("slow")
	out := message.HandlerFunc[[]byte](func(ctx context.Context, m message.Raw) error {
		if m.Session == worse.Session && m.Kind == message.KindData {
			panic("interceptor")
		}
		if m.Kind == message.KindConnected {
			return nil
		}
		return m.Session.Deliver(ctx, m)
	})
	b := broker.NewMemory(out, broker.Config{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	o := ops{t, b}
	for _, c := range []*client{bad, worse, good, newClient("")} {
		o.connect(c)
		o.must(o.subscribe(c, "1", "/topic/a"))
	}
	o.must(o.send("/topic/a", "x"))
	wantLines(t, good, "1 /topic/a x")
	if s := b.Stats(); s.Delivered != 2 || s.Failed != 2 || s.Published != 1 {
		t.Errorf("stats %+v", s)
	}
	if strings.Count(log.String(), "delivery panicked") != 1 {
		t.Errorf("log: %s", log.String())
	}
}

func TestMemoryCompletesAtStored(t *testing.T) {
	o := ops{t, broker.NewMemory(outbound, broker.Config{})}
	c := newClient("")
	o.connect(c)
	for _, m := range []message.Raw{
		{Kind: message.KindSubscribe, Session: c.Session, Subscription: "1", Destination: "/topic/a"},
		{Destination: "/topic/a"},
	} {
		done := false
		m.Done = message.NewCompletion(message.Stored, func(err error) { done = err == nil })
		o.must(o.do(m))
		if !done {
			t.Errorf("%s was not completed at Stored", m.Kind)
		}
	}
}

func TestMemoryEvents(t *testing.T) {
	var got []string
	events := message.HandlerFunc[broker.Event](func(_ context.Context, m message.Message[broker.Event]) error {
		e := m.Payload
		got = append(got, fmt.Sprint(e.Kind, " ", e.Subscription, e.Destination, " ", e.Reason))
		if e.Kind == broker.Unsubscribed {
			panic("a listener")
		}
		return errors.New("nobody's business")
	})
	b := broker.NewMemory(outbound, broker.Config{Events: events, Logger: slog.New(slog.NewTextHandler(io.Discard, nil))})
	o := ops{t, b}
	c := newClient("")
	o.connect(c)
	o.must(o.subscribe(c, "1", "/topic/a"))
	_ = o.subscribe(c, "1", "/topic/a")
	o.must(o.unsubscribe(c, "1"))
	o.must(o.unsubscribe(c, "1"))
	c.Session.Close(io.EOF)
	o.must(o.disconnect(c))
	o.must(o.disconnect(c))
	b.Close()
	b.Close()
	want := []string{
		"available  <nil>", "connect  <nil>", "connected  <nil>", "subscribe 1/topic/a <nil>", "subscribed 1/topic/a <nil>",
		"subscribe 1/topic/a <nil>", "unsubscribed 1/topic/a <nil>", "disconnected  EOF", "unavailable  <nil>",
	}
	if !slices.Equal(got, want) {
		t.Errorf("events %q, want %q", got, want)
	}
}

// TestMemoryAgainstModel compares the broker with a list of subscriptions.
func TestMemoryAgainstModel(t *testing.T) {
	type sub struct {
		client  int
		id      string
		pattern string
	}
	patterns := []string{"/topic/a", "/topic/b", "/topic/*", "/topic/**", "/queue/a", "/*/a"}
	destinations := []string{"/topic/a", "/topic/b", "/queue/a", "/topic/a/b"}
	rapid.Check(t, func(rt *rapid.T) {
		b := broker.NewMemory(outbound, broker.Config{})
		o := ops{t, b}
		clients := make([]*client, 3)
		for i := range clients {
			clients[i] = newClient("")
			o.connect(clients[i])
		}
		var model []sub
		for range rapid.IntRange(1, 40).Draw(rt, "steps") {
			i := rapid.IntRange(0, len(clients)-1).Draw(rt, "client")
			id := rapid.SampledFrom([]string{"1", "2", "3"}).Draw(rt, "id")
			at := slices.IndexFunc(model, func(s sub) bool { return s.client == i && s.id == id })
			switch rapid.IntRange(0, 4).Draw(rt, "op") {
			case 0, 1:
				p := rapid.SampledFrom(patterns).Draw(rt, "pattern")
				if err := o.subscribe(clients[i], id, p); (err == nil) != (at < 0) {
					rt.Fatalf("subscribe: %v", err)
				}
				if at < 0 {
					model = append(model, sub{i, id, p})
				}
			case 2:
				o.must(o.unsubscribe(clients[i], id))
				if at >= 0 {
					model = slices.Delete(model, at, at+1)
				}
			case 3:
				o.must(o.disconnect(clients[i]))
				model = slices.DeleteFunc(model, func(s sub) bool { return s.client == i })
				clients[i] = newClient("")
				o.connect(clients[i])
			case 4:
				d := rapid.SampledFrom(destinations).Draw(rt, "destination")
				o.must(o.send(d, "x"))
				for i, c := range clients {
					want := []string{}
					for _, s := range model {
						if s.client == i && destination.MustParse(s.pattern, destination.Slash).Match(d) {
							want = append(want, s.id+" "+d+" x")
						}
					}
					slices.Sort(want)
					if got := c.take(); !slices.Equal(got, want) {
						rt.Fatalf("client %d got %q, want %q", i, got, want)
					}
				}
			}
			if n := b.Stats().Subscriptions; n != len(model) {
				rt.Fatalf("%d subscriptions, want %d", n, len(model))
			}
		}
	})
}

// TestMemoryOrder: what one goroutine publishes arrives in that order, while
// others publish and subscribe.
func TestMemoryOrder(t *testing.T) {
	b := broker.NewMemory(outbound, broker.Config{})
	o := ops{t, b}
	c := newClient("")
	o.connect(c)
	o.must(o.subscribe(c, "1", "/topic/**"))
	var wg sync.WaitGroup
	for p := range 4 {
		wg.Go(func() {
			for i := range 500 {
				_ = o.send(fmt.Sprintf("/topic/%d", p), fmt.Sprint(i))
			}
		})
	}
	wg.Go(func() {
		for range 500 {
			other := newClient("")
			_ = o.do(message.Raw{Kind: message.KindConnect, Session: other.Session})
			_ = o.subscribe(other, "1", "/topic/0")
			_ = o.disconnect(other)
		}
	})
	wg.Wait()
	next := map[string]int{}
	for _, m := range c.got {
		if m.Kind != message.KindData {
			continue
		}
		if string(m.Payload) != fmt.Sprint(next[m.Destination]) {
			t.Fatalf("%s: got %s, want %d", m.Destination, m.Payload, next[m.Destination])
		}
		next[m.Destination]++
	}
	for p := range 4 {
		if n := next[fmt.Sprintf("/topic/%d", p)]; n != 500 {
			t.Errorf("publisher %d: %d messages arrived", p, n)
		}
	}
}

// A session whose end came before its CONNECT was handled leaves nothing, though the way
// out took the answer.
func TestMemoryConnectsNobodyWhoHasEnded(t *testing.T) {
	b := broker.NewMemory(message.HandlerFunc[[]byte](func(context.Context, message.Raw) error { return nil }), broker.Config{})
	defer b.Close()
	o, c := ops{t, b}, newClient("")
	c.Session.Close(nil)
	o.must(o.disconnect(c))
	wantCode(t, o.do(message.Raw{Kind: message.KindConnect, Session: c.Session}), message.CodeInvalid)
	if s := b.Stats(); s.Sessions != 0 {
		t.Errorf("%d sessions are left", s.Sessions)
	}
}
