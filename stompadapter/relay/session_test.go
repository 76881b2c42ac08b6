package relay_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/messagetest"
	"github.com/headrace/headrace/stompadapter/frame"
	"github.com/headrace/headrace/stompadapter/relay"
)

// push lets the broker send a message to a subscription.
func (p *peer) push(subscription, body string, fields ...string) {
	head := append([]string{"MESSAGE", "subscription:" + subscription, "message-id:m-" + body, "destination:/topic/a"}, fields...)
	p.say(strings.Join(head, "\n") + "\n\n" + body + "\x00")
}

// A MESSAGE goes to the session, the user and the subscription that it is for, and what
// only the server may say is not taken from it.
func TestDeliveriesAreTheSessionsOwn(t *testing.T) {
	bubble(t, relay.Config{}, func(s *site) {
		ada, bob := s.connect(messagetest.User("ada")), s.connect(messagetest.User("bob"))
		sub := ada.Subscribe("/topic/a")
		other := bob.Subscribe("/topic/b")
		s.fake.peer(1).push(sub, "x", "colour:red", "hr-ack:forged", "hr-offset:1", "content-type:text/plain")
		m := ada.Next(s.t)
		if m.Session.User().Name() != "ada" || m.Subscription != sub || m.Destination != "/topic/a" || string(m.Payload) != "x" {
			t.Errorf("got %+v", m)
		}
		want := map[string]string{"message-id": "m-x", "colour": "red", "content-type": "text/plain"}
		for name, value := range m.Header.All() {
			if want[name] != value {
				t.Errorf("the header %s is %q", name, value)
			}
		}
		s.fake.peer(1).push("no such subscription", "y")
		s.fake.peer(2).push(other, "z")
		if m := bob.Next(s.t); string(m.Payload) != "z" {
			t.Errorf("got %+v", m)
		}
		ada.Refute(s.t)
	})
}

func TestConnectWhileTheBrokerIsAway(t *testing.T) {
	bubble(t, relay.Config{}, func(s *site) {
		s.fake.stop()
		synctest.Wait()
		dialed := len(s.fake.addrs)
		began := time.Now()
		_, err := messagetest.TryConnect(s.t, s)
		if told := message.Public(err); told == nil || told.Code != message.CodeUnavailable || !strings.Contains(told.Message, "try again") {
			t.Errorf("told %v", err)
		}
		if time.Since(began) > 0 || len(s.fake.addrs) > dialed {
			t.Error("it was dialed for")
		}
	})
}

// A broker that ends takes its clients' sessions with it; nothing is left of them.
func TestLostConnectionEndsTheSession(t *testing.T) {
	bubble(t, relay.Config{}, func(s *site) {
		c := s.connect()
		s.fake.set(func(b *fake) { b.answer = func(*peer, frame.Frame) {} })
		pending := s.do(message.Raw{Session: c.Session(), Destination: "/topic/a"})
		s.fake.stop()
		s.want("what was not confirmed", pending, relay.ErrAway)
		s.want("what comes later", s.do(message.Raw{Session: c.Session(), Destination: "/topic/a"}), relay.ErrAway)
		if err := c.Session().Reason(); !errors.Is(err, relay.ErrAway) {
			t.Errorf("the session ended with %v", err)
		}
		c.Disconnect()
		if stats := s.Stats(); stats.Sessions != 0 || stats.Open != 0 {
			t.Errorf("%+v", stats)
		}
		s.fake.set(func(b *fake) { b.answer, b.down = nil, nil })
		pass(5 * time.Second)
		if got := s.events.availability(); got != "available unavailable available" {
			t.Errorf("told %q", got)
		}
		s.connect().Subscribe("/topic/a")
	})
}

// One session has one connection, however often it connects.
func TestSec_S05_OneConnectionPerSession(t *testing.T) {
	bubble(t, relay.Config{}, func(s *site) {
		c := s.connect()
		for range 10_000 {
			err := s.Handle(context.Background(), message.Raw{Kind: message.KindConnect, Session: c.Session()})
			if message.Public(err).Code != message.CodeConflict {
				t.Fatalf("connected again: %v", err)
			}
		}
		synctest.Wait()
		if n := s.fake.opened(); n != 2 { // the relay's and the client's
			t.Errorf("%d connections", n)
		}
	})
}

// A login that would be two headers is refused before anything is dialed.
func TestSec_S19_LoginsMakeNoHeaders(t *testing.T) {
	for _, bad := range []string{"a\nadmin:true", "a\radmin:true", "a\x00", "a\r\nb"} {
		bubble(t, relay.Config{ForwardCredentials: true}, func(s *site) {
			for _, fields := range [][2]string{{bad, "x"}, {"x", bad}} {
				_, err := messagetest.TryConnect(s.t, s, messagetest.ConnectHeader("login", fields[0]), messagetest.ConnectHeader("passcode", fields[1]))
				if message.Public(err) == nil || message.Public(err).Code != message.CodeInvalid {
					t.Errorf("%q: %v", fields, err)
				}
			}
			if n := len(s.fake.addrs); n != 1 {
				t.Errorf("%q: %d were dialed", bad, n-1)
			}
		})
		for _, c := range []relay.Config{{SystemLogin: bad}, {SystemPasscode: bad}, {ClientLogin: bad}, {ClientPasscode: bad}, {VirtualHost: bad}} {
			func() {
				defer func() {
					if recover() == nil {
						t.Errorf("New takes %+v", c)
					}
				}()
				relay.New(message.HandlerFunc[[]byte](deliver), c)
			}()
		}
	}
}

// Only so many connections are opened at once, and no call waits for one.
func TestDialsAreBounded(t *testing.T) {
	bubble(t, relay.Config{MaxDials: 3}, func(s *site) {
		var now, most atomic.Int64
		s.fake.set(func(b *fake) {
			b.hello = func(p *peer, f frame.Frame) {
				for n := now.Add(1); n > most.Load(); {
					most.Store(n)
				}
				time.AfterFunc(time.Second, func() {
					now.Add(-1)
					p.say("CONNECTED\nversion:1.2\n\n\x00")
				})
			}
		})
		var all []*message.Session
		began := time.Now()
		for range 10 {
			session := message.NewSession(&sink{}, message.SessionInfo{})
			all = append(all, session)
			if err := s.Handle(context.Background(), message.Raw{Kind: message.KindConnect, Session: session}); err != nil {
				t.Error(err)
			}
		}
		if time.Since(began) > 0 {
			t.Error("Handle waits for connections")
		}
		pass(time.Minute)
		if most.Load() != 3 || s.Stats().Open != 10 {
			t.Errorf("%d at once, want 3; %d are open, want 10", most.Load(), s.Stats().Open)
		}
		for _, session := range all {
			s.want("disconnect", s.do(message.Raw{Kind: message.KindDisconnect, Session: session}), nil)
		}
		pass(goodbyes)
		if stats := s.Stats(); stats.Open != 0 || stats.Sessions != 0 {
			t.Errorf("%+v", stats)
		}
	})
}

const goodbyes = 10 * time.Second

// sink is a client that takes everything.
type sink struct{ taken atomic.Int64 }

func (k *sink) Deliver(context.Context, message.Raw) error { k.taken.Add(1); return nil }
func (k *sink) Close(error)                                {}

// Whatever the broker does at the beginning, a client is told within the time that it has.
func TestBrokersThatDoNotLetIn(t *testing.T) {
	for name, tt := range map[string]struct {
		hello func(p *peer, f frame.Frame)
		code  message.Code
		after time.Duration
	}{
		"wrong credentials": {func(p *peer, _ frame.Frame) {
			p.say("ERROR\nmessage:Bad CONNECT\n\nAccess refused for user 'guest'\x00")
		}, message.CodeUnavailable, 0},
		"silence":            {func(*peer, frame.Frame) {}, message.CodeUnavailable, 10 * time.Second},
		"garbage":            {func(p *peer, _ frame.Frame) { p.say("HTTP/1.1 400 Bad Request\r\n\r\n") }, message.CodeUnavailable, 0},
		"another frame":      {func(p *peer, _ frame.Frame) { p.say("RECEIPT\nreceipt-id:1\n\n\x00") }, message.CodeUnavailable, 0},
		"another version":    {func(p *peer, _ frame.Frame) { p.say("CONNECTED\nversion:7\n\n\x00") }, message.CodeUnavailable, 0},
		"half a frame":       {func(p *peer, _ frame.Frame) { p.say("CONNECTED\nvers"); p.conn.Close() }, message.CodeUnavailable, 0},
		"a frame of 100 MB":  {func(p *peer, _ frame.Frame) { p.say("ERROR\ncontent-length:100000000\n\n") }, message.CodeUnavailable, 0},
		"a head without end": {func(p *peer, _ frame.Frame) { p.say("CONNECTED\nx:" + strings.Repeat("x", 100_000)) }, message.CodeUnavailable, 0},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, relay.Config{}, func(s *site) {
				s.fake.set(func(b *fake) { b.hello = tt.hello })
				session := message.NewSession(&sink{}, message.SessionInfo{})
				told := make(chan error, 1)
				began := time.Now()
				done := message.NewCompletion(message.Handled, func(err error) { told <- err })
				done.Release(s.Handle(context.Background(), message.Raw{Kind: message.KindConnect, Session: session, Done: done}))
				err := <-told
				if public := message.Public(err); err == nil || public.Code != tt.code || strings.Contains(public.Message, "guest") || time.Since(began) != tt.after {
					t.Errorf("told %v after %v", err, time.Since(began))
				}
				if stats := s.Stats(); stats.Sessions != 0 || stats.Open != 0 {
					t.Errorf("%+v", stats)
				}
				s.fake.set(func(b *fake) { b.hello = nil })
				s.connect()
			})
		})
	}
}

// A broker that breaks the protocol in the middle loses its clients, and has them again when
// it is well.
func TestBrokersThatBreak(t *testing.T) {
	for name, say := range map[string]string{
		"garbage":           "\x01\x02\x03\n\n\x00",
		"half a message":    "MESSAGE\nsubscription:sub-1\nmessage-id:1\ndestination:/topic/a\ncontent-length:100\n\nhalf",
		"a client's frame":  "SEND\ndestination:/topic/a\n\n\x00",
		"an error":          "ERROR\nmessage:internal secret\n\nstack trace\x00",
		"a frame of 100 MB": "MESSAGE\nsubscription:sub-1\ncontent-length:100000000\n\n",
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, relay.Config{}, func(s *site) {
				c := s.connect()
				c.Subscribe("/topic/a")
				for n := range 2 {
					s.fake.peer(n).say(say)
					s.fake.peer(n).conn.Close()
				}
				synctest.Wait()
				reason := c.Session().Reason()
				if told := message.Public(reason); told == nil || told.Code != message.CodeUnavailable || strings.Contains(told.Message, "secret") {
					t.Errorf("the session ended with %v", reason)
				}
				pass(10 * time.Second)
				s.want("afterwards", s.do(text("/topic/a", "x")), nil)
				s.connect().Subscribe("/topic/a")
			})
		})
	}
}

// Everything that the broker is to confirm is told when it has, and not before.
func TestReceipts(t *testing.T) {
	bubble(t, relay.Config{}, func(s *site) {
		c := s.connect()
		sub := c.Subscribe("/topic/b", message.Field{Name: "ack", Value: "client"})
		s.fake.peer(1).push(sub, "x", "ack:1")
		m := c.Next(s.t)
		s.fake.set(func(b *fake) { b.answer = func(*peer, frame.Frame) {} })
		var told []func() error
		frames := []message.Raw{
			{Kind: message.KindSubscribe, Subscription: "1", Destination: "/topic/a"},
			{Destination: "/topic/a"},
			{Kind: message.KindAck, Header: message.NewHeader(message.Field{Name: message.HeaderAck, Value: m.Header.Get(message.HeaderAck)})},
			{Kind: message.KindUnsubscribe, Subscription: "1"},
			{Kind: message.KindDisconnect},
		}
		for _, f := range frames {
			f.Session = c.Session()
			told = append(told, s.do(f))
		}
		for i, f := range frames {
			s.want(f.Kind.String()+" before", told[i], errPending)
		}
		p := s.fake.peer(1)
		p.mu.Lock()
		came := p.frames[len(p.frames)-len(frames):]
		p.mu.Unlock()
		for i, f := range frames {
			p.confirm(came[i])
			s.want(f.Kind.String()+" "+string(came[i].Command), told[i], nil)
		}
		if got, want := s.events.kinds(broker.Connect, broker.Connected, broker.Subscribe, broker.Subscribed, broker.Unsubscribed, broker.Disconnected),
			"connect connected subscribe subscribed subscribe disconnected subscribed unsubscribed"; got != want {
			t.Errorf("told %q, want %q", got, want)
		}
	})
}

// What is part of a transaction passes as that, and is answered at once; its end is the
// broker's.
func TestTransactions(t *testing.T) {
	bubble(t, relay.Config{}, func(s *site) {
		c := s.connect()
		sub := c.Subscribe("/topic/b", message.Field{Name: "ack", Value: "client-individual"})
		s.fake.peer(1).push(sub, "x", "ack:1")
		ack := c.Next(s.t).Header.Get(message.HeaderAck)
		tx := message.Field{Name: "transaction", Value: "t"}
		do := func(m message.Raw) func() error {
			m.Session, m.Header = c.Session(), m.Header.With(tx.Name, tx.Value)
			return s.do(m)
		}
		acknowledge := message.Raw{Kind: message.KindAck, Header: message.NewHeader(message.Field{Name: message.HeaderAck, Value: ack})}
		for _, m := range []message.Raw{{Destination: "/topic/a"}, acknowledge, {Kind: message.KindCommit}, {Kind: message.KindAbort}} {
			if err := do(m)(); message.Public(err).Code != message.CodeNotFound {
				t.Errorf("%s without a transaction: %v", m.Kind, err)
			}
		}
		s.want("begin", do(message.Raw{Kind: message.KindBegin}), nil)
		if err := do(message.Raw{Kind: message.KindBegin})(); message.Public(err).Code != message.CodeConflict {
			t.Errorf("begun twice: %v", err)
		}
		s.want("send", do(message.Raw{Destination: "/topic/a"}), nil)
		s.want("ack", do(acknowledge), nil)
		s.want("abort", do(message.Raw{Kind: message.KindAbort}), nil)
		s.want("begin", do(message.Raw{Kind: message.KindBegin}), nil)
		s.want("ack of what was aborted", do(acknowledge), nil)
		s.fake.set(func(b *fake) { b.answer = func(*peer, frame.Frame) {} })
		commit := do(message.Raw{Kind: message.KindCommit})
		s.want("commit, unconfirmed", commit, errPending)
		p := s.fake.peer(1)
		p.confirm(p.got(frame.Commit)[0])
		s.want("commit", commit, nil)
		for _, command := range []frame.Command{frame.Begin, frame.Send, frame.Ack, frame.Abort, frame.Commit} {
			for _, f := range p.got(command) {
				if f.Header.Get("transaction") != "t" {
					t.Errorf("%s of the transaction %q", command, f.Header.Get("transaction"))
				}
			}
		}
	})
}

// A client that does not keep up slows down the broker, and nobody else.
func TestSlowClientHoldsUpItsOwnConnection(t *testing.T) {
	bubble(t, relay.Config{}, func(s *site) {
		slow := &waiter{}
		slow.waiting.Store(1 << 20)
		session := message.NewSession(slow, message.SessionInfo{})
		s.want("connect", s.do(message.Raw{Kind: message.KindConnect, Session: session}), nil)
		s.want("subscribe", s.do(message.Raw{Kind: message.KindSubscribe, Session: session, Subscription: "1", Destination: "/topic/a"}), nil)
		other := s.connect()
		sub := other.Subscribe("/topic/a")
		before := slow.taken.Load()
		go func() {
			for i := range 10 {
				s.fake.peer(1).push("1", fmt.Sprint(i))
			}
		}()
		s.fake.peer(2).push(sub, "x")
		other.Next(s.t)
		pass(time.Second)
		if n := slow.taken.Load() - before; n != 0 {
			t.Errorf("%d were handed to a client that does not keep up", n)
		}
		slow.waiting.Store(0)
		pass(time.Second)
		if n := slow.taken.Load() - before; n != 10 {
			t.Errorf("%d of 10 came", n)
		}
		s.do(message.Raw{Kind: message.KindDisconnect, Session: session})
	})
}

// waiter is a client that says how much waits for it.
type waiter struct {
	sink
	waiting atomic.Int64
}

func (w *waiter) Waiting() int { return int(w.waiting.Load()) }

// A client's frames that wait are bounded.
func TestSessionsAreBounded(t *testing.T) {
	bubble(t, relay.Config{SessionFrames: 10, SendTimeout: time.Second}, func(s *site) {
		c := s.connect()
		s.fake.set(func(b *fake) { b.answer = func(*peer, frame.Frame) {} })
		for range 10 {
			s.do(message.Raw{Session: c.Session(), Destination: "/topic/a"})
		}
		if err := s.do(message.Raw{Session: c.Session(), Destination: "/topic/a"})(); message.Public(err).Code != message.CodeFull {
			t.Errorf("one more: %v", err)
		}
	})
}

// RabbitMQ complains of what was on its way to a subscription that has ended, and goes on.
func TestComplaintIsNoEnd(t *testing.T) {
	bubble(t, relay.Config{}, func(s *site) {
		c := s.connect()
		sub := c.Subscribe("/topic/a")
		c.Unsubscribe(c.Subscribe("/topic/b"))
		s.fake.peer(1).say("ERROR\nmessage:Subscription not found\n\nThere is no current subscription with tag 'T_sub-2'.\x00")
		s.fake.peer(1).push(sub, "x")
		if m := c.Next(s.t); string(m.Payload) != "x" {
			t.Errorf("got %+v", m)
		}
	})
}

// A client that has gone before its connection is there leaves none behind, even if its end
// was told before its beginning.
func TestClientThatHasGone(t *testing.T) {
	bubble(t, relay.Config{}, func(s *site) {
		session := message.NewSession(&sink{}, message.SessionInfo{})
		session.Close(nil)
		s.want("disconnect", s.do(message.Raw{Kind: message.KindDisconnect, Session: session}), nil)
		if err := s.do(message.Raw{Kind: message.KindConnect, Session: session})(); message.Public(err) == nil {
			t.Errorf("connected: %v", err)
		}
		if stats := s.Stats(); stats.Sessions != 0 || stats.Open != 0 || s.events.kinds(broker.Connected) != "" {
			t.Errorf("left: %+v", stats)
		}
	})
}
