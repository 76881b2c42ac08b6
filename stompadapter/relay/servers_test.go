package relay_test

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/internal/proc"
	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/messagetest"
	"github.com/headrace/headrace/stompadapter/client"
	"github.com/headrace/headrace/stompadapter/relay"
)

var long = flag.Bool("long", false, "run the long forms")

// features are those of all brokers, but for selectors.
var features = broker.Features{
	Patterns: true, Ordered: true, Queues: true, Backlog: true, Acks: true, Durable: true, Nodes: true,
}

func TestRabbitMQ(t *testing.T) {
	rabbit := proc.StartRabbitMQ(t)
	config := relay.Config{Address: rabbit.STOMP, Logger: slog.New(slog.DiscardHandler)}
	t.Run("conformance", func(t *testing.T) { conformance(t, features, config) })
	t.Run("not let in", func(t *testing.T) {
		notLetIn(t, config, relay.Config{ClientLogin: "nobody"}, relay.Config{VirtualHost: "nowhere"})
	})
	t.Run("commit and abort", func(t *testing.T) { commitAndAbort(t, config) })
	t.Run("unsubscribed", func(t *testing.T) { givenBack(t, config) })
	t.Run("cut", func(t *testing.T) { cut(t, config) })
	t.Run("forced", func(t *testing.T) {
		forced(t, config, func() { rabbit.Control("close_all_connections", "maintenance") })
	})
	t.Run("users", func(t *testing.T) { ownQueues(t, config) })
	t.Run("users alike", func(t *testing.T) { ownKeys(t, config) })
	t.Run("nothing is left", func(t *testing.T) {
		before := rabbit.Queues()
		comeAndGo(t, config, "/topic/a", "/user/queue/a", "/user/exchange/amq.direct/a")
		eventually(t, "the queues are those of before", func() bool {
			after := rabbit.Queues()
			slices.Sort(after)
			slices.Sort(before)
			return slices.Equal(before, after)
		})
	})
	rabbit.AddVirtualHost("nodes")
	t.Run("backplane", func(t *testing.T) {
		messagetest.Backplane(t, func(t *testing.T) broker.Backplane { return join(t, config) })
	})
	t.Run("nobody reaches nodes", func(t *testing.T) { nobodyReachesNodes(t, config) })
	t.Run("R03", func(t *testing.T) {
		killed(t, rabbit.Process, config, "tcp://"+rabbit.STOMP, func() {
			rabbit.Control("eval", "mnesia:dump_log().") // a queue that is younger than some seconds may be forgotten
		})
	})
}

func TestActiveMQ(t *testing.T) {
	active := proc.StartActiveMQ(t)
	config := relay.Config{Address: active.STOMP, Dialect: relay.ActiveMQ, Logger: slog.New(slog.DiscardHandler)}
	t.Run("conformance", func(t *testing.T) {
		features := features
		features.Selectors = true
		conformance(t, features, config)
	})
	t.Run("commit and abort", func(t *testing.T) { commitAndAbort(t, config) })
	t.Run("unsubscribed", func(t *testing.T) { givenBack(t, config) })
	t.Run("spellings", func(t *testing.T) { spellings(t, config) })
	t.Run("no users", func(t *testing.T) {
		b := start(t, config)
		c := messagetest.Connect(t, b)
		if _, err := c.TrySubscribe("/user/queue/a"); message.Public(err) == nil || message.Public(err).Code != message.CodeNotFound {
			t.Errorf("subscribed: %v", err)
		}
	})
	t.Run("nothing is left", func(t *testing.T) {
		watch, err := client.Dial(t.Context(), client.Config{URL: "tcp://" + active.STOMP})
		if err != nil {
			t.Fatal(err)
		}
		defer watch.Close(t.Context())
		var consumers atomic.Int64 // those that came less those that went
		_, err = watch.Subscribe(t.Context(), "/topic/ActiveMQ.Advisory.Consumer.>", client.SubscribeConfig{}, func(_ context.Context, m message.Raw) error {
			n, err := strconv.ParseInt(m.Header.Get("consumerCount"), 10, 64)
			if strings.HasSuffix(m.Destination, ".left.behind") {
				consumers.Store(n)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		comeAndGo(t, config, "/queue/left.behind")
		eventually(t, "no consumer is left", func() bool { return consumers.Load() == 0 })
	})
}

func conformance(t *testing.T, features broker.Features, c relay.Config) {
	messagetest.Broker(t, features, func(t *testing.T, outbound message.RawHandler) broker.Broker {
		return relay.New(outbound, c)
	})
}

// start begins a relay, and waits until it has a connection.
func start(t *testing.T, c relay.Config) *relay.Broker {
	t.Helper()
	b := relay.New(message.HandlerFunc[[]byte](deliver), c)
	t.Cleanup(b.Close)
	eventually(t, "the broker is there", func() bool { return b.Stats().Available })
	return b
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline, tick := time.After(60*time.Second), time.NewTicker(20*time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatal("never happened: " + what)
		}
	}
}

// publish sends a text and waits until the broker has it.
func publish(ctx context.Context, b *relay.Broker, destination, text string) error {
	told := make(chan error, 1)
	m := message.Raw{Destination: destination, Payload: []byte(text)}
	m.Done = message.NewCompletion(message.Stored, func(err error) { told <- err })
	m.Done.Release(b.Handle(ctx, m))
	return <-told
}

// notLetIn connects with what the broker does not know. Clients are told, and not what.
func notLetIn(t *testing.T, good relay.Config, bad ...relay.Config) {
	for _, c := range bad {
		c.Address, c.Logger = good.Address, good.Logger
		b := relay.New(message.HandlerFunc[[]byte](deliver), c)
		_, err := messagetest.TryConnect(t, b)
		if told := message.Public(err); told == nil || told.Code != message.CodeUnavailable {
			t.Errorf("%+v: %v", c, err)
		}
		b.Close()
	}
}

// commitAndAbort sends in transactions, which are the broker's.
func commitAndAbort(t *testing.T, c relay.Config) {
	b := start(t, c)
	listener, sender := messagetest.Connect(t, b), messagetest.Connect(t, b)
	listener.Subscribe("/queue/tx")
	for _, end := range []message.Kind{message.KindAbort, message.KindCommit} {
		tx := message.NewHeader(message.Field{Name: message.HeaderTransaction, Value: "t"})
		for _, m := range []message.Raw{
			{Kind: message.KindBegin},
			{Destination: "/queue/tx", Payload: []byte(end.String() + " 1")},
			{Destination: "/queue/tx", Payload: []byte(end.String() + " 2")},
		} {
			m.Header = tx
			if err := sender.Try(m); err != nil {
				t.Fatal(err)
			}
		}
		sender.Send("/queue/tx", "outside")
		if m := listener.Next(t); string(m.Payload) != "outside" {
			t.Errorf("%s: came before its end: %s", end, m.Payload)
		}
		if err := sender.Try(message.Raw{Kind: end, Header: tx}); err != nil {
			t.Error(err)
		}
	}
	for _, want := range []string{"commit 1", "commit 2"} {
		if m := listener.Next(t); string(m.Payload) != want {
			t.Errorf("came %s, want %s", m.Payload, want)
		}
	}
}

// givenBack ends a subscription that has settled nothing, before anybody else is there.
func givenBack(t *testing.T, c relay.Config) {
	b := start(t, c)
	first, second := messagetest.Connect(t, b), messagetest.Connect(t, b)
	sub := first.Subscribe("/queue/given", message.Field{Name: message.HeaderAckMode, Value: "client-individual"})
	var got message.Raw
	for i := range 20 {
		first.Send("/queue/given", strconv.Itoa(i))
		got = first.Next(t)
	}
	first.Unsubscribe(sub)
	first.Ack(got) // it is answered
	second.Subscribe("/queue/given")
	for i := range 20 {
		if m := second.Next(t); string(m.Payload) != strconv.Itoa(i) {
			t.Errorf("message %d is %q", i, m.Payload)
		}
	}
}

// forced has connections closed by an operator: it costs no message and no client.
func forced(t *testing.T, c relay.Config, closeAll func()) {
	c.Reattach, c.ReconnectDelay = true, 50*time.Millisecond
	b := start(t, c)
	client := messagetest.Connect(t, b)
	client.Subscribe("/topic/forced")
	over := make(chan struct{})
	var sending sync.WaitGroup
	sending.Go(func() {
		for { // one at a time: it is that one which the broker would seem to have refused
			told := make(chan error, 1)
			m := message.Raw{Destination: "/topic/others", Done: message.NewCompletion(message.Stored, func(err error) { told <- err })}
			m.Done.Release(b.Handle(context.Background(), m))
			if err := <-told; err != nil && message.Public(err).Code != message.CodeUnavailable {
				t.Errorf("a message is told %v", err)
			}
			select {
			case <-over:
				return
			default:
			}
		}
	})
	for range 3 {
		lost := b.Stats().Connections
		closeAll()
		eventually(t, "the connections are new", func() bool { s := b.Stats(); return s.Connections >= lost+2 && s.Available })
	}
	close(over)
	sending.Wait()
	if err := client.Session().Reason(); err != nil {
		t.Errorf("the session ended with %v", err)
	}
}

// cut cuts the connections of clients again and again, at moments that nobody chooses, while
// they send, settle, subscribe and unsubscribe: with Reattach all of it succeeds.
func cut(t *testing.T, c relay.Config) {
	var mu sync.Mutex
	var conns []net.Conn
	c.Reattach, c.ReconnectDelay = true, 50*time.Millisecond
	c.Dial = func(ctx context.Context, addr string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
		if err == nil {
			mu.Lock()
			conns = append(conns, conn)
			mu.Unlock()
		}
		return conn, err
	}
	b := start(t, c)
	sender, consumer, fickle := messagetest.Connect(t, b), messagetest.Connect(t, b), messagetest.Connect(t, b)
	consumer.Subscribe("/queue/cut", message.Field{Name: message.HeaderAckMode, Value: "client-individual"})
	const rounds, each = 30, 20
	seen := make(map[string]bool)
	var working sync.WaitGroup
	working.Go(func() {
		for len(seen) < rounds*each {
			m := consumer.Next(t)
			seen[string(m.Payload)] = true
			consumer.Ack(m)
		}
	})
	working.Go(func() {
		for range rounds * each {
			fickle.Unsubscribe(fickle.Subscribe("/topic/cut"))
		}
	})
	for round := range rounds {
		for i := range each {
			sender.Send("/queue/cut", fmt.Sprint(round, "-", i))
		}
		mu.Lock()
		for _, conn := range conns {
			conn.Close()
		}
		conns = nil
		mu.Unlock()
	}
	working.Wait()
	if n := b.Stats().Reconnects; n < rounds/2 {
		t.Errorf("void: %d connections were lost", n)
	}
}

// ownQueues sends to users over two relays, as two nodes have them.
func ownQueues(t *testing.T, c relay.Config) {
	here := start(t, c)
	var remote atomic.Pointer[string]
	c.Sessions = func(user string) []string {
		if id := remote.Load(); user == "ada" && id != nil {
			return []string{*id}
		}
		return nil
	}
	there := start(t, c)
	ada, second, bob := messagetest.Connect(t, here, messagetest.User("ada")), messagetest.Connect(t, there, messagetest.User("ada")), messagetest.Connect(t, there, messagetest.User("bob"))
	id := ada.Session().ID()
	remote.Store(&id)
	for _, destination := range []string{"/queue/a", "/exchange/amq.direct/a"} {
		subs := map[*messagetest.Client][]string{}
		for _, client := range []*messagetest.Client{ada, second, bob} {
			subs[client] = []string{client.Subscribe("/user" + destination)}
		}
		subs[ada] = append(subs[ada], ada.Subscribe("/user"+destination))
		if err := publish(t.Context(), there, "/user/ada"+destination, "x"); err != nil {
			t.Fatal(err)
		}
		for _, client := range []*messagetest.Client{ada, second} {
			var got []string
			for range subs[client] {
				m := client.Next(t)
				if m.Destination != "/user"+destination || string(m.Payload) != "x" {
					t.Errorf("got %+v", m)
				}
				got = append(got, m.Subscription)
			}
			slices.Sort(got)
			if !slices.Equal(got, subs[client]) {
				t.Errorf("came to %q, want %q", got, subs[client])
			}
		}
		// To a session alone, by a client; and what bob has got is all.
		ada.Send("/user/"+ada.Session().ID()+destination, "own")
		for range subs[ada] {
			if m := ada.Next(t); string(m.Payload) != "own" {
				t.Errorf("got %+v", m)
			}
		}
		if err := publish(t.Context(), there, "/user/bob"+destination, "bob's"); err != nil {
			t.Fatal(err)
		}
		if m := bob.Next(t); string(m.Payload) != "bob's" {
			t.Errorf("got %+v", m)
		}
		for client, ids := range subs {
			for _, id := range ids {
				client.Unsubscribe(id)
			}
		}
	}
	if err := publish(t.Context(), there, "/user/nobody/queue/a", "x"); err != nil || there.Stats().Unresolved != 1 {
		t.Errorf("to nobody: %v, %d unresolved", err, there.Stats().Unresolved)
	}
}

// comeAndGo lets 100 sessions subscribe and go, half of them without a goodbye.
func comeAndGo(t *testing.T, c relay.Config, destinations ...string) {
	b := relay.New(message.HandlerFunc[[]byte](deliver), c)
	defer b.Close()
	for i := range 100 {
		client := messagetest.Connect(t, b, messagetest.User(fmt.Sprint("user-", i)))
		for _, destination := range destinations {
			client.Subscribe(destination)
		}
		if i%2 == 0 {
			client.Disconnect()
		}
	}
}
