package stompadapter_test

import (
	"context"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/headrace/headrace/interceptor"
	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/stompadapter"
	"github.com/headrace/headrace/stompadapter/frame"
	"github.com/headrace/headrace/transport"
	"github.com/headrace/headrace/transport/auth"
)

// A live session ends with its token, to the second that the token says, and nothing
// is delivered to it from then on.
func TestSec_S44_ExpiryClosesTheSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := guard()
		defer g.Close()
		s := serve(t, &inbound{on: g.Handle}, stompadapter.Config{
			Heartbeat: stompadapter.HeartbeatConfig{Send: -1, Receive: -1},
			WebSocket: transport.WebSocketConfig{IdleTimeout: -1},
		})
		start := time.Now()
		c := s.dial()
		c.send(connectWith(tokenOf("ann", time.Minute)) + "SUBSCRIBE\nid:1\ndestination:/topic/a\n\n\x00" + send("/topic/a", "r"))
		if f := c.want(frame.Connected); f.Header.Get("user-name") != "ann" {
			t.Errorf("user-name %q", f.Header.Get("user-name"))
		}
		publish := func() {
			g.Memory.Handle(t.Context(), message.Raw{Destination: "/topic/a", Payload: []byte("tick")})
		}
		c.want(frame.Message)
		c.receipts(1)
		time.Sleep(time.Minute - 1)
		publish()
		c.want(frame.Message)
		time.Sleep(time.Nanosecond)
		publish() // races with the timer, as it may
		f := c.wantError("the credentials have expired")
		if took := time.Since(start); took != time.Minute || f.Header.Get("code") != "unauthenticated" {
			t.Errorf("closed with code %s after %v", f.Header.Get("code"), took)
		}
		s.adapter.Close()
		if asked, delivered := g.counts(); asked != 2 || delivered != 2 {
			t.Errorf("%d requests and %d deliveries, want 2", asked, delivered)
		}
	})
}

// Who a session belongs to is settled by its login: no frame changes it, and the names
// that clients choose, that of a SockJS session among them, are nobody.
func TestSec_S44_LoginFixesTheUser(t *testing.T) {
	everywhere(t, func(t *testing.T, dial func(*fortress, http.Header) attacker) {
		g := guard()
		defer g.Close()
		f := fortify(t, g, g.config())
		a := dial(f, nil)
		a.Write([]byte(connectWith(tokenOf("ann", time.Hour)) +
			"SEND\ndestination:/topic/a\nlogin:bob\nauthorization:Bearer " + tokenOf("bob", time.Hour) + "\nuser-name:bob\nsession:x\nhr-user:bob\n\n\x00" +
			connectWith(tokenOf("bob", time.Hour))))
		got := a.rest()
		a.Close()
		f.Close()
		if strings.Count(got, "CONNECTED\n") != 1 || !strings.Contains(got, "user-name:ann\n") || !strings.Contains(got, "begun already") {
			t.Errorf("the client got %q", got)
		}
		g.application.mu.Lock()
		defer g.application.mu.Unlock()
		if len(g.asked) != 1 {
			t.Fatalf("%d requests", len(g.asked))
		}
		m := g.asked[0]
		if m.Session.User().Name() != "ann" || strings.Contains(m.Session.ID(), "polled") || strings.Contains(m.Session.ID(), "framed") {
			t.Errorf("session %s of %v", m.Session.ID(), m.Session.User())
		}
		for name := range m.Header.All() {
			if name == "login" || name == "authorization" || strings.HasPrefix(name, message.ReservedPrefix) {
				t.Errorf("the header %s is let through", name)
			}
		}
	})
}

// Whoever is refused, and whoever is not: the token is in no answer, no message to
// others and no line of the log.
func TestSec_S12_TokensStayIn(t *testing.T) {
	good := tokenOf("ann", time.Hour)
	parts := strings.Split(good, ".")
	for name, token := range map[string]string{
		"nonsense": "canary.canary.canary",
		"forged":   parts[0] + "." + parts[1] + ".canarycanary",
		"header":   "canary." + parts[1] + "." + parts[2],
		"expired":  tokenOf("canary", -time.Hour),
		"large":    strings.Repeat("canary", 600),
		"taken":    good,
	} {
		t.Run(name, func(t *testing.T) {
			everywhere(t, func(t *testing.T, dial func(*fortress, http.Header) attacker) {
				g := guard()
				defer g.Close()
				f := fortify(t, g, g.config())
				a := dial(f, nil)
				a.Write([]byte("CONNECT\naccept-version:1.2\nlogin:canary\npasscode:canary\nauthorization:Bearer " + token + "\n\n\x00" +
					"SUBSCRIBE\nid:1\ndestination:/topic/a\n\n\x00" +
					"SEND\ndestination:/topic/a\nAuthorization:Bearer " + token + "\npasscode:canary\n\n\x00" +
					"DISCONNECT\nreceipt:bye\n\n\x00"))
				got := a.rest()
				a.Close()
				f.Close()
				if taken := strings.Contains(got, "MESSAGE\n"); taken != (name == "taken") || !taken && !strings.Contains(got, "code:unauthenticated") {
					t.Errorf("the client got %q", got)
				}
				all := got + f.log.String()
				for _, secret := range append(strings.Split(token, "."), "canary") {
					if len(secret) > 5 && strings.Contains(all, secret) {
						t.Errorf("%.40q is in %q, or the log:\n%s", secret, got, f.log)
					}
				}
			})
		})
	}
}

// The HTTP session of the browser is touched for as long as the socket is open, and
// its end is the socket's.
func TestSec_S44_LogoutClosesTheSession(t *testing.T) {
	for name, dial := range entrances {
		if name == "tcp" { // which has no cookies
			continue
		}
		t.Run(name, func(t *testing.T) {
			var touched atomic.Int32
			logins := func(_ context.Context, id string) (message.Principal, error) {
				if id != "4f2a" {
					return nil, nil
				}
				return message.User("ann"), nil
			}
			keepAlive := interceptor.KeepAlive(interceptor.KeepAliveConfig{
				Every: time.Millisecond,
				Touch: func(_ context.Context, s *message.Session) error {
					if id, _ := s.Attribute("sid"); id != "4f2a" {
						t.Errorf("the session remembers %v", id)
					}
					if touched.Add(1) == 3 {
						return message.Errorf(message.CodeUnauthenticated, "you have logged out")
					}
					return nil
				},
			})
			in := new(inbound)
			f := fortify(t, keepAlive(in), stompadapter.Config{Transport: transport.Config{Handshake: transport.Handshake{
				Principal: auth.Cookie("sid", logins),
				Hooks:     []func(*http.Request, map[string]any) error{auth.Remember("sid")},
			}}})
			a := dial(f, http.Header{"Cookie": {"sid=4f2a"}})
			a.Write([]byte(connect12))
			got := a.rest()
			a.Close()
			f.Close()
			if !strings.Contains(got, "user-name:ann\n") || !strings.Contains(got, "you have logged out") {
				t.Errorf("the client got %q", got)
			}
			if n := touched.Load(); n != 3 || in.kinds() != "connect disconnect" {
				t.Errorf("touched %d times, inbound saw %s", n, in.kinds())
			}
		})
	}
}
