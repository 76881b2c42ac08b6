package handler_test

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/headrace/headrace/handler"
	"github.com/headrace/headrace/message"
)

// feed is a session with what it was sent, and the broker of its stream.
type feed struct {
	broker
	session *message.Session
	// subscribed is what the broker does with the subscription. Nil stores it.
	subscribed func(m message.Raw) error

	mu    sync.Mutex
	first string // the destination of what came first
	got   []string
}

func newFeed(c handler.Config) (*feed, *handler.Router) {
	f := new(feed)
	f.session = message.NewSession(f, message.SessionInfo{})
	if c.Outbound == nil {
		c.Outbound = message.HandlerFunc[[]byte](func(ctx context.Context, m message.Raw) error { return m.Session.Deliver(ctx, m) })
	}
	return f, handler.NewRouter(f, c)
}

// Handle is the broker's.
func (f *feed) Handle(ctx context.Context, m message.Raw) error {
	if m.Kind == message.KindUnsubscribe && ctx.Err() != nil {
		return ctx.Err() // whoever waits for room, as channels do
	}
	m.Payload = []byte(m.Kind.String() + " " + m.Subscription)
	_ = f.broker.Handle(ctx, m)
	if m.Kind == message.KindSubscribe && f.subscribed != nil {
		return f.subscribed(m)
	}
	m.Done.Reached(message.Stored)
	return nil
}

// Deliver notes what the client is sent.
func (f *feed) Deliver(_ context.Context, m message.Raw) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.got) == 0 {
		f.first = m.Destination
	}
	f.got = append(f.got, m.Subscription+":"+string(m.Payload))
	return nil
}

func (f *feed) Close(error) {}

func (f *feed) seen() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return strings.Join(f.got, " ")
}

// publish delivers updates of the stream as the broker does.
func (f *feed) publish(payloads ...string) (err error) {
	for _, p := range payloads {
		err = f.session.Deliver(context.Background(), message.Raw{Destination: "/topic/news", Subscription: "sub-1", Payload: []byte(p)})
	}
	return err
}

func TestLiveSnapshotComesFirst(t *testing.T) {
	f, r := newFeed(handler.Config{})
	handler.OnSubscribe(r, "/rooms/{room}", func(_ context.Context, req handler.Request[struct{}]) (string, error) {
		f.publish("1", "2")
		return req.PathValue("room"), nil
	}, handler.Live("/topic/rooms.{room}"))
	mustHandle(t, subscribe(r, f.session, "/app/rooms/blue"))
	f.publish("3")
	expect(t, "at the broker", f.lines(), "/topic/rooms.blue subscribe sub-1")
	expect(t, "at the client", f.seen(), "sub-1:blue sub-1:1 sub-1:2 sub-1:3")
	expect(t, "described", r.Describe()[0].Stream, "/topic/rooms.{room}")
}

// TestLiveWaitsForTheBroker: one that takes its time has the subscription before
// the snapshot is taken, and what it sends at once is not lost.
func TestLiveWaitsForTheBroker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, r := newFeed(handler.Config{})
		store := make(chan struct{})
		f.subscribed = func(m message.Raw) error {
			m.Done.Hold()
			go func() {
				<-store
				m.Done.Reached(message.Stored)
			}()
			return nil
		}
		handler.OnSubscribe(r, "/news", func(context.Context, struct{}) (string, error) { return "snapshot", nil }, handler.Live("/topic/news"))
		done := make(chan error)
		go func() { done <- subscribe(r, f.session, "/app/news") }()
		synctest.Wait()
		f.publish("1")
		expect(t, "before it is stored", f.seen(), "")
		close(store)
		mustHandle(t, <-done)
		expect(t, "in the end", f.seen(), "sub-1:snapshot sub-1:1")
	})
}

// TestLiveWaitsForTheDelivery: the way to the clients may be another goroutine's.
func TestLiveWaitsForTheDelivery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		deliver := make(chan struct{})
		f, r := newFeed(handler.Config{Outbound: message.HandlerFunc[[]byte](func(ctx context.Context, m message.Raw) error {
			m.Done.Hold()
			m.Done.Reached(message.Accepted)
			go func() {
				<-deliver
				m.Done.Release(m.Session.Deliver(ctx, m))
			}()
			return nil
		})})
		handler.OnSubscribe(r, "/news", func(context.Context, struct{}) (string, error) { return "snapshot", nil }, handler.Live("/topic/news"))
		done := make(chan error)
		go func() { done <- subscribe(r, f.session, "/app/news") }()
		synctest.Wait()
		f.publish("1")
		close(deliver)
		mustHandle(t, <-done)
		expect(t, "in the end", f.seen(), "sub-1:snapshot sub-1:1")
	})
}

// TestLiveEndsWithErrors: whatever fails, nothing of the subscription is left, and
// the sender learns why.
func TestLiveEndsWithErrors(t *testing.T) {
	const asked, undone = "/topic/news subscribe sub-1", "/topic/news subscribe sub-1\n/topic/news unsubscribe sub-1"
	full := strings.Repeat("x", 1<<16)
	for name, c := range map[string]struct {
		outbound   message.RawHandler
		subscribed func(message.Raw) error
		snapshot   func(f *feed) (string, error)
		code       message.Code
		broker     string
	}{
		"the broker refuses": {
			subscribed: func(message.Raw) error { return message.Errorf(message.CodeFull, "enough") },
			code:       message.CodeFull,
			broker:     asked,
		},
		"the broker refuses later": {
			subscribed: func(m message.Raw) error {
				m.Done.Hold()
				go m.Done.Release(message.Errorf(message.CodeDenied, "no"))
				return nil
			},
			code:   message.CodeDenied,
			broker: asked,
		},
		"the endpoint fails":  {snapshot: func(*feed) (string, error) { return "", errBoom }, code: message.CodeInternal, broker: undone},
		"the endpoint panics": {snapshot: func(*feed) (string, error) { panic("boom") }, code: message.CodeInternal, broker: undone},
		"too much is held": {
			snapshot: func(f *feed) (string, error) {
				return "", f.publish(full, full, full, full, full, full, full, full)
			},
			code:   message.CodeFull,
			broker: undone,
		},
		"too much was held": {
			snapshot: func(f *feed) (string, error) {
				_ = f.publish(full, full, full, full, full, full, full, full)
				return "snapshot", nil
			},
			code:   message.CodeFull,
			broker: undone,
		},
		"the delivery fails": {
			outbound: message.HandlerFunc[[]byte](func(context.Context, message.Raw) error { return message.ErrDropped }),
			code:     message.CodeDropped,
			broker:   undone,
		},
	} {
		t.Run(name, func(t *testing.T) {
			f, r := newFeed(handler.Config{Outbound: c.outbound})
			f.subscribed = c.subscribed
			handler.OnSubscribe(r, "/news", func(context.Context, struct{}) (string, error) {
				if c.snapshot != nil {
					return c.snapshot(f)
				}
				return "snapshot", nil
			}, handler.Live("/topic/news"))
			expect(t, "code", code(subscribe(r, f.session, "/app/news")), c.code)
			expect(t, "at the broker", f.lines(), c.broker)
			expect(t, "at the client", f.seen(), "")
			f.publish("later") // of another subscription: nothing holds it
			expect(t, "later", f.seen(), "sub-1:later")
		})
	}
}

// TestLiveLeavesAnOlderSubscription: when the broker refuses, what came meanwhile
// was for one that has the same id already, and loses nothing.
func TestLiveLeavesAnOlderSubscription(t *testing.T) {
	f, r := newFeed(handler.Config{})
	f.subscribed = func(message.Raw) error {
		f.publish("1", "2")
		return message.Errorf(message.CodeConflict, "there is one")
	}
	handler.OnSubscribe(r, "/news", func(context.Context, struct{}) (string, error) { return "snapshot", nil }, handler.Live("/topic/news"))
	expect(t, "code", code(subscribe(r, f.session, "/app/news")), message.CodeConflict)
	f.publish("3")
	expect(t, "at the broker", f.lines(), "/topic/news subscribe sub-1")
	expect(t, "at the client", f.seen(), "sub-1:1 sub-1:2 sub-1:3")
}

// TestLiveEndsWithTheGoroutine: an endpoint that ends it, as t.FailNow does, leaves
// no subscription behind either.
func TestLiveEndsWithTheGoroutine(t *testing.T) {
	f, r := newFeed(handler.Config{})
	handler.OnSubscribe(r, "/news", func(context.Context, struct{}) (string, error) {
		runtime.Goexit()
		return "", nil
	}, handler.Live("/topic/news"))
	var ended sync.WaitGroup
	ended.Go(func() { _ = subscribe(r, f.session, "/app/news") })
	ended.Wait()
	expect(t, "at the broker", f.lines(), "/topic/news subscribe sub-1\n/topic/news unsubscribe sub-1")
}

// TestLiveGivesUp: nobody waits for a broker that does not answer when the session
// or the context has ended.
func TestLiveGivesUp(t *testing.T) {
	for name, c := range map[string]struct {
		end    func(f *feed, cancel func())
		code   message.Code
		broker string
	}{
		"session": {func(f *feed, _ func()) { f.session.Close(nil) }, message.CodeUnavailable, "/topic/news subscribe sub-1"},
		"context": {func(_ *feed, cancel func()) { cancel() }, message.CodeInternal, "/topic/news subscribe sub-1\n/topic/news unsubscribe sub-1"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f, r := newFeed(handler.Config{})
				f.subscribed = func(m message.Raw) error { m.Done.Hold(); return nil }
				handler.OnSubscribe(r, "/news", func(context.Context, struct{}) (string, error) { return "snapshot", nil }, handler.Live("/topic/news"))
				ctx, cancel := context.WithCancel(t.Context())
				done := make(chan error)
				go func() {
					done <- r.Handle(ctx, message.Raw{Kind: message.KindSubscribe, Destination: "/app/news", Subscription: "sub-1", Session: f.session})
				}()
				synctest.Wait()
				c.end(f, cancel)
				expect(t, "code", code(<-done), c.code)
				expect(t, "at the broker", f.lines(), c.broker)
				expect(t, "at the client", f.seen(), "")
				cancel()
			})
		})
	}
}

// TestLiveWithoutASnapshot begins with what comes when the endpoint is done.
func TestLiveWithoutASnapshot(t *testing.T) {
	f, r := newFeed(handler.Config{})
	handler.OnSubscribe(r, "/news", func(context.Context, struct{}) (string, error) {
		f.publish("1")
		return "", handler.ErrNoReply
	}, handler.Live("/topic/news"))
	mustHandle(t, subscribe(r, f.session, "/app/news"))
	f.publish("2")
	expect(t, "at the broker", f.lines(), "/topic/news subscribe sub-1")
	expect(t, "at the client", f.seen(), "sub-1:2")
}

type version struct{ V int }

func TestLiveNewer(t *testing.T) {
	newer := func(snapshot, update version) bool { return update.V > snapshot.V }
	updates := []string{`{"V":6}`, `{"V":7}`, `{"V":8}`, `{"V":"what?"}`}
	want := `sub-1:{"V":7} sub-1:{"V":8} sub-1:{"V":"what?"}`
	t.Run("payloads", func(t *testing.T) {
		f, r := newFeed(handler.Config{})
		handler.OnSubscribe(r, "/news", func(context.Context, struct{}) (version, error) {
			return version{7}, f.publish(updates...)
		}, handler.Live("/topic/news", handler.Newer(newer)))
		mustHandle(t, subscribe(r, f.session, "/app/news"))
		expect(t, "at the client", f.seen(), want)
	})
	t.Run("a Reply", func(t *testing.T) {
		f, r := newFeed(handler.Config{})
		handler.OnSubscribe(r, "/news", func(context.Context, struct{}) (handler.Reply[version], error) {
			return handler.Reply[version]{Payload: version{7}, Destination: "/topic/elsewhere"}, f.publish(updates...)
		}, handler.Live("/topic/news", handler.Newer(newer)))
		mustHandle(t, subscribe(r, f.session, "/app/news"))
		expect(t, "at the client", f.seen(), want)
		expect(t, "the snapshot's destination", f.first, "/app/news")
	})
	t.Run("bytes and messages", func(t *testing.T) {
		f, r := newFeed(handler.Config{})
		handler.OnSubscribe(r, "/news", func(context.Context, struct{}) ([]byte, error) {
			return []byte("7"), f.publish("6", "7", "8")
		}, handler.Live("/topic/news", handler.Newer(func(snapshot []byte, update message.Raw) bool {
			return update.Destination != "/topic/news" || string(update.Payload) > string(snapshot)
		})))
		mustHandle(t, subscribe(r, f.session, "/app/news"))
		expect(t, "at the client", f.seen(), "sub-1:7 sub-1:8")
	})
}

// TestLiveRefusesWildcards: who may see one room does not see them all.
func TestLiveRefusesWildcards(t *testing.T) {
	f, r := newFeed(handler.Config{})
	handler.OnSubscribe(r, "/rooms/{room}", func(context.Context, struct{}) (string, error) { return "snapshot", nil }, handler.Live("/topic/{room}/*"))
	for _, room := range []string{"*", "**", "b?ue", "{x}", "{x:.*}", "#", "blue.#", ">", "blue.>"} {
		err := subscribe(r, f.session, "/app/rooms/"+room)
		expect(t, room, code(err), message.CodeInvalid)
	}
	expect(t, "without a session", code(subscribe(r, nil, "/app/rooms/blue")), message.CodeInternal)
	expect(t, "at the broker", f.lines(), "")
	mustHandle(t, subscribe(r, f.session, "/app/rooms/blue"))
	expect(t, "the program's own", f.lines(), "/topic/blue/* subscribe sub-1")
}

func TestLiveWiringMistakes(t *testing.T) {
	_, r := newFeed(handler.Config{})
	without, _ := newRouter(handler.Config{})
	f := func(context.Context, struct{}) (int, error) { return 0, nil }
	for want, wire := range map[string]func(){
		"needs a SendTo, or a router with an Outbound":      func() { handler.OnSubscribe(without, "/a", f, handler.Live("/topic/a")) },
		"is to begin a stream and to be answered elsewhere": func() { handler.OnSubscribe(r, "/b", f, handler.Live("/topic/b"), handler.SendTo("/topic/x")) },
		"the pattern has no variable {x}":                   func() { handler.OnSubscribe(r, "/c", f, handler.Live("/topic/{x}")) },
		"compares with snapshots of type string, and the endpoint at": func() {
			handler.OnSubscribe(r, "/d", f, handler.Live("/topic/d", handler.Newer(func(string, int) bool { return true })))
		},
		"nil function at": func() { handler.Newer[int, int](nil) },
	} {
		if text := panicOf(t, wire); !strings.Contains(text, want) || !strings.Contains(text, "live_test.go:") {
			t.Errorf("panics with %q, want %q", text, want)
		}
	}
}

// TestLiveResumesByItsSnapshot: where the subscriber was before is not the broker's
// business.
func TestLiveResumesByItsSnapshot(t *testing.T) {
	f, r := newFeed(handler.Config{})
	var asked message.Header
	f.subscribed = func(m message.Raw) error {
		asked = m.Header
		m.Done.Reached(message.Stored)
		return nil
	}
	handler.OnSubscribe(r, "/a", func(context.Context, struct{}) (string, error) { return "x", nil }, handler.Live("/topic/a"))
	own := message.Header{}.With(message.HeaderAckMode, "client")
	m := message.Raw{Kind: message.KindSubscribe, Destination: "/app/a", Subscription: "1", Session: f.session}
	m.Header = own.With(message.HeaderOffset, "7").With(message.HeaderEpoch, "e")
	mustHandle(t, r.Handle(t.Context(), m))
	expect(t, "header", fmt.Sprint(asked), fmt.Sprint(own))
}
