package headrace_test

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/headrace/headrace"
	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/handler"
	"github.com/headrace/headrace/interceptor"
	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/messagetest"
)

// beside is a broker.Memory in the place of another broker, which says what it is sent.
type beside struct {
	*broker.Memory
	mu       sync.Mutex
	got      []string
	admit    func(m message.Raw) error // what becomes of KindConnect and KindCommit
	shutdown bool
}

func (b *beside) Handle(ctx context.Context, m message.Raw) error {
	b.mu.Lock()
	b.got = append(b.got, strings.TrimSpace(m.Kind.String()+" "+m.Destination+" "+m.Header.Get(message.HeaderTransaction)))
	admit := b.admit
	b.mu.Unlock()
	if (m.Kind == message.KindConnect || m.Kind == message.KindCommit) && admit != nil {
		if err := admit(m); err != nil {
			return err
		}
	}
	if _, inside := m.Header.Lookup(message.HeaderTransaction); inside {
		return nil // a Memory has none
	}
	return b.Memory.Handle(ctx, m)
}

func (b *beside) Shutdown(context.Context) error {
	b.shutdown = true
	return nil
}

// took returns what came, and forgets it.
func (b *beside) took() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	all := strings.Join(b.got, ", ")
	b.got = nil
	return all
}

// relayTo makes a relay of prefixes.
func relayTo(b *beside, prefixes ...string) headrace.Relay {
	return headrace.Relay{Prefixes: prefixes, New: func(outbound message.RawHandler, events message.Handler[broker.Event]) broker.Broker {
		b.Memory = broker.NewMemory(outbound, broker.Config{Events: events, Rules: []broker.Rule{{Prefix: "/queue", Mode: broker.Queue}}})
		return b
	}}
}

// withRelay runs a test with a node that has /topic, beside a broker that has /queue.
func withRelay(t *testing.T, test func(t *testing.T, n *headrace.Node, b *beside)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b := new(beside)
		n := headrace.New(headrace.Config{Relays: []headrace.Relay{relayTo(b, "/queue/")}})
		defer n.Close()
		test(t, n, b)
	})
}

func TestRelayGetsItsDestinations(t *testing.T) {
	withRelay(t, func(t *testing.T, n *headrace.Node, b *beside) {
		var events []string
		n.Events.Subscribe(message.HandlerFunc[broker.Event](func(_ context.Context, m message.Message[broker.Event]) error {
			events = append(events, strings.TrimSpace(m.Payload.Kind.String()+" "+m.Payload.Destination))
			return nil
		}))
		var out []string
		n.Outbound.Intercept(func(next message.RawHandler) message.RawHandler {
			return message.HandlerFunc[[]byte](func(ctx context.Context, m message.Raw) error {
				out = append(out, strings.TrimSpace(m.Kind.String()+" "+m.Destination))
				return next.Handle(ctx, m)
			})
		})
		c := messagetest.Connect(t, n)
		queue, topic := c.Subscribe("/queue/a", message.Field{Name: message.HeaderAckMode, Value: "client"}), c.Subscribe("/topic/a")
		if n.Relays[0] != broker.Broker(b) {
			t.Error("Node.Relays has not what was made")
		}
		if err := n.Template.Send(t.Context(), "/queue/a", "1"); err != nil {
			t.Fatal(err)
		}
		if m := c.Next(t); m.Subscription != queue {
			t.Errorf("got %+v", m)
		} else {
			c.Ack(m)
		}
		c.Send("/topic/a", "2")
		if m := c.Next(t); m.Subscription != topic {
			t.Errorf("got %+v", m)
		}
		c.Unsubscribe(queue)
		c.Unsubscribe(topic)
		c.Disconnect()
		if got, want := b.took(), "connect, subscribe /queue/a, data /queue/a, ack, unsubscribe, unsubscribe, disconnect"; got != want {
			t.Errorf("the relay took\n%s, want\n%s", got, want)
		}
		if want := []string{"connected", "data /queue/a", "data /topic/a"}; !slices.Equal(out, want) {
			t.Errorf("went out: %q, want %q", out, want)
		}
		if want := []string{
			"connect", "connected", "subscribe /queue/a", "subscribed /queue/a", "subscribe /topic/a", "subscribed /topic/a",
			"unsubscribed /queue/a", "unsubscribed /topic/a", "disconnected",
		}; !slices.Equal(events, want) {
			t.Errorf("told %q, want %q", events, want)
		}
		if stats := n.Stats(); stats.Broker.Sessions+b.Stats().Sessions+stats.Users.Sessions != 0 {
			t.Errorf("left: %+v, %+v", stats, b.Stats())
		}
	})
}

// A client is connected when the last broker has let it in, and not before.
func TestRelayIsWaitedFor(t *testing.T) {
	withRelay(t, func(t *testing.T, n *headrace.Node, b *beside) {
		var done *message.Completion
		b.admit = func(m message.Raw) error {
			m.Done.Hold()
			done = m.Done
			return nil
		}
		connected := make(chan error, 1)
		go func() {
			_, err := messagetest.TryConnect(t, n)
			connected <- err
		}()
		synctest.Wait()
		select {
		case err := <-connected:
			t.Errorf("connected before the relay let it in: %v", err)
		default:
		}
		if n.Stats().Broker.Sessions != 0 {
			t.Error("the embedded broker has answered")
		}
		done.Release(nil)
		if err := <-connected; err != nil {
			t.Error(err)
		}
	})
}

func TestRelayThatRefuses(t *testing.T) {
	away := message.Errorf(message.CodeUnavailable, "away")
	for name, admit := range map[string]func(m message.Raw) error{
		"at once": func(message.Raw) error { return away },
		"later": func(m message.Raw) error {
			m.Done.Hold()
			m.Done.Release(away)
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			withRelay(t, func(t *testing.T, n *headrace.Node, b *beside) {
				b.admit = admit
				if _, err := messagetest.TryConnect(t, n); message.Public(err) == nil || message.Public(err).Code != message.CodeUnavailable {
					t.Errorf("told %v", err)
				}
				synctest.Wait()
				if stats := n.Stats(); stats.Broker.Sessions+stats.Users.Sessions+b.Stats().Sessions != 0 {
					t.Errorf("left: %+v", stats)
				}
			})
		})
	}
}

// A relay may have everything: replies go there as well, and users' own destinations.
// A session that goes while a relay lets it in leaves nothing, also when the relay's word
// comes behind its end.
func TestRelayOfASessionThatHasGone(t *testing.T) {
	withRelay(t, func(t *testing.T, n *headrace.Node, b *beside) {
		var held *message.Completion
		b.admit = func(m message.Raw) error {
			held = m.Done
			held.Hold()
			return nil
		}
		s := message.NewSession(new(nowhere), message.SessionInfo{})
		send := func(k message.Kind) {
			done := message.NewCompletion(message.Handled, func(error) {})
			done.Release(n.Handle(t.Context(), message.Raw{Kind: k, Session: s, Done: done}))
			synctest.Wait()
		}
		send(message.KindConnect)
		s.Close(nil)
		send(message.KindDisconnect)
		held.Release(nil)
		synctest.Wait()
		if st := n.Stats(); st.Broker.Sessions != 0 || st.Users.Sessions != 0 || b.Memory.Stats().Sessions != 0 {
			t.Errorf("left: %d at the broker, %d of users, %d at the relay", st.Broker.Sessions, st.Users.Sessions, b.Memory.Stats().Sessions)
		}
	})
}

// nowhere is the sink of a session that has none.
type nowhere struct{}

func (*nowhere) Deliver(context.Context, message.Raw) error { return nil }
func (*nowhere) Close(error)                                {}

func TestRelayOfEverything(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := new(beside)
		n := headrace.New(headrace.Config{Relays: []headrace.Relay{relayTo(b, "/topic", "/queue", "/user")}})
		defer n.Close()
		handler.Handle(n.Router, "/echo", func(_ context.Context, s string) (string, error) { return s, nil })
		c := messagetest.Connect(t, n)
		c.Subscribe("/topic/echo")
		c.Send("/app/echo", "x")
		if m := c.Next(t); string(m.Payload) != "x" {
			t.Errorf("got %+v", m)
		}
		c.Subscribe("/user/queue/a")
		if err := n.Template.SendToUser(t.Context(), "ada", "/queue/a", "x"); err != nil {
			t.Error(err)
		}
		if got, want := b.took(), "connect, subscribe /topic/echo, data /topic/echo, subscribe /user/queue/a, data /user/ada/queue/a"; got != want {
			t.Errorf("the relay took\n%s, want\n%s", got, want)
		}
		if err := n.Shutdown(t.Context()); err != nil || !b.shutdown {
			t.Errorf("%v; the relay was asked to finish: %t", err, b.shutdown)
		}
		if err := b.Memory.Handle(t.Context(), message.Raw{Destination: "/topic/a"}); message.Public(err).Code != message.CodeUnavailable {
			t.Errorf("the relay is open: %v", err)
		}
	})
}

// What a transaction sends to a relay is one there, which ends as the client says.
func TestRelayTransactions(t *testing.T) {
	for _, end := range []message.Kind{message.KindCommit, message.KindAbort} {
		withRelay(t, func(t *testing.T, n *headrace.Node, b *beside) {
			c := messagetest.Connect(t, n)
			c.Subscribe("/topic/a")
			tx := func(m message.Raw) error {
				m.Header = message.NewHeader(message.Field{Name: message.HeaderTransaction, Value: "t"})
				return c.Try(m)
			}
			if err := tx(message.Raw{Destination: "/queue/a"}); message.Public(err) == nil || message.Public(err).Code != message.CodeNotFound {
				t.Errorf("before BEGIN: %v", err)
			}
			for _, m := range []message.Raw{{Kind: message.KindBegin}, {Destination: "/queue/a"}, {Destination: "/topic/a"}, {Destination: "/queue/b"}, {Kind: end}} {
				if err := tx(m); err != nil {
					t.Errorf("%s %s: %v", m.Kind, m.Destination, err)
				}
			}
			if got, want := b.took(), "connect, begin  t, data /queue/a t, data /queue/b t, "+end.String()+"  t"; got != want {
				t.Errorf("the relay took\n%s, want\n%s", got, want)
			}
			if end == message.KindCommit {
				c.Next(t)
			}
			c.Refute(t)
		})
	}
}

// A transaction that the embedded broker refuses takes effect at no relay.
func TestRelayTransactionThatIsRefused(t *testing.T) {
	withRelay(t, func(t *testing.T, n *headrace.Node, b *beside) {
		c := messagetest.Connect(t, n)
		var err error
		for _, m := range []message.Raw{{Kind: message.KindBegin}, {Destination: "/nowhere"}, {Destination: "/queue/a"}, {Kind: message.KindCommit}} {
			m.Header = message.NewHeader(message.Field{Name: message.HeaderTransaction, Value: "t"})
			err = c.Try(m)
		}
		if message.Public(err) == nil || message.Public(err).Code != message.CodeNotFound {
			t.Errorf("COMMIT is told %v", err)
		}
		if got, want := b.took(), "connect, begin  t, data /queue/a t, abort  t"; got != want {
			t.Errorf("the relay took\n%s, want\n%s", got, want)
		}
	})
}

// A transaction of which a relay refuses a part takes effect nowhere.
func TestRelayRefusesAPart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := new(beside)
		r := relayTo(b, "/queue")
		r.Sending = []message.RawInterceptor{interceptor.Around(func(ctx context.Context, m message.Raw, next message.RawHandler) error {
			switch m.Destination {
			case "/queue/full":
				return message.Errorf(message.CodeFull, "too much waits")
			case "/queue/none":
				return message.ErrDropped
			case "/queue/mad":
				panic("mad")
			}
			return next.Handle(ctx, m)
		})}
		n := headrace.New(headrace.Config{Relays: []headrace.Relay{r}})
		defer n.Close()
		c := messagetest.Connect(t, n)
		c.Subscribe("/topic/a")
		transact := func(destinations ...string) (last error) {
			all := []message.Raw{{Kind: message.KindBegin}}
			for _, d := range destinations {
				all = append(all, message.Raw{Destination: d})
			}
			for _, m := range append(all, message.Raw{Kind: message.KindCommit}) {
				m.Header = message.NewHeader(message.Field{Name: message.HeaderTransaction, Value: "t"})
				last = c.Try(m)
			}
			return last
		}
		for _, refused := range []string{"/queue/full", "/queue/mad"} {
			if err := transact("/topic/a", "/queue/a", refused); message.Public(err) == nil || message.Public(err).Code != message.CodeNotFound {
				t.Errorf("COMMIT is told %v behind %s", err, refused)
			}
			c.Refute(t)
		}
		if err := transact("/topic/a", "/queue/a", "/queue/none"); err != nil {
			t.Errorf("without what was dropped: COMMIT is told %v", err)
		}
		c.Next(t)
		if got, want := b.took(), "connect, begin  t, data /queue/a t, abort  t, begin  t, data /queue/a t, abort  t, begin  t, data /queue/a t, commit  t"; got != want {
			t.Errorf("the relay took\n%s, want\n%s", got, want)
		}
	})
}

// What a relay refuses to commit leaves nothing open there.
func TestRelayLeavesNoTransactionOpen(t *testing.T) {
	withRelay(t, func(t *testing.T, n *headrace.Node, b *beside) {
		c := messagetest.Connect(t, n)
		b.mu.Lock()
		b.admit = func(message.Raw) error { return message.Errorf(message.CodeFull, "too much waits") }
		b.mu.Unlock()
		var err error
		for _, m := range []message.Raw{{Kind: message.KindBegin}, {Destination: "/queue/a"}, {Kind: message.KindCommit}} {
			m.Header = message.NewHeader(message.Field{Name: message.HeaderTransaction, Value: "t"})
			err = c.Try(m)
		}
		if message.Public(err) == nil || message.Public(err).Code != message.CodeFull {
			t.Errorf("COMMIT is told %v", err)
		}
		if got, want := b.took(), "connect, begin  t, data /queue/a t, commit  t, abort  t"; got != want {
			t.Errorf("the relay took\n%s, want\n%s", got, want)
		}
	})
}

func TestRelayPrefixes(t *testing.T) {
	for name, tt := range map[string]struct {
		config headrace.Config
		want   string
	}{
		"with those of the broker":  {headrace.Config{BrokerPrefixes: []string{"/topic"}, Relays: []headrace.Relay{relayTo(new(beside), "/topic")}}, "/topic and /topic overlap"},
		"below those of the broker": {headrace.Config{BrokerPrefixes: []string{"/topic"}, Relays: []headrace.Relay{relayTo(new(beside), "/topic/a")}}, "/topic/a and /topic overlap"},
		"with the application's":    {headrace.Config{Relays: []headrace.Relay{relayTo(new(beside), "/app")}}, "/app and /app overlap"},
		"with each other's":         {headrace.Config{Relays: []headrace.Relay{relayTo(new(beside), "/a"), relayTo(new(beside), "/a/b")}}, "/a/b and /a overlap"},
		"below the users'":          {headrace.Config{Relays: []headrace.Relay{relayTo(new(beside), "/user/a")}}, "/user/a and /user overlap"},
		"none":                      {headrace.Config{Relays: []headrace.Relay{relayTo(new(beside), "/topic", "/")}}, "leaves nothing for the others"},
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if text, _ := recover().(string); !strings.Contains(text, tt.want) {
					t.Errorf("panicked with %q, want %q", text, tt.want)
				}
			}()
			headrace.New(tt.config).Close()
		})
	}
}
