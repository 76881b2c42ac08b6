package headrace_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/headrace/headrace"
	"github.com/headrace/headrace/handler"
	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/messagetest"
	"github.com/headrace/headrace/stompadapter"
	"github.com/headrace/headrace/transport"
)

// counter is data that changes without pause; each change is sent.
type counter struct {
	mu   sync.Mutex
	n    int
	send func(n int) error
}

// wire makes the counter's state the snapshot of /app/count, and its changes the
// stream behind that.
func (c *counter) wire(n *headrace.Node) {
	c.send = func(now int) error { return n.Template.Send(context.Background(), "/topic/count", now) }
	newer := handler.Newer(func(snapshot, update int) bool { return update > snapshot })
	handler.OnSubscribe(n.Router, "/count", c.now, handler.Live("/topic/count", newer))
}

func (c *counter) now(context.Context, struct{}) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.n, nil
}

// increment changes the data and sends the change under one lock.
func (c *counter) increment(t *testing.T) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n++
	if err := c.send(c.n); err != nil {
		t.Error(err)
	}
}

// TestSnapshotAndStream: a publisher counts without pause while 1,000 clients
// subscribe at once; each sees the state of some moment, and from there every
// change once.
func TestSnapshotAndStream(t *testing.T) {
	const clients, changes = 1000, 30
	node := headrace.New(headrace.Config{})
	defer node.Close()
	var c counter
	c.wire(node)
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
	for range clients {
		client := messagetest.Connect(t, node)
		go func() { subscribed <- subscribe(client) }()
	}
	again := 0
	for range clients {
		s := <-subscribed
		if again += s.again; s.err != nil {
			t.Fatal(s.err)
		}
		s.sees(t, changes)
		s.Disconnect()
	}
	if again > clients {
		t.Errorf("%d subscriptions of %d were asked for again", again, clients)
	}
}

// subscriber is a client that asked for the count.
type subscriber struct {
	*messagetest.Client
	id    string
	err   error
	again int // how often it was told that more came than can be held
}

// subscribe asks for the count, and again until there is room: the publisher waits for
// nobody.
func subscribe(c *messagetest.Client) subscriber {
	s := subscriber{Client: c}
	for ; s.again < 100; s.again++ {
		s.id, s.err = c.TrySubscribe("/app/count")
		if s.err == nil || message.Public(s.err).Code != message.CodeFull {
			break
		}
	}
	return s
}

// sees reads a snapshot and so many changes behind it. What the publisher was just sending to a
// subscription that was refused may still come, on that one.
func (s *subscriber) sees(t *testing.T, changes int) {
	t.Helper()
	want := -1
	for n := 0; n <= changes; {
		m := s.Next(t)
		if m.Subscription != s.id && s.again > 0 {
			continue
		}
		got := messagetest.Payload[int](t, m)
		if m.Subscription != s.id || n > 0 && got != want {
			t.Fatalf("%d came on %s, want %d on %s", got, m.Subscription, want, s.id)
		}
		want = got + 1
		n++
	}
}

// TestSnapshotWithinTheBudget: a stream of which more is held than a client has
// room for is refused with a reason, and no client is cut for being slow.
func TestSnapshotWithinTheBudget(t *testing.T) {
	var ends endings
	s := serve(t, setup{
		stomp: stompadapter.Config{Transport: transport.Config{OutboxBytes: 64 << 10}},
		wire: func(n *headrace.Node) {
			ends.wire(n)
			handler.OnSubscribe(n.Router, "/news", func(ctx context.Context, _ struct{}) (string, error) {
				for range 40 {
					_ = n.Template.Send(ctx, "/topic/news", strings.Repeat("x", 1<<10))
				}
				return "snapshot", nil
			}, handler.Live("/topic/news"))
		},
	})
	c := s.dialSmall()
	id := c.login()
	c.send(subscribeFrame("news", "/app/news", "r"))
	if f, ok := c.next(); !ok || f.command != "ERROR" || !strings.Contains(f.header["message"], "too much came") {
		t.Errorf("got %v, %v", f, ok)
	}
	eventually(t, "the end is told", func() bool { return len(ends.of(id)) > 0 })
	if err := ends.of(id)[0]; errors.Is(err, transport.ErrSlow) {
		t.Errorf("ended with %v", err)
	}
	eventually(t, "no subscription is left", func() bool { return s.node.Broker.Stats().Subscriptions == 0 })
}

// TestSnapshotAndStreamOverSTOMP is the same over a network, up to a count that
// clients have room for.
func TestSnapshotAndStreamOverSTOMP(t *testing.T) {
	const changes = 2000
	var c counter
	s := serve(t, setup{
		stomp: stompadapter.Config{Transport: transport.Config{OutboxBytes: 4 << 20}}, // all of it may be held
		wire:  c.wire,
	})
	clients := []*client{s.connect(), s.connect(), s.connect()}
	var publisher sync.WaitGroup
	defer publisher.Wait()
	publisher.Go(func() {
		for range changes {
			c.increment(t)
		}
	})
	for _, c := range clients {
		c.send(subscribeFrame("count", "/app/count", "r"))
	}
	for _, c := range clients {
		if err := counts(c, changes); err != nil {
			t.Error(err)
		}
	}
}

// counts reads a snapshot, all changes behind it up to the last, and among them
// the receipt of the subscription.
func counts(c *client, last int) error {
	n, receipt := -1, false
	for n < last || !receipt {
		f, ok := c.next()
		switch got, err := strconv.Atoi(f.body); {
		case !ok:
			return fmt.Errorf("closed with %d", c.code)
		case f.command == "RECEIPT" && n >= 0:
			receipt = true
		case err != nil || f.command != "MESSAGE" || f.header["subscription"] != "count":
			return fmt.Errorf("got %v", f)
		case n >= 0 && got != n+1:
			return fmt.Errorf("%d came after %d", got, n)
		default:
			n = got
		}
	}
	return nil
}

// TestStreamEnds: UNSUBSCRIBE ends a stream as it ends any subscription, and so
// does the end of the session.
func TestStreamEnds(t *testing.T) {
	node := headrace.New(headrace.Config{})
	defer node.Close()
	var c counter
	c.wire(node)
	kim := messagetest.Connect(t, node)
	id := kim.Subscribe("/app/count")
	kim.Next(t)
	c.increment(t)
	kim.Next(t)
	kim.Unsubscribe(id)
	c.increment(t)
	kim.Refute(t)

	kim.Subscribe("/app/count")
	if n := messagetest.Payload[int](t, kim.Next(t)); n != 2 {
		t.Errorf("snapshot %d, want 2", n)
	}
	kim.Disconnect()
	eventually(t, "no subscription is left", func() bool { return node.Broker.Stats().Subscriptions == 0 })
	c.increment(t)
}

// TestStreamOfAUser follows what is the user's own.
func TestStreamOfAUser(t *testing.T) {
	node := headrace.New(headrace.Config{})
	defer node.Close()
	fail := true
	handler.OnSubscribe(node.Router, "/orders", func(_ context.Context, r handler.Request[struct{}]) (string, error) {
		if fail {
			return "", &tradeError{"the books are closed"}
		}
		return "orders of " + r.User().Name(), nil
	}, handler.Live("/user/queue/orders"))
	kim, lee := messagetest.Connect(t, node, messagetest.User("kim")), messagetest.Connect(t, node, messagetest.User("lee"))
	if _, err := kim.TrySubscribe("/app/orders"); err == nil || strings.Contains(err.Error(), "books") {
		t.Errorf("the failed subscription: %v", err)
	}
	fail = false
	for _, c := range []*messagetest.Client{kim, lee} {
		c.Subscribe("/app/orders")
		c.Next(t)
	}
	if err := node.Template.SendToUser(t.Context(), "kim", "/queue/orders", "filled"); err != nil {
		t.Fatal(err)
	}
	if m := kim.Next(t); string(m.Payload) != "filled" || m.Subscription != "sub-2" {
		t.Errorf("got %s on %s", m.Payload, m.Subscription)
	}
	kim.Refute(t)
	lee.Refute(t)
}

// TestClientDisconnectIsHandled: when Disconnect returns, the node has forgotten
// the client.
func TestClientDisconnectIsHandled(t *testing.T) {
	node := headrace.New(headrace.Config{})
	defer node.Close()
	for range 20 {
		kim := messagetest.Connect(t, node, messagetest.User("kim"))
		kim.Subscribe("/topic/news")
		kim.Disconnect()
		if _, online := node.Users.User("kim"); online || node.Broker.Stats().Subscriptions != 0 {
			t.Fatal("kim is still there")
		}
	}
}
