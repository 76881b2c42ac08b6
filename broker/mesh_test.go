package broker_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/messagetest"
)

// gauge is an engine that counts what is asked of it, and can be slow and broken.
type gauge struct {
	*messagetest.LocalBackplane
	noDone  bool // members of groups settle nothing
	durable bool // it says so

	mu        sync.Mutex
	live      map[string]int // subscriptions by topic
	begun     int
	published []broker.Envelope
	publish   func(ctx context.Context, e broker.Envelope) error
	subscribe func(ctx context.Context) error
}

func newGauge() *gauge {
	return &gauge{LocalBackplane: messagetest.NewBackplane(), live: make(map[string]int)}
}

func (g *gauge) Features() broker.Features {
	f := g.LocalBackplane.Features()
	f.Acks, f.Durable = !g.noDone, g.durable
	return f
}

func (g *gauge) Publish(ctx context.Context, topic string, e broker.Envelope) error {
	g.mu.Lock()
	g.published = append(g.published, e)
	publish := g.publish
	g.mu.Unlock()
	if publish != nil {
		if err := publish(ctx, e); err != nil {
			return err
		}
	}
	return g.LocalBackplane.Publish(ctx, topic, e)
}

func (g *gauge) Subscribe(ctx context.Context, topic, group string, receive func(context.Context, broker.Envelope) error) (func(), error) {
	if g.subscribe != nil {
		if err := g.subscribe(ctx); err != nil {
			return nil, err
		}
	}
	stop, err := g.LocalBackplane.Subscribe(ctx, topic, group, func(ctx context.Context, e broker.Envelope) error {
		if g.noDone {
			e.Done = nil
		}
		return receive(ctx, e)
	})
	if err != nil {
		return nil, err
	}
	g.count(topic, 1)
	return func() { stop(); g.count(topic, -1) }, nil
}

func (g *gauge) count(topic string, n int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.begun += max(n, 0)
	if g.live[topic] += n; g.live[topic] == 0 {
		delete(g.live, topic)
	}
}

func (g *gauge) want(t *testing.T, want map[string]int) {
	t.Helper()
	synctest.Wait()
	g.mu.Lock()
	defer g.mu.Unlock()
	if got := fmt.Sprint(g.live); got != fmt.Sprint(want) {
		t.Errorf("the subscriptions at the engine are %s, want %v", got, want)
	}
}

// node makes a broker that is one with the others of the engine, until the test ends.
func node(t *testing.T, engine broker.Backplane, id string, rules ...broker.Rule) ops {
	b := broker.NewMemory(outbound, broker.Config{
		Backplane: engine, NodeID: id, Rules: rules, Logger: slog.New(slog.DiscardHandler),
	})
	t.Cleanup(b.Close)
	return ops{t, b}
}

func (o ops) stats() broker.MemoryStats { return o.b.(*broker.Memory).Stats() }

// joined begins a session with a subscription.
func (o ops) joined(dest string, fields ...message.Field) *client {
	o.t.Helper()
	c := newClient("")
	o.connect(c)
	o.must(o.subscribeWith(c, "1", dest, fields...))
	return c
}

func (o ops) subscribeWith(c *client, id, dest string, fields ...message.Field) error {
	return o.do(message.Raw{Kind: message.KindSubscribe, Session: c.Session, Subscription: id, Destination: dest, Header: message.NewHeader(fields...)})
}

// receipt sends a message and returns what its sender is told, and when.
func (o ops) receipt(m message.Raw) (told error) {
	m.Done = message.NewCompletion(message.Stored, func(err error) { told = err })
	m.Done.Release(o.do(m))
	return told
}

// Two nodes of one name are a mistake, which is told; topics come to both all the same.
func TestTwoNodesOfOneName(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		engine := newGauge()
		var log bytes.Buffer
		b := broker.NewMemory(outbound, broker.Config{Backplane: engine, NodeID: "a", Logger: slog.New(slog.NewTextHandler(&log, nil))})
		defer b.Close()
		one, two := ops{t, b}, node(t, engine, "a")
		c := one.joined("/topic/x")
		one.must(one.send("/topic/x", "own"))
		synctest.Wait()
		if log.Len() > 0 {
			t.Errorf("logged %s", &log)
		}
		two.sendNumbers("/topic/x", 0, 2)
		c.wantDeliveries(t, "own", "0", "1")
		if text := log.String(); strings.Count(text, "ERROR") != 1 || !strings.Contains(text, "NodeID") {
			t.Errorf("logged %q", text)
		}
	})
}

// Who subscribes behind somebody who gives up is not refused for that.
func TestSubscribeBehindWhoGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		engine := newGauge()
		engine.subscribe = func(ctx context.Context) error {
			select {
			case <-time.After(time.Second):
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		a := node(t, engine, "a")
		first, second := newClient(""), newClient("")
		a.connect(first)
		a.connect(second)
		ctx, cancel := context.WithCancel(t.Context())
		var subscribing sync.WaitGroup
		subscribing.Go(func() {
			m := message.Raw{Kind: message.KindSubscribe, Session: first.Session, Subscription: "1", Destination: "/topic/x"}
			wantCode(t, a.b.Handle(ctx, m), message.CodeUnavailable)
		})
		synctest.Wait()
		subscribing.Go(func() {
			if err := a.subscribe(second, "1", "/topic/x"); err != nil {
				t.Errorf("refused: %v", err)
			}
		})
		synctest.Wait()
		cancel()
		subscribing.Wait()
		a.must(a.send("/topic/x", "1"))
		second.wantDeliveries(t, "1")
	})
}

// An engine that takes its time with the end of subscriptions does not have a client pile
// them up.
func TestSubscriptionsEndSlowly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		engine := newGauge()
		a := node(t, &laggard{Backplane: engine, end: time.Second}, "a")
		c := newClient("")
		a.connect(c)
		begun := 0
		for i := range 3000 {
			if err := a.subscribe(c, fmt.Sprint(i), fmt.Sprint("/topic/", i)); err != nil {
				wantCode(t, err, message.CodeFull)
				continue
			}
			begun++
			a.must(a.unsubscribe(c, fmt.Sprint(i)))
		}
		if begun < 1000 || begun > 1100 {
			t.Errorf("%d were begun, want 1,024 and those that ended", begun)
		}
		time.Sleep(time.Hour)
		engine.want(t, map[string]int{})
		a.must(a.subscribe(c, "x", "/topic/x"))
	})
}

// However many sessions subscribe, the node does once; and nothing of what others send
// comes to a node where nobody does.
func TestNodeSubscribesOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		engine := newGauge()
		a, b := node(t, engine, "a"), node(t, engine, "b")
		var all []*client
		for range 100 {
			all = append(all, a.joined("/topic/x"))
		}
		y := a.joined("/topic/y")
		engine.want(t, map[string]int{"/topic/x": 1, "/topic/y": 1})
		for i := range 10 {
			b.must(b.send("/topic/x", fmt.Sprint(i)))
			a.must(a.send("/topic/z", "nobody's"))
		}
		synctest.Wait()
		if n := b.stats(); n.Arrived != 0 || n.Joined != 0 {
			t.Errorf("a node without subscriptions got %d messages, on %d topics", n.Arrived, n.Joined)
		}
		if n := a.stats(); n.Arrived != 10 || n.Joined != 2 || n.Delivered != 10*100 {
			t.Errorf("a node with 100 subscriptions got %d messages, on %d topics, and delivered %d", n.Arrived, n.Joined, n.Delivered)
		}
		for i, c := range all {
			if i%2 == 0 {
				a.must(a.unsubscribe(c, "1"))
			} else {
				a.must(a.disconnect(c))
			}
		}
		engine.want(t, map[string]int{"/topic/y": 1})
		a.must(a.disconnect(y))
		engine.want(t, map[string]int{})
		if engine.begun != 2 {
			t.Errorf("%d subscriptions were made at the engine, want 2", engine.begun)
		}
	})
}

// What is refused leaves no subscription at the engine.
func TestNodeOfRefusedSubscriptions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		engine := newGauge()
		a := node(t, engine, "a")
		c := a.joined("/topic/x")
		wantCode(t, a.subscribe(c, "1", "/topic/y"), message.CodeConflict)
		wantCode(t, a.subscribe(c, "", "/topic/y"), message.CodeInvalid)
		engine.want(t, map[string]int{"/topic/x": 1})
		engine.SetAvailable(false)
		wantCode(t, a.subscribe(c, "2", "/topic/y"), message.CodeUnavailable)
		if n := a.stats(); n.Joined != 1 || n.Subscriptions != 1 {
			t.Errorf("joined %d topics with %d subscriptions", n.Joined, n.Subscriptions)
		}
		a.must(a.subscribe(c, "2", "/topic/x")) // needs nothing more
		engine.SetAvailable(true)
		a.must(a.subscribe(c, "3", "/topic/y"))
		engine.want(t, map[string]int{"/topic/x": 1, "/topic/y": 1})
	})
}

// The engine has a message before anybody gets it and before its sender is told. One that
// the engine does not take comes to nobody.
func TestEngineComesFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		engine := newGauge()
		rules := []broker.Rule{{Prefix: "/queue", Mode: broker.Queue}, {Prefix: "/history", History: broker.History{Messages: 10}}}
		a, b := node(t, engine, "a", rules...), node(t, engine, "b", rules...)
		for _, dest := range []string{"/topic/x", "/queue/x", "/history/x"} {
			engine.publish = func(context.Context, broker.Envelope) error { time.Sleep(2 * time.Second); return nil }
			here, there := a.joined(dest), b.joined(dest)
			told := make(chan error, 1)
			go func() { told <- a.receipt(message.Raw{Destination: dest, Payload: []byte("1")}) }()
			time.Sleep(1999 * time.Millisecond)
			synctest.Wait()
			if len(told) > 0 || len(here.take()) > 0 || len(there.take()) > 0 {
				t.Errorf("%s: told or delivered before the engine had it", dest)
			}
			time.Sleep(time.Millisecond)
			synctest.Wait()
			if err := <-told; err != nil {
				t.Errorf("%s: %v", dest, err)
			}
			want := 2
			if dest == "/queue/x" {
				want = 1
			}
			if n := len(here.take()) + len(there.take()); n != want {
				t.Errorf("%s: delivered %d times, want %d", dest, n, want)
			}
			engine.publish = func(context.Context, broker.Envelope) error { return errors.New("connection reset") }
			wantCode(t, a.receipt(message.Raw{Destination: dest, Payload: []byte("2")}), message.CodeUnavailable)
			synctest.Wait()
			wantLines(t, here)
			wantLines(t, there)
			engine.publish = nil // the circuit is whole
			a.must(a.receipt(message.Raw{Destination: dest, Payload: []byte("3")}))
		}
	})
}

// What clients send is told to other nodes under the node's name alone, and where nodes
// tell each other what is no client's business no client sends or listens.
func TestClientsCannotSpeakForNodes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		engine := newGauge()
		rules := []broker.Rule{{Prefix: "/queue", Mode: broker.Queue}}
		a, b := node(t, engine, "a", rules...), node(t, engine, "b", rules...)
		c := a.joined("/topic/x")
		before := len(engine.published)
		for _, dest := range []string{"registry", "users", "node.b", "node."} {
			for _, session := range []*message.Session{c.Session, nil} {
				wantCode(t, a.do(message.Raw{Destination: dest, Session: session}), message.CodeDenied)
			}
			wantCode(t, a.subscribe(c, "2", dest), message.CodeDenied)
		}
		engine.want(t, map[string]int{"/topic/x": 1})
		if n := len(engine.published); n != before {
			t.Errorf("%d messages were sent", n-before)
		}
		there := b.joined("/queue/x", message.Field{Name: message.HeaderAckMode, Value: "client-individual"})
		a.must(a.do(message.Raw{Destination: "/queue/x", Session: c.Session, Header: message.NewHeader(
			message.Field{Name: message.HeaderMessageID, Value: "forged"},
			message.Field{Name: message.HeaderAck, Value: "forged"},
			message.Field{Name: "hr-tries", Value: "40/40"},
		)}))
		synctest.Wait()
		m := there.got[len(there.got)-1]
		if m.Header.Get(message.HeaderMessageID) == "forged" || m.Header.Get(message.HeaderAck) == "forged" || m.Header.Get(message.HeaderDeliveries) != "" {
			t.Errorf("delivered with %v", m.Header)
		}
		if e := engine.published[len(engine.published)-1]; e.Origin != "a" || e.ID == "" || e.ID == "forged" {
			t.Errorf("the engine has %v", e)
		}
	})
}

// Patterns see what is sent at other nodes, or are refused.
func TestPatternsOverNodes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		engine := newGauge()
		rules := []broker.Rule{
			{Prefix: "/all", Everywhere: true},
			{Prefix: "/all/but", NoPatterns: false},
			{Prefix: "/all/queue", Mode: broker.Queue},
			{Prefix: "/here", Local: true},
		}
		a, b := node(t, engine, "a", rules...), node(t, engine, "b", rules...)
		c := newClient("")
		a.connect(c)
		for _, pattern := range []string{"/topic/*", "/**", "/*/x", "/all/**", "/all/but/*", "/a?l/x"} {
			err := a.subscribe(c, pattern, pattern)
			wantCode(t, err, message.CodeDenied)
		}
		for _, pattern := range []string{"/all/news/*", "/here/**"} {
			a.must(a.subscribe(c, pattern, pattern))
		}
		b.must(b.send("/all/news/x", "1"))
		b.must(b.send("/here/x", "2"))
		a.must(a.send("/all/news/y", "3"))
		a.must(a.send("/here/y", "4"))
		synctest.Wait()
		wantLines(t, c, "/all/news/* /all/news/x 1", "/all/news/* /all/news/y 3", "/here/** /here/y 4")
		engine.want(t, map[string]int{"/all": 2})
		if n := len(engine.published); n != 2 {
			t.Errorf("%d messages were sent to the engine, want 2", n)
		}
	})
}

// A message that is retained is at every node, whether anybody asked there before or not.
func TestRetainOverNodes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		engine := newGauge()
		rule := broker.Rule{Retain: true}
		a, b := node(t, engine, "a", rule), node(t, engine, "b", rule)
		a.must(a.send("/state/x", "1"))
		a.must(a.send("/state/x", "2"))
		synctest.Wait()
		wantLines(t, b.joined("/state/x"), "1 /state/x 2")
		wantLines(t, b.joined("/state/*"))
		engine.want(t, map[string]int{"/": 2})
	})
}

// A node subscribes to what is everywhere as soon as the engine lets it.
func TestEverywhereWithoutTheEngine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		engine := newGauge()
		engine.SetAvailable(false)
		rule := broker.Rule{Prefix: "/state", Retain: true}
		a, b := node(t, engine, "a", rule), node(t, engine, "b", rule)
		c := newClient("")
		a.connect(c)
		wantCode(t, a.subscribe(c, "1", "/state/x"), message.CodeUnavailable)
		time.Sleep(10 * time.Second)
		engine.want(t, map[string]int{})
		engine.SetAvailable(true)
		time.Sleep(time.Second)
		engine.want(t, map[string]int{"/state": 2})
		a.must(a.send("/state/x", "1"))
		synctest.Wait()
		wantLines(t, b.joined("/state/x"), "1 /state/x 1")
	})
}

// What the rules ask for and nodes cannot do together panics.
func TestNodesPanic(t *testing.T) {
	noGroups := withoutGroups{messagetest.NewBackplane()}
	for name, tt := range map[string]struct {
		engine broker.Backplane
		rule   broker.Rule
	}{
		"queues without groups":    {noGroups, broker.Rule{Mode: broker.Queue}},
		"receipts of queues":       {messagetest.NewBackplane(), broker.Rule{Mode: broker.Queue, Receipts: message.Handled}},
		"the nodes' own topics":    {messagetest.NewBackplane(), broker.Rule{Prefix: "registry"}},
		"everywhere and here":      {messagetest.NewBackplane(), broker.Rule{Everywhere: true, Local: true}},
		"queues that are all over": {messagetest.NewBackplane(), broker.Rule{Everywhere: true, Mode: broker.Queue}},
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			broker.NewMemory(outbound, broker.Config{Backplane: tt.engine, Rules: []broker.Rule{tt.rule}}).Close()
		}()
	}
	b := broker.NewMemory(outbound, broker.Config{Backplane: noGroups, Rules: []broker.Rule{
		{Prefix: "/queue", Mode: broker.Queue, Receipts: message.Handled, Local: true}, {Prefix: "/state", Retain: true, Local: true},
	}})
	defer b.Close()
	if f := b.Features(); f.Queues || !f.Nodes || !f.Patterns {
		t.Errorf("features %+v", f)
	}
}

// While the engine hangs subscriptions are refused at once, after some that it had 10 s for:
// clients who come back all together would hold up what is not its matter. It is asked again
// each second. Nobody waits for a driver that panicked.
func TestSubscriptionsWhileTheEngineHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		engine := newGauge()
		a := node(t, engine, "a")
		c := newClient("")
		a.connect(c)
		lasts := func(want time.Duration, do func()) {
			t.Helper()
			begun := time.Now()
			do()
			if took := time.Since(begun); took != want {
				t.Errorf("took %v, want %v", took, want)
			}
		}
		engine.subscribe = func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
		lasts(10*time.Second, func() {
			var all sync.WaitGroup
			for i := range 5 {
				all.Go(func() { wantCode(t, a.subscribe(c, fmt.Sprint(i), fmt.Sprint("/topic/", i)), message.CodeUnavailable) })
			}
			all.Wait()
		})
		lasts(0, func() {
			for i := range 100 {
				wantCode(t, a.subscribe(c, "x", fmt.Sprint("/topic/", i)), message.CodeUnavailable)
			}
			a.must(a.send("/topic/x", "messages are another matter"))
		})
		time.Sleep(time.Second)
		lasts(10*time.Second, func() { wantCode(t, a.subscribe(c, "x", "/topic/x"), message.CodeUnavailable) })
		time.Sleep(time.Second)
		engine.subscribe = nil
		lasts(0, func() {
			for i := range 10 {
				a.must(a.subscribe(c, fmt.Sprint("back", i), fmt.Sprint("/topic/", i)))
			}
		})
		engine.subscribe = func(context.Context) error { panic("a driver") }
		for range 2 {
			lasts(0, func() {
				if a.subscribe(c, "x", "/topic/x") == nil {
					t.Error("a driver that panicked has subscribed")
				}
			})
		}
	})
}

// What the engine refuses at once may be about the topic: whoever asks for that again and again
// keeps nobody else from subscribing, nor from sending where there is a history.
func TestRefusedTopicHoldsUpNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		engine := newGauge()
		a := node(t, engine, "a", broker.Rule{Prefix: "/kept", History: broker.History{Messages: 10}}, broker.Rule{})
		c := newClient("")
		a.connect(c)
		engine.subscribe = func(context.Context) error { return errors.New("it may not be made") }
		for i := range 20 {
			wantCode(t, a.subscribe(c, "x", fmt.Sprint("/forbidden/", i)), message.CodeUnavailable)
		}
		engine.subscribe = nil
		a.must(a.subscribe(c, "1", "/topic/x"))
		a.must(a.send("/kept/x", "1"))
	})
}

type withoutGroups struct{ *messagetest.LocalBackplane }

func (withoutGroups) Features() broker.Features { return broker.Features{Ordered: true} }

// Whether the engine is there is told, in the order in which it came and went.
func TestEventsOfTheEngine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		engine := messagetest.NewBackplane()
		var mu sync.Mutex
		var told []broker.EventKind
		var b *broker.Memory
		sent := 0
		events := message.HandlerFunc[broker.Event](func(ctx context.Context, m message.Message[broker.Event]) error {
			mu.Lock()
			defer mu.Unlock()
			told = append(told, m.Payload.Kind)
			if b != nil && b.Handle(ctx, message.Raw{Destination: "/topic/hello"}) == nil { // it may
				sent++
			}
			return nil
		})
		memory := broker.NewMemory(outbound, broker.Config{Backplane: engine, Events: events})
		synctest.Wait()
		b = memory
		for _, available := range []bool{false, false, true, false, true} {
			engine.SetAvailable(available)
			synctest.Wait()
		}
		memory.Close()
		want := []broker.EventKind{broker.Available, broker.Unavailable, broker.Available, broker.Unavailable, broker.Available, broker.Unavailable}
		if fmt.Sprint(told) != fmt.Sprint(want) || sent != 2 {
			t.Errorf("told %v, want %v; %d messages were sent meanwhile, want 2", told, want, sent)
		}
	})
}
