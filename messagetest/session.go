package messagetest

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/headrace/headrace/message"
)

var errRefused = message.Errorf(message.CodeDenied, "refused by the suite")

// endings ends sessions in every way: all of them end for the application with
// one KindDisconnect, after everything else.
func endings(t *testing.T, f factory) {
	for name, end := range map[string]func(s *site, p peer){
		"disconnect":    func(s *site, p peer) { p.must(p.Disconnect("bye")); p.wantReceipts("bye"); p.wantEnd() },
		"cut":           func(s *site, p peer) { p.Cut() },
		"session close": func(s *site, p peer) { s.messages()[0].Session.Close(nil); p.wantEnd() },
		"session close with a reason": func(s *site, p peer) {
			s.messages()[0].Session.Close(errRefused)
			if r := p.want(ReceivedError); !strings.Contains(r.Text, errRefused.Message) {
				t.Errorf("the client is told %q", r.Text)
			}
			p.wantEnd()
		},
		"shutdown": func(s *site, p peer) {
			shutdown(s)
			p.wantEnd()
		},
		"close": func(s *site, p peer) { s.end(); p.wantEnd() },
		"two at once": func(s *site, p peer) {
			p.must(p.Disconnect(""))
			s.messages()[0].Session.Close(errRefused)
			p.Cut()
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := f.serve(t, func(ctx context.Context, m message.Raw) error {
				if m.Kind == message.KindDisconnect {
					select {
					case <-m.Session.Done():
					default:
						t.Error("Session.Done is open at KindDisconnect")
					}
				}
				return accept(ctx, m)
			})
			p := s.connect()
			p.send("/a", "r")
			p.wantReceipts("r")
			end(s, p)
			s.eventually("the session ended", func() bool { return len(s.of(message.KindDisconnect)) > 0 })
			session := s.messages()[0].Session
			if err := session.Deliver(t.Context(), message.Raw{Destination: "/a", Subscription: "1"}); err == nil {
				t.Error("a session that has ended takes deliveries")
			}
			for _, m := range s.messages() {
				if m.Session != session {
					t.Errorf("%s is of another session", m.Kind)
				}
			}
			s.wantKinds("connect data disconnect")
		})
	}
}

// shutdown drains within the suite's patience. The clients need not answer.
func shutdown(s *site) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := s.Shutdown(ctx); err != nil {
		s.t.Errorf("Shutdown: %v", err)
	}
}

// refusedConnect vetoes the connection, at once and later: the client is told,
// and nothing that it sent along reaches the application.
func refusedConnect(t *testing.T, f factory) {
	t.Run("at once", func(t *testing.T) {
		s := f.serve(t, func(_ context.Context, m message.Raw) error {
			if m.Kind == message.KindConnect {
				return errRefused
			}
			return nil
		})
		wantRefused(s, func() {})
	})
	t.Run("later", func(t *testing.T) {
		connects := make(chan message.Raw, 1)
		s := f.serve(t, func(_ context.Context, m message.Raw) error {
			if m.Kind == message.KindConnect {
				m.Done.Hold()
				connects <- m
			}
			return nil
		})
		wantRefused(s, func() { (<-connects).Done.Release(errRefused) })
	})
}

func wantRefused(s *site, decide func()) {
	s.t.Helper()
	p := s.dial()
	p.must(p.Connect(message.Header{}))
	p.Send("/a", message.Header{}, nil, "r") // an error means that the refusal was faster
	decide()
	if r := p.want(ReceivedError); !strings.Contains(r.Text, errRefused.Message) {
		s.t.Errorf("the client is told %q", r.Text)
	}
	p.wantEnd()
	s.wantKinds("connect disconnect")
}

// lostConnect ends the connection before the application has decided.
func lostConnect(t *testing.T, f factory) {
	for name, end := range map[string]func(s *site, p peer){
		"session close": func(s *site, p peer) { s.messages()[0].Session.Close(nil); p.wantEnd() },
		"shutdown":      func(s *site, p peer) { shutdown(s); p.wantEnd() },
		"close":         func(s *site, p peer) { p.Cut(); s.end() },
	} {
		t.Run(name, func(t *testing.T) {
			s := f.serve(t, func(_ context.Context, m message.Raw) error {
				if m.Kind == message.KindConnect {
					m.Done.Hold()
				}
				return nil
			})
			p := s.dial()
			p.must(p.Connect(message.Header{}))
			p.send("/a", "r")
			s.eventually("KindConnect", func() bool { return len(s.messages()) > 0 })
			end(s, p)
			s.eventually("the session ended", func() bool { return len(s.of(message.KindDisconnect)) > 0 })
			m := s.messages()[0]
			if err := m.Session.Deliver(t.Context(), message.Raw{Kind: message.KindConnected}); err == nil {
				t.Error("a session that has ended can be connected")
			}
			m.Done.Release(nil)
			s.wantKinds("connect disconnect")
		})
	}
}

// heldUntilConnected lets a client send before it is connected.
func heldUntilConnected(t *testing.T, f factory) {
	connects := make(chan message.Raw, 1)
	var answered, early atomic.Bool
	s := f.serve(t, func(ctx context.Context, m message.Raw) error {
		switch {
		case m.Kind == message.KindConnect && m.Header.Get("wait") != "":
			m.Done.Hold()
			connects <- m
			return nil
		case m.Destination == "/held" && !answered.Load():
			early.Store(true)
		}
		return accept(ctx, m)
	})
	p := s.dial()
	p.must(p.Connect(header("wait", "yes")))
	var receipts []string
	for i := range 20 {
		receipts = append(receipts, fmt.Sprint(i))
		p.send("/held", receipts[i])
	}
	m := <-connects
	if err := m.Session.Deliver(t.Context(), message.Raw{Destination: "/a", Subscription: "1"}); err == nil {
		t.Error("a session that is not connected takes deliveries")
	}
	other := s.connect() // time for the adapter to do it wrong
	other.send("/other", "r")
	other.wantReceipts("r")
	answered.Store(true)
	p.must(m.Session.Deliver(t.Context(), message.Raw{Kind: message.KindConnected}))
	m.Done.Release(nil)
	p.send("/late", "last")
	p.want(ReceivedConnected)
	p.wantReceipts(append(receipts, "last")...)
	if early.Load() {
		t.Error("the application was sent a message before it answered KindConnect")
	}
}
