package relay_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/messagetest"
	"github.com/headrace/headrace/stompadapter/frame"
	"github.com/headrace/headrace/stompadapter/relay"
)

func TestConnectHeaders(t *testing.T) {
	for name, tt := range map[string]struct {
		config         relay.Config
		system, client map[string]string
		own            []messagetest.ClientOption
	}{
		"defaults": {
			relay.Config{},
			map[string]string{"login": "guest", "passcode": "guest", "host": "", "heart-beat": "10000,10000", "accept-version": "1.0,1.1,1.2"},
			map[string]string{"login": "guest", "passcode": "guest", "host": "", "heart-beat": "10000,10000"},
			nil,
		},
		"virtual host": {
			relay.Config{VirtualHost: "ABC"},
			map[string]string{"host": "ABC"},
			map[string]string{"host": "ABC"},
			[]messagetest.ClientOption{messagetest.ConnectHeader("host", "mine")},
		},
		"logins": {
			relay.Config{SystemLogin: "sys", SystemPasscode: "syspass", ClientLogin: "cli", ClientPasscode: "clipass"},
			map[string]string{"login": "sys", "passcode": "syspass"},
			map[string]string{"login": "cli", "passcode": "clipass"},
			[]messagetest.ClientOption{messagetest.ConnectHeader("login", "ada"), messagetest.ConnectHeader("passcode", "secret"), messagetest.ConnectHeader("x", "y")},
		},
		"own logins": {
			relay.Config{ForwardCredentials: true},
			map[string]string{"login": "guest", "passcode": "guest"},
			map[string]string{"login": "ada", "passcode": "secret"},
			[]messagetest.ClientOption{messagetest.ConnectHeader("login", "ada"), messagetest.ConnectHeader("passcode", "secret")},
		},
		"half a login": {
			relay.Config{ForwardCredentials: true},
			nil,
			map[string]string{"login": "guest", "passcode": "guest"},
			[]messagetest.ClientOption{messagetest.ConnectHeader("login", "ada")},
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, tt.config, func(s *site) {
				s.connect(tt.own...)
				for n, want := range []map[string]string{tt.system, tt.client} {
					h := s.fake.peer(n).got(frame.Connect)[0].Header
					for name, value := range want {
						if got, ok := h.Lookup(name); got != value || ok != (value != "") {
							t.Errorf("connection %d: %s is %q, want %q", n, name, got, value)
						}
					}
					if _, ok := h.Lookup("x"); ok {
						t.Errorf("connection %d: a client's header is passed on", n)
					}
				}
			})
		})
	}
}

// The system connection is tried again every 5 s at most, for ever, at the address that is
// asked for each time.
func TestReconnects(t *testing.T) {
	var asked atomic.Int64
	bubble(t, relay.Config{Resolve: func(context.Context) (string, error) {
		n := asked.Add(1)
		if n%3 == 0 {
			return "", errors.New("no address")
		}
		return fmt.Sprint("broker-", n), nil
	}}, func(s *site) {
		if got := s.events.availability(); got != "available" {
			t.Errorf("told %q", got)
		}
		s.fake.stop()
		const hours = 2
		pass(hours * time.Hour)
		if n, least, most := asked.Load(), int64(hours*3600/5), int64(hours*3600/2+1); n < least || n > most {
			t.Errorf("%d attempts in %d h, want %d to %d", n, hours, least, most)
		}
		if s.fake.addrs[1] != "broker-2" || s.fake.addrs[2] != "broker-4" {
			t.Errorf("dialed %q", s.fake.addrs[:3])
		}
		if got := s.events.availability(); got != "available unavailable" {
			t.Errorf("told %q", got)
		}
		if s.Stats().Available {
			t.Error("available")
		}
		s.fake.start()
		pass(10 * time.Second) // two attempts: one in three has no address
		if got := s.events.availability(); got != "available unavailable available" {
			t.Errorf("told %q", got)
		}
		if stats := s.Stats(); !stats.Available || stats.Reconnects != 1 || stats.Connections != 2 {
			t.Errorf("%+v", stats)
		}
	})
}

// A relay that is closed says that it goes to those who listen, and does not take it for a
// failure of the broker.
func TestCloseIsNoFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		b, events := &fake{t: t}, &events{}
		r := relay.New(message.HandlerFunc[[]byte](deliver), relay.Config{
			Dial: b.dial, Events: events, Logger: slog.New(slog.NewTextHandler(&log, nil)),
		})
		synctest.Wait()
		r.Close()
		if got := events.availability(); got != "available unavailable" {
			t.Errorf("told %q", got)
		}
		if strings.Contains(log.String(), "level=WARN") {
			t.Errorf("logged %s", log.String())
		}
	})
}

func TestHeartbeats(t *testing.T) {
	bubble(t, relay.Config{}, func(s *site) {
		c := s.connect()
		pass(time.Hour)
		for n := range 2 {
			p := s.fake.peer(n)
			p.mu.Lock()
			if p.beats < 360 || p.beats > 420 {
				t.Errorf("connection %d: %d beats in an hour", n, p.beats)
			}
			p.mu.Unlock()
		}
		s.fake.set(func(b *fake) { b.silent = true })
		pass(21 * time.Second)
		if err := c.Session().Reason(); !errors.Is(err, relay.ErrAway) {
			t.Errorf("the session of a broker that is silent ended with %v", err)
		}
		if got := s.events.availability(); got != "available unavailable" && got != "available unavailable available" {
			t.Errorf("told %q", got)
		}
	})
}

// What was not confirmed is sent again, once each, in its order and with its id; what was
// confirmed is not.
func TestUnconfirmedIsSentAgain(t *testing.T) {
	bubble(t, relay.Config{}, func(s *site) {
		s.want("confirmed", s.do(text("/topic/a", "0")), nil)
		s.fake.set(func(b *fake) { b.answer = func(*peer, frame.Frame) {} })
		var pending []func() error
		for i := range 100 {
			pending = append(pending, s.do(text("/topic/a", fmt.Sprint(i+1))))
		}
		s.want("unconfirmed", pending[0], errPending)
		s.fake.stop()
		synctest.Wait()
		s.want("after the broker has ended", pending[0], errPending)
		s.want("while the broker is away", s.do(text("/topic/a", "late")), relay.ErrAway)
		s.fake.set(func(b *fake) { b.answer, b.down = nil, nil })
		pass(5 * time.Second)
		for _, p := range pending {
			s.want("sent again", p, nil)
		}
		first, second := s.fake.peer(0).got(frame.Send)[1:], s.fake.peer(1).got(frame.Send)
		if len(second) != 100 {
			t.Fatalf("%d sent again, want 100", len(second))
		}
		for i, f := range second {
			id := f.Header.Get("hr-id")
			if string(f.Body) != fmt.Sprint(i+1) || id == "" || id != first[i].Header.Get("hr-id") || f.Header.Get("persistent") != "true" {
				t.Fatalf("sent again as number %d: %v %s, before %v", i, f.Header, f.Body, first[i].Header)
			}
		}
		if stats := s.Stats(); stats.Sent != 101 || stats.Resent != 100 || stats.Waiting != 0 || stats.WaitingBytes != 0 {
			t.Errorf("%+v", stats)
		}
	})
}

// One message that the broker refuses, without a word which, costs no other.
func TestRefusedMessageIsFound(t *testing.T) {
	for _, named := range []bool{true, false} {
		t.Run(fmt.Sprint("named ", named), func(t *testing.T) {
			bubble(t, relay.Config{}, func(s *site) {
				s.fake.set(func(b *fake) {
					b.answer = func(p *peer, f frame.Frame) {
						switch {
						case f.Header.Get(frame.HeaderDestination) != "/nowhere":
							time.Sleep(time.Millisecond)
							p.confirm(f)
							return
						case named:
							p.say("ERROR\nmessage:secret\nreceipt-id:" + f.Header.Get("receipt") + "\n\n\x00")
						default:
							p.say("ERROR\nmessage:secret\n\n\x00")
						}
						p.conn.Close()
					}
				})
				var others []func() error
				for i := range 10 {
					others = append(others, s.do(text("/topic/a", fmt.Sprint(i))))
				}
				bad := s.do(text("/nowhere", "bad"))
				for i := range 10 {
					others = append(others, s.do(text("/topic/a", fmt.Sprint(i))))
				}
				pass(time.Minute)
				err := bad()
				if told := message.Public(err); err == nil || told.Code != message.CodeInvalid || told.Message != "the message broker refused the SEND frame" {
					t.Errorf("the refused one is told %v", err)
				}
				for i, o := range others {
					s.want(fmt.Sprint("another one ", i), o, nil)
				}
				if stats := s.Stats(); stats.Refused != 1 || stats.Sent != 20 {
					t.Errorf("%+v", stats)
				}
			})
		})
	}
}

// Nobody who sends waits longer than he said.
func TestWindow(t *testing.T) {
	for name, tt := range map[string]struct {
		config relay.Config
		bytes  int
	}{
		"frames": {relay.Config{WindowFrames: 2}, 1},
		"bytes":  {relay.Config{WindowBytes: 3000}, 1000},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, tt.config, func(s *site) {
				s.fake.set(func(b *fake) { b.answer = func(*peer, frame.Frame) {} })
				m := message.Raw{Destination: "/topic/a", Payload: make([]byte, tt.bytes)}
				s.do(m)
				s.do(m)
				began := time.Now()
				if err := s.Handle(s.t.Context(), m); message.Public(err).Code != message.CodeFull {
					t.Errorf("over the bound: %v", err)
				}
				if waited := time.Since(began); waited != 10*time.Second {
					t.Errorf("waited %v", waited)
				}
				ctx, cancel := context.WithTimeout(s.t.Context(), time.Second)
				defer cancel()
				began = time.Now()
				if err := s.Handle(ctx, m); message.Public(err).Code != message.CodeFull || !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != time.Second {
					t.Errorf("over the bound: %v after %v", err, time.Since(began))
				}
				sends := s.fake.peer(0).got(frame.Send)
				time.AfterFunc(time.Second, func() { s.fake.peer(0).confirm(sends[0]) })
				if err := s.Handle(s.t.Context(), m); err != nil {
					t.Errorf("with room: %v", err)
				}
			})
		})
	}
	bubble(t, relay.Config{WindowBytes: 3000}, func(s *site) {
		if err := s.Handle(s.t.Context(), message.Raw{Destination: "/topic/a", Payload: make([]byte, 4000)}); message.Public(err).Code != message.CodeTooLarge {
			t.Errorf("larger than the bound: %v", err)
		}
	})
}

// A sender's deadline holds for the broker's word as well.
func TestDeadlineOfTheSender(t *testing.T) {
	bubble(t, relay.Config{}, func(s *site) {
		s.fake.set(func(b *fake) { b.answer = func(*peer, frame.Frame) {} })
		ctx, cancel := context.WithTimeout(s.t.Context(), 3*time.Second)
		defer cancel()
		told := make(chan error, 1)
		m := text("/topic/a", "x")
		m.Done = message.NewCompletion(message.Stored, func(err error) { told <- err })
		m.Done.Release(s.Handle(ctx, m))
		began := time.Now()
		err := <-told
		if time.Since(began) != 3*time.Second || message.Public(err).Code != message.CodeTimeout || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("told %v after %v", err, time.Since(began))
		}
		if n := s.Stats().Waiting; n != 1 {
			t.Errorf("%d wait, want 1: the message may be sent again", n)
		}
	})
}

// Subscriptions of the application are made on each connection; one that is refused costs
// the others nothing.
func TestSystemSubscriptions(t *testing.T) {
	got := make(chan message.Raw, 10)
	take := message.HandlerFunc[[]byte](func(_ context.Context, m message.Raw) error {
		got <- m
		if string(m.Payload) == "panic" {
			panic("the test does")
		}
		return nil
	})
	bubble(t, relay.Config{Subscriptions: map[string]message.RawHandler{"/topic/a": take, "/topic/b": take, "/nowhere": take}}, func(s *site) {
		s.fake.stop()
		s.fake.set(func(b *fake) {
			b.down = nil
			b.answer = func(p *peer, f frame.Frame) {
				if f.Header.Get(frame.HeaderDestination) == "/nowhere" {
					p.say("ERROR\nmessage:no\n\n\x00")
					p.conn.Close()
					return
				}
				time.Sleep(time.Millisecond)
				p.confirm(f)
			}
		})
		pass(time.Minute)
		if n := s.fake.opened(); n != 4 {
			t.Errorf("%d connections until the one that is refused was found, want 4", n)
		}
		last := s.fake.peer(s.fake.opened() - 1)
		subs := last.got(frame.Subscribe)
		if len(subs) != 2 || len(s.fake.peer(0).got(frame.Subscribe)) != 3 {
			t.Fatalf("%d subscriptions were made on the last connection, want 2", len(subs))
		}
		for _, body := range []string{"panic", "x"} {
			last.say("MESSAGE\nsubscription:" + subs[0].Header.Get("id") + "\nmessage-id:1\ndestination:/topic/a\nx:y\n\n" + body + "\x00")
			synctest.Wait()
			m := <-got
			if m.Session != nil || m.Destination != "/topic/a" || string(m.Payload) != body || m.Header.Get("x") != "y" {
				t.Errorf("got %+v", m)
			}
		}
	})
}

func TestShutdownWaitsForTheBroker(t *testing.T) {
	bubble(t, relay.Config{}, func(s *site) {
		s.fake.set(func(b *fake) {
			b.answer = func(p *peer, f frame.Frame) { time.AfterFunc(time.Second, func() { p.confirm(f) }) }
		})
		told := s.do(text("/topic/a", "x"))
		began := time.Now()
		if err := s.Shutdown(s.t.Context()); err != nil || time.Since(began) < time.Second {
			t.Errorf("%v after %v", err, time.Since(began))
		}
		s.want("what was sent before", told, nil)
		if err := s.Handle(s.t.Context(), text("/topic/a", "y")); message.Public(err).Code != message.CodeUnavailable {
			t.Errorf("afterwards: %v", err)
		}
		if got := s.events.availability(); got != "available unavailable" {
			t.Errorf("told %q", got)
		}
	})
	bubble(t, relay.Config{}, func(s *site) {
		s.fake.set(func(b *fake) { b.answer = func(*peer, frame.Frame) {} })
		told := s.do(text("/topic/a", "x"))
		ctx, cancel := context.WithTimeout(s.t.Context(), time.Second)
		defer cancel()
		if err := s.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a broker that does not answer: %v", err)
		}
		if err := told(); message.Public(err).Code != message.CodeUnavailable {
			t.Errorf("what was sent before is told %v", err)
		}
		if n := s.Stats().Lost; n != 1 {
			t.Errorf("%d are counted as lost", n)
		}
	})
}

// What a client sent before it went is sent on, however slow the broker is about it.
func TestShutdownWaitsForGoodbyes(t *testing.T) {
	bubble(t, relay.Config{}, func(s *site) {
		c := s.connect()
		s.fake.set(func(b *fake) {
			b.answer = func(p *peer, f frame.Frame) {
				time.Sleep(10 * time.Millisecond)
				p.confirm(f)
			}
		})
		const sent = 100
		for range sent {
			s.do(message.Raw{Session: c.Session(), Destination: "/topic/a"})
		}
		s.do(message.Raw{Kind: message.KindDisconnect, Session: c.Session()})
		if err := s.Shutdown(s.t.Context()); err != nil {
			t.Error(err)
		}
		if n := len(s.fake.peer(1).got(frame.Send)); n != sent {
			t.Errorf("%d came, want %d", n, sent)
		}
	})
}

// hasty is a client that sends something and goes in the moment that it is connected.
type hasty struct {
	sink
	does func()
}

func (h *hasty) Deliver(_ context.Context, m message.Raw) error {
	if m.Kind == message.KindConnected {
		h.does()
	}
	return nil
}

// What it sends is sent on as well.
func TestGoodbyeAtOnce(t *testing.T) {
	bubble(t, relay.Config{}, func(s *site) {
		client := &hasty{}
		session := message.NewSession(client, message.SessionInfo{})
		var sent, left func() error
		client.does = func() {
			sent = s.do(message.Raw{Session: session, Destination: "/topic/a"})
			left = s.do(message.Raw{Kind: message.KindDisconnect, Session: session})
		}
		s.want("connect", s.do(message.Raw{Kind: message.KindConnect, Session: session}), nil)
		pass(time.Second)
		s.want("send", sent, nil)
		s.want("goodbye", left, nil)
		if n := len(s.fake.peer(1).got(frame.Send)); n != 1 {
			t.Errorf("%d came, want 1", n)
		}
	})
}

// What was written and what was not yet keep their order over a loss.
func TestOrderOverALoss(t *testing.T) {
	bubble(t, relay.Config{}, func(s *site) {
		stuck := make(chan struct{})
		s.fake.set(func(b *fake) { b.answer = func(*peer, frame.Frame) { <-stuck } })
		var want []string
		for i := range 20 {
			s.do(text("/topic/a", fmt.Sprint(i)))
			synctest.Wait() // so that the first ones are written, and the others wait
			want = append(want, fmt.Sprint(i))
		}
		s.fake.set(func(b *fake) { b.answer = nil })
		s.fake.stop()
		close(stuck)
		s.fake.start()
		pass(5 * time.Second)
		if got := s.fake.peer(1).bodies(); got != strings.Join(want, " ") {
			t.Errorf("came %s", got)
		}
	})
}
