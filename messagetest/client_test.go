package messagetest_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/channel"
	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/messagetest"
)

// hall is an application by hand: /topic is the broker's, the rest is handled
// as on says.
func hall(t *testing.T, on func(context.Context, message.Raw) error) (inbound message.RawHandler, outbound *channel.DirectChannel[[]byte]) {
	outbound = new(channel.DirectChannel[[]byte])
	channel.SubscribeFunc(outbound, func(ctx context.Context, m message.Raw) error {
		return m.Session.Deliver(ctx, m)
	})
	memory := broker.NewMemory(outbound, broker.Config{})
	return message.HandlerFunc[[]byte](func(ctx context.Context, m message.Raw) error {
		if on != nil {
			if err := on(ctx, m); err != nil {
				return err
			}
		}
		return memory.Handle(ctx, m)
	}), outbound
}

func TestClient(t *testing.T) {
	inbound, _ := hall(t, nil)
	kim := messagetest.Connect(t, inbound, messagetest.User("kim"), messagetest.Attribute("tenant", "acme"))
	lee := messagetest.Connect(t, inbound)
	id := kim.Subscribe("/topic/news")

	lee.Send("/topic/news", struct{ Title string }{"rain"})
	m := kim.Next(t)
	if m.Subscription != id || m.Destination != "/topic/news" || m.Header.Get(message.HeaderContentType) != "application/json" {
		t.Errorf("got %+v", m)
	}
	if got := messagetest.Payload[struct{ Title string }](t, m); got.Title != "rain" {
		t.Errorf("got %+v", got)
	}
	if user := kim.Session().User(); user == nil || user.Name() != "kim" {
		t.Errorf("user is %v", user)
	}
	if tenant, _ := kim.Session().Attribute("tenant"); tenant != "acme" {
		t.Errorf("tenant is %v", tenant)
	}
	lee.Refute(t)

	kim.Unsubscribe(id)
	lee.Send("/topic/news", "dry")
	kim.Refute(t)
}

func TestClientIsToldWhatAClientIsTold(t *testing.T) {
	inbound, _ := hall(t, func(_ context.Context, m message.Raw) error {
		switch {
		case m.Header.Get("token") == "bad":
			return message.Errorf(message.CodeUnauthenticated, "who are you?")
		case m.Destination == "/topic/secret":
			return errors.New("the password of the database is 1234")
		}
		return nil
	})
	if _, err := messagetest.TryConnect(t, inbound, messagetest.ConnectHeader("token", "bad")); code(err) != message.CodeUnauthenticated {
		t.Errorf("connect: %v", err)
	}
	c := messagetest.Connect(t, inbound)
	if err := c.TrySend("/topic/secret", "x"); code(err) != message.CodeInternal {
		t.Errorf("send: %v", err)
	}
	if _, err := c.TrySubscribe("/topic/secret"); code(err) != message.CodeInternal {
		t.Errorf("subscribe: %v", err)
	}
}

func code(err error) message.Code {
	if e, ok := errors.AsType[*message.Error](err); ok {
		return e.Code
	}
	return ""
}

func TestClientSaysGoodbyeOnce(t *testing.T) {
	goodbyes := 0
	inbound, _ := hall(t, func(_ context.Context, m message.Raw) error {
		if m.Kind == message.KindDisconnect {
			goodbyes++
		}
		return nil
	})
	t.Run("by hand", func(t *testing.T) {
		c := messagetest.Connect(t, inbound)
		c.Disconnect()
		c.Disconnect()
	})
	t.Run("with the test", func(t *testing.T) { messagetest.Connect(t, inbound) })
	if goodbyes != 2 {
		t.Errorf("%d disconnects of 2 sessions", goodbyes)
	}
}

func TestClientWaitsInVirtualTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var inbound message.RawHandler
		inbound, _ = hall(t, func(ctx context.Context, m message.Raw) error {
			if m.Destination == "/topic/later" {
				go func() {
					time.Sleep(time.Second)
					inbound.Handle(ctx, message.Raw{Destination: "/topic/news", Payload: []byte("late")})
				}()
			}
			return nil
		})
		c := messagetest.Connect(t, inbound)
		c.Subscribe("/topic/news")
		start := time.Now()
		c.Send("/topic/later", "")
		c.Refute(t)
		if m := c.Next(t); string(m.Payload) != "late" {
			t.Errorf("got %q", m.Payload)
		}
		if took := time.Since(start); took != time.Second {
			t.Errorf("took %v", took)
		}
	})
}

// fails reports whether f fails the test that it is given.
func fails(f func(t testing.TB)) bool {
	p := &probe{}
	done := make(chan struct{})
	go func() {
		defer close(done)
		f(p)
		for _, cleanup := range p.cleanups {
			cleanup()
		}
	}()
	<-done
	return p.failed
}

// probe is a test that may fail.
type probe struct {
	testing.TB
	failed   bool
	cleanups []func()
}

func (p *probe) Helper()               {}
func (p *probe) Cleanup(f func())      { p.cleanups = append(p.cleanups, f) }
func (p *probe) Errorf(string, ...any) { p.failed = true }

func (p *probe) Fatalf(string, ...any) {
	p.failed = true
	panic(p)
}

func fatal(f func(t testing.TB)) func(t testing.TB) {
	return func(t testing.TB) {
		defer func() { _ = recover() }()
		f(t)
	}
}

func TestClientFailsTheTest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inbound, _ := hall(t, func(_ context.Context, m message.Raw) error {
			if m.Destination == "/topic/refused" {
				return message.ErrDropped
			}
			return nil
		})
		c := messagetest.Connect(t, inbound)
		c.Subscribe("/topic/news")
		for name, f := range map[string]func(t testing.TB){
			"nothing comes":     func(t testing.TB) { c.Next(t) },
			"something came":    func(t testing.TB) { c.Send("/topic/news", "x"); c.Refute(t) },
			"refused send":      func(t testing.TB) { messagetest.Connect(t, inbound).Send("/topic/refused", "x") },
			"refused subscribe": func(t testing.TB) { messagetest.Connect(t, inbound).Subscribe("/topic/refused") },
			"not its type": func(t testing.TB) {
				messagetest.Payload[int](t, message.Raw{Payload: []byte("x")})
			},
		} {
			if !fails(fatal(f)) {
				t.Errorf("%s: the test passed", name)
			}
		}
		if fails(func(t testing.TB) { c.Refute(t) }) {
			t.Error("nothing came, and the test failed")
		}
	})
}

// logged notes what a test logs.
type logged struct {
	testing.TB
	lines []string
}

func (l *logged) Logf(format string, args ...any) {
	l.lines = append(l.lines, fmt.Sprintf(format, args...))
}

// TestClientLogsTheCause: a test sees what the client is not told.
func TestClientLogsTheCause(t *testing.T) {
	inbound, _ := hall(t, func(_ context.Context, m message.Raw) error {
		switch m.Destination {
		case "/topic/broken":
			return errors.New("the disk is full")
		case "/topic/denied":
			return message.Errorf(message.CodeDenied, "no")
		}
		return nil
	})
	log := &logged{TB: t}
	c := messagetest.Connect(log, inbound)
	for _, destination := range []string{"/topic/broken", "/topic/denied", "/topic/fine"} {
		_ = c.TrySend(destination, "x")
	}
	if len(log.lines) != 1 || !strings.Contains(log.lines[0], "the disk is full") {
		t.Errorf("logged %q", log.lines)
	}
}

// TestRefuteTwiceAtOnce: a bubble has room for one that waits; the other fails
// instead of looking too early.
func TestRefuteTwiceAtOnce(t *testing.T) {
	inbound, _ := hall(t, nil)
	synctest.Test(t, func(t *testing.T) {
		c := messagetest.Connect(t, inbound)
		var waiting sync.WaitGroup
		var failed atomic.Int32
		for range 2 {
			waiting.Go(func() {
				defer func() {
					if recover() != nil {
						failed.Add(1)
					}
				}()
				c.Refute(t)
			})
		}
		waiting.Wait()
		if failed.Load() != 1 {
			t.Errorf("%d failed", failed.Load())
		}
	})
}

func TestFrozen(t *testing.T) {
	change := func(t testing.TB, when func(m message.Raw)) {
		ch := new(channel.DirectChannel[[]byte])
		channel.SubscribeFunc(ch, func(_ context.Context, m message.Raw) error { when(m); return nil })
		ch.Intercept(messagetest.Frozen(t))
		ch.Handle(context.Background(), message.Raw{Payload: []byte("ice")})
	}
	if fails(func(t testing.TB) { change(t, func(message.Raw) {}) }) {
		t.Error("nobody changed anything")
	}
	if !fails(func(t testing.TB) { change(t, func(m message.Raw) { m.Payload[0] = 'm' }) }) {
		t.Error("a handler changed the payload")
	}
	if !fails(func(t testing.TB) {
		var kept message.Raw
		change(t, func(m message.Raw) { kept = m })
		kept.Payload[0] = 'm'
	}) {
		t.Error("a handler changed the payload afterwards")
	}
	if !fails(func(t testing.TB) {
		var kept message.Raw
		change(t, func(m message.Raw) { m.Payload[0], kept = 'm', m })
		kept.Payload[0] = 'i'
	}) {
		t.Error("a handler changed the payload for a while")
	}
}

func TestRecord(t *testing.T) {
	inbound, outbound := hall(t, nil)
	recording := messagetest.Record(t, outbound)
	c := messagetest.Connect(t, inbound)
	c.Subscribe("/topic/news")
	c.Send("/topic/news", "one")
	if m := recording.Next(t); m.Kind != message.KindConnected {
		t.Errorf("first is %v", m.Kind)
	}
	if m := recording.Next(t); string(m.Payload) != "one" {
		t.Errorf("second is %+v", m)
	}
	if n := len(recording.All()); n != 2 {
		t.Errorf("%d messages", n)
	}

	var ended *messagetest.Recording[[]byte]
	t.Run("of a test that has ended", func(t *testing.T) { ended = messagetest.Record(t, outbound) })
	c.Send("/topic/news", "two")
	if n := len(ended.All()); n != 0 {
		t.Errorf("%d messages after the end of the test", n)
	}
}

// TestClientDisconnectWaits: what happens when a client goes has happened when
// Disconnect returns, also on another goroutine.
func TestClientDisconnectWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var left atomic.Bool
		inbound, _ := hall(t, func(_ context.Context, m message.Raw) error {
			if m.Kind != message.KindDisconnect {
				return nil
			}
			m.Done.Hold()
			go func() {
				time.Sleep(time.Second)
				left.Store(true)
				m.Done.Release(nil)
			}()
			return nil
		})
		messagetest.Connect(t, inbound).Disconnect()
		if !left.Load() {
			t.Error("Disconnect returned before it was handled")
		}
	})
}
