package headrace_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/headrace/headrace"
	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/handler"
	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/messagetest"
)

// cluster returns nodes, one for each way to an engine.
func cluster(config headrace.Config, ways ...broker.Backplane) (nodes []*headrace.Node, end func()) {
	for i, way := range ways {
		config.Backplane, config.NodeID = way, fmt.Sprint("n", i)
		nodes = append(nodes, headrace.New(config))
	}
	return nodes, func() {
		for _, n := range nodes {
			n.Close()
		}
	}
}

// Two lines make one of several nodes: what is sent at one reaches who is at any.
func Example_nodes() {
	config := headrace.Config{
		Backplane: messagetest.NewBackplane(), // the driver of an engine, such as NATS
		Rules:     []broker.Rule{{Prefix: "/topic/state", Retain: true}},
	}
	a, b := headrace.New(config), headrace.New(config)
	defer a.Close()
	defer b.Close()

	kim, lee := visit(a, "kim at a", nil), visit(b, "lee at b", nil)
	lee.subscribe("/topic/news")
	kim.send("/topic/news", "hello") // its receipt says that the engine has it
	<-lee.came
	lee.subscribe("/topic/*")       // would not see what is sent at a
	lee.subscribe("/topic/state/*") // sees all: what is retained is everywhere
	kim.send("/topic/state/door", "open")
	<-lee.came
	// Output:
	// lee at b: /topic/news hello
	// lee at b: refused: patterns are not allowed there: they would not see what is sent at other nodes
	// lee at b: /topic/state/door open
}

// TestSnapshotAndStreamOnNodes: clients of two nodes ask for a snapshot and the stream
// behind it, while one of them publishes without pause. Each sees the state of some
// moment, and from there every change once.
func TestSnapshotAndStreamOnNodes(t *testing.T) {
	const clients, changes = 300, 30
	engine := messagetest.NewBackplane()
	nodes, end := cluster(headrace.Config{}, engine, engine)
	defer end()
	var c counter // of both, as a database is
	c.wire(nodes[1])
	c.wire(nodes[0])
	stop := make(chan struct{})
	var publisher sync.WaitGroup
	defer publisher.Wait()
	defer close(stop)
	publisher.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				c.increment(t)
			}
		}
	})
	subscribed := make(chan subscriber, clients)
	for i := range clients {
		client := messagetest.Connect(t, nodes[i%2])
		go func() { subscribed <- subscribe(client) }()
	}
	for range clients {
		s := <-subscribed
		if s.err != nil {
			t.Fatal(s.err)
		}
		s.sees(t, changes)
		s.Disconnect()
	}
	eventually(t, "the nodes have left the topic", func() bool {
		return nodes[0].Stats().Broker.Joined+nodes[1].Stats().Broker.Joined == 0
	})
}

// TestOrderOverNodes: clients of three nodes publish to some destinations, and others
// subscribe at some time: each sees what each publisher sends to a destination from then on, in
// its order, without a gap or a double.
func TestOrderOverNodes(t *testing.T) {
	dests := []string{"/topic/a", "/topic/b", "/history/a", "/all/a"}
	rapid.Check(t, func(r *rapid.T) {
		publishers := rapid.SliceOfN(rapid.IntRange(0, 2), 1, 6).Draw(r, "the node of each publisher")
		subscribers := rapid.SliceOfN(rapid.IntRange(0, 2), 1, 6).Draw(r, "the node of each subscriber")
		each := rapid.IntRange(1, 20).Draw(r, "messages of each publisher to each destination")
		engine := messagetest.NewBackplane()
		nodes, end := cluster(headrace.Config{
			BrokerPrefixes: []string{"/topic", "/history", "/all"},
			Rules: []broker.Rule{
				{Prefix: "/history", History: broker.History{Messages: 1000}},
				{Prefix: "/all", Everywhere: true},
			},
		}, engine, engine, engine)
		defer end()
		var sending, subscribing, watching sync.WaitGroup
		for p, at := range publishers {
			sending.Go(func() {
				c := messagetest.Connect(t, nodes[at])
				for i := range each {
					for _, dest := range dests {
						if err := c.TrySend(dest, fmt.Sprintf("%d/%d", p, i)); err != nil {
							t.Error(err)
						}
					}
				}
			})
		}
		for _, at := range subscribers {
			c := messagetest.Connect(t, nodes[at])
			subscribing.Go(func() {
				for _, dest := range dests {
					if _, err := c.TrySubscribe(dest); err != nil {
						t.Error(err)
					}
				}
				watching.Go(func() { sees(t, c, len(nodes)*len(dests)) })
			})
		}
		sending.Wait()
		subscribing.Wait()
		for _, n := range nodes { // behind all that was sent there
			for _, dest := range dests {
				if err := n.Template.Send(t.Context(), dest, "end"); err != nil {
					t.Error(err)
				}
			}
		}
		watching.Wait()
	})
}

// sees reads all until the last of so many ends.
func sees(t *testing.T, c *messagetest.Client, ends int) {
	last := make(map[string]int)
	for ends > 0 {
		m := c.Next(t)
		publisher, number, more := strings.Cut(string(m.Payload), "/")
		if !more {
			ends--
			continue
		}
		n := 0
		_, _ = fmt.Sscan(number, &n)
		lane := publisher + m.Destination
		if before, ok := last[lane]; ok && n != before+1 {
			t.Errorf("%d came after %d of publisher %s at %s", n, before, publisher, m.Destination)
		}
		last[lane] = n
	}
}

// breakable is a node's way to an engine. While it is cut nothing is answered, and what comes
// for the node waits at the engine.
type breakable struct {
	broker.Backplane
	delay time.Duration // of each answer
	cut   atomic.Pointer[chan struct{}]
}

func (b *breakable) set(cut bool) {
	if cut {
		b.cut.Store(new(make(chan struct{})))
	} else {
		close(*b.cut.Swap(nil))
	}
}

func (b *breakable) pass(ctx context.Context) error {
	if b.delay > 0 {
		select {
		case <-time.After(b.delay):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if cut := b.cut.Load(); cut != nil {
		select {
		case <-*cut:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

func (b *breakable) Publish(ctx context.Context, topic string, e broker.Envelope) error {
	if err := b.pass(ctx); err != nil {
		return err
	}
	return b.Backplane.Publish(ctx, topic, e)
}

func (b *breakable) Subscribe(ctx context.Context, topic, group string, receive func(context.Context, broker.Envelope) error) (func(), error) {
	if err := b.pass(ctx); err != nil {
		return nil, err
	}
	return b.Backplane.Subscribe(ctx, topic, group, func(ctx context.Context, e broker.Envelope) error {
		if cut := b.cut.Load(); cut != nil {
			<-*cut
		}
		return receive(ctx, e)
	})
}

// R-08, in virtual time: a node is cut off from the engine for 20 s. What stays at the node
// goes on, what would leave it is refused, within 10 s first and at once soon, and comes to
// nobody; the others go on. Then the node has all that they sent, in its order, and takes part again.
func TestR08Partition(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		engine := messagetest.NewBackplane()
		way := &breakable{Backplane: engine}
		nodes, end := cluster(headrace.Config{
			BrokerPrefixes: []string{"/topic", "/here"},
			Rules:          []broker.Rule{{Prefix: "/here", Local: true}},
		}, way, engine, engine)
		defer end()
		a, b, c := nodes[0], nodes[1], nodes[2]
		onA, onC := messagetest.Connect(t, a), messagetest.Connect(t, c)
		for _, s := range []*messagetest.Client{onA, onC} {
			s.Subscribe("/topic/x")
			s.Subscribe("/here/x")
		}
		send := func(n *headrace.Node, dest, text string) error {
			return n.Template.Send(context.Background(), dest, text)
		}
		must := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		want := func(s *messagetest.Client, texts ...string) {
			t.Helper()
			for _, text := range texts {
				if m := s.Next(t); string(m.Payload) != text {
					t.Fatalf("came %s, want %s", m.Payload, text)
				}
			}
			s.Refute(t)
		}
		must(send(a, "/topic/x", "before"))
		want(onA, "before")
		want(onC, "before")

		way.set(true)
		begun, refused := time.Now(), 0
		var expected []string
		var crowd sync.WaitGroup
		for range 5 { // who are there when it begins
			crowd.Go(func() {
				if err := send(a, "/topic/x", "lost"); message.Public(err).Code != message.CodeUnavailable {
					t.Errorf("err = %v", err)
				}
			})
		}
		crowd.Wait()
		if took := time.Since(begun); took != 10*time.Second {
			t.Errorf("who sent when it began waited %v", took)
		}
		for i := range 100 {
			at := time.Now()
			err := send(a, "/topic/x", "lost")
			if err == nil || message.Public(err).Code != message.CodeUnavailable {
				t.Fatalf("err = %v", err)
			}
			if time.Since(at) == 0 {
				refused++
			}
			must(send(a, "/here/x", "here"))
			want(onA, "here")
			must(send(b, "/topic/x", fmt.Sprint(i)))
			want(onC, fmt.Sprint(i))
			expected = append(expected, fmt.Sprint(i))
			time.Sleep(10 * time.Millisecond)
			if time.Since(begun) > 20*time.Second {
				break
			}
		}
		if refused < len(expected)/2 {
			t.Errorf("%d of %d were refused at once", refused, len(expected))
		}
		way.set(false)
		want(onA, expected...)
		for err := errors.New("not yet"); err != nil; time.Sleep(100 * time.Millisecond) {
			if err = send(a, "/topic/x", "after"); time.Since(begun) > 40*time.Second {
				t.Fatalf("the node does not take part again: %v", err)
			}
		}
		want(onA, "after")
		want(onC, "after")
	})
}

// R-25: an engine answers after 2 s each. Who publishes waits as long, or as his context says;
// others of the same node do not wait, and no goroutines pile up beyond the workers.
func TestR25SlowEngine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		way := &breakable{Backplane: messagetest.NewBackplane(), delay: 2 * time.Second}
		nodes, end := cluster(headrace.Config{Workers: 4}, way)
		defer end()
		node := nodes[0]
		handler.Consume(node.Router, "/quick", func(context.Context, string) error { return nil })

		const slow = 200
		before := runtime.NumGoroutine()
		var all sync.WaitGroup
		begun := time.Now()
		for range slow {
			c := messagetest.Connect(t, node)
			all.Go(func() {
				if err := c.TrySend("/topic/x", "text"); err != nil {
					t.Error(err)
				}
			})
		}
		time.Sleep(time.Second)
		quick := messagetest.Connect(t, node)
		at := time.Now()
		quick.Send("/app/quick", "text")
		if took := time.Since(at); took > 10*time.Millisecond {
			t.Errorf("who does not need the engine waited %v", took)
		}
		if n := runtime.NumGoroutine() - before; n > 2*slow+20 { // the test's own, and as many workers
			t.Errorf("%d goroutines more for %d messages under way", n, slow)
		}
		all.Wait()
		if took := time.Since(begun); took > 2*time.Second+300*time.Millisecond {
			t.Errorf("%d messages, side by side, took %v", slow, took)
		}
		ctx, cancel := context.WithTimeout(context.Background(), 500*time.Millisecond)
		defer cancel()
		at = time.Now()
		err := node.Template.Send(ctx, "/topic/x", "text")
		if took := time.Since(at); took != 500*time.Millisecond || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("who has half a second is told %v after %v", err, took)
		}
	})
}
