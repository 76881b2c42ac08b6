package headrace_test

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/headrace/headrace"
	"github.com/headrace/headrace/handler"
	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/messagetest"
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
// subscribe; each sees the state of some moment, and from there every change once.
func TestSnapshotAndStream(t *testing.T) {
	const crowds, clients, changes = 10, 100, 30
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
	for range crowds {
		for client, id := range crowd(t, node, clients) {
			first := messagetest.Payload[int](t, client.Next(t))
			for n := first + 1; n <= first+changes; n++ {
				if m := client.Next(t); messagetest.Payload[int](t, m) != n || m.Subscription != id {
					t.Fatalf("%s came on %s, want %d on %s", m.Payload, m.Subscription, n, id)
				}
			}
			client.Disconnect()
		}
	}
}

// crowd returns clients that have subscribed to the count at once, with the ids
// of their subscriptions.
func crowd(t *testing.T, node *headrace.Node, n int) map[*messagetest.Client]string {
	clients, ids := make([]*messagetest.Client, n), make([]string, n)
	for i := range clients {
		clients[i] = messagetest.Connect(t, node)
	}
	var subscribing sync.WaitGroup
	for i, c := range clients {
		subscribing.Go(func() {
			var err error
			for ids[i], err = c.TrySubscribe("/app/count"); err != nil; ids[i], err = c.TrySubscribe("/app/count") {
				if message.Public(err).Code != message.CodeFull { // the publisher is faster than what can be held
					t.Error(err)
					return
				}
			}
		})
	}
	subscribing.Wait()
	all := make(map[*messagetest.Client]string, n)
	for i, c := range clients {
		all[c] = ids[i]
	}
	return all
}

// TestSnapshotAndStreamOverSTOMP is the same over a network, up to a count that
// clients have room for.
func TestSnapshotAndStreamOverSTOMP(t *testing.T) {
	const changes = 2000
	var c counter
	s := serve(t, setup{wire: c.wire})
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
