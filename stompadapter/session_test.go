package stompadapter_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/stompadapter"
	"github.com/headrace/headrace/stompadapter/frame"
	"github.com/headrace/headrace/transport"
)

func TestConversation(t *testing.T) {
	in := new(inbound)
	s := serve(t, in, stompadapter.Config{Server: "mill/1.0"}, true)
	c := s.dial("v12.stomp")
	if got := c.ws.Subprotocol(); got != "v12.stomp" {
		t.Errorf("subprotocol %q", got)
	}
	c.send("STOMP\naccept-version:1.1,1.2\nhost:h\nlogin:anna\npasscode:secret\nheart-beat:0,0\nhr-x:1\n\n\x00")
	connected := c.want(frame.Connected)
	connect := in.only(t, message.KindConnect)
	for name, want := range map[string]string{
		"version": "1.2", "server": "mill/1.0", "heart-beat": "10000,10000", "session": connect.Session.ID(),
	} {
		if got := connected.Header.Get(name); got != want {
			t.Errorf("CONNECTED has %s %q, want %q", name, got, want)
		}
	}
	if h := connect.Header; h.Get("login") != "anna" || h.Get("passcode") != "secret" || h.Get("host") != "h" || h.Len() != 3 {
		t.Errorf("KindConnect has %v", h)
	}

	c.send("SUBSCRIBE\nid:s1\ndestination:/topic/a\nselector:x > 1\nreceipt:r1\n\n\x00" +
		"SEND\ndestination:/app/b\ncontent-type:text/plain\ncolour:blue\nmessage-id:forged\nsubscription:forged\nack:forged\nhr-user:forged\npasscode:secret\nreceipt:r2\ntransaction:t\ncontent-length:3\n\na\x00b\x00" +
		"UNSUBSCRIBE\nid:s1\nreceipt:r3\n\n\x00" +
		"DISCONNECT\nreceipt:r4\n\n\x00" + "SEND\ndestination:/ignored\n\n\x00")
	if got := c.receipts(4); !slices.Equal(got, []string{"r1", "r2", "r3", "r4"}) {
		t.Errorf("receipts %v", got)
	}
	c.wantClosed(1000)
	s.adapter.Close()

	if got, want := in.kinds(), "connect subscribe data unsubscribe disconnect"; got != want {
		t.Errorf("inbound saw %q, want %q", got, want)
	}
	if m := in.only(t, message.KindSubscribe); m.Destination != "/topic/a" || m.Subscription != "s1" || m.Header.Get("selector") != "x > 1" || m.Header.Len() != 1 {
		t.Errorf("subscribe %+v", m)
	}
	if m := in.only(t, message.KindUnsubscribe); m.Subscription != "s1" {
		t.Errorf("unsubscribe %+v", m)
	}
	m := in.only(t, message.KindData)
	if m.Destination != "/app/b" || string(m.Payload) != "a\x00b" || m.Session != connect.Session {
		t.Errorf("data %+v", m)
	}
	if h := m.Header; h.Get("content-type") != "text/plain" || h.Get("colour") != "blue" || h.Get("transaction") != "t" || h.Len() != 3 {
		t.Errorf("data has %v", h)
	}
	if reason := connect.Session.Reason(); reason != nil {
		t.Errorf("reason %v of an orderly end", reason)
	}
	if s.log.String() != "" {
		t.Errorf("an orderly session logged %s", s.log)
	}
}

func TestNegotiation(t *testing.T) {
	for _, tt := range []struct{ name, connect, version, beats string }{
		{"1.2", "accept-version:1.0,1.2,1.1\n", "1.2", "10000,10000"},
		{"1.1", "accept-version:1.1\n", "1.1", "10000,10000"},
		{"1.0 by list", "accept-version:1.0\n", "1.0", ""},
		{"1.0 without a list", "heart-beat:broken\n", "1.0", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := serve(t, new(inbound), stompadapter.Config{})
			c := s.dial("v99.stomp")
			c.send("CONNECT\n" + tt.connect + "\n\x00")
			f := c.want(frame.Connected)
			if f.Header.Get("version") != tt.version || f.Header.Get("heart-beat") != tt.beats {
				t.Errorf("CONNECTED %v", f.Header)
			}
		})
	}
}

func TestSubprotocol(t *testing.T) {
	s := serve(t, new(inbound), stompadapter.Config{})
	for want, offered := range map[string][]string{
		"v12.stomp": {"v10.stomp", "v12.stomp", "v11.stomp"},
		"v11.stomp": {"v11.stomp", "v10.stomp"},
		"v10.stomp": {"v99.stomp", "v10.stomp"},
		"":          {"mqtt"},
	} {
		if got := s.dial(offered...).ws.Subprotocol(); got != want {
			t.Errorf("of %v the server chose %q, want %q", offered, got, want)
		}
	}
}

func TestSTOMP10SubscribesByDestination(t *testing.T) {
	in := new(inbound)
	s := serve(t, in, stompadapter.Config{})
	c := s.dial()
	c.send("CONNECT\n\n\x00" + "SUBSCRIBE\ndestination:/a\n\n\x00" + "UNSUBSCRIBE\ndestination:/a\nreceipt:r\n\n\x00")
	c.want(frame.Connected)
	c.want(frame.Receipt)
	if got := in.only(t, message.KindUnsubscribe).Subscription; got != "/a" {
		t.Errorf("subscription %q", got)
	}
}

func TestUserIsNamed(t *testing.T) {
	in := &inbound{on: func(ctx context.Context, m message.Raw) error {
		if m.Kind == message.KindConnect {
			m.Session.SetUser(message.User("anna"))
		}
		return accept(ctx, m)
	}}
	c := serve(t, in, stompadapter.Config{}).dial()
	c.send("CONNECT\naccept-version:1.2\n\n\x00")
	if got := c.want(frame.Connected).Header.Get("user-name"); got != "anna" {
		t.Errorf("user-name %q", got)
	}
}

// TestExactlyOneDisconnect ends sessions in every way there is.
func TestExactlyOneDisconnect(t *testing.T) {
	for name, end := range map[string]func(s *site, c *client, session *message.Session){
		"client says goodbye": func(s *site, c *client, _ *message.Session) { c.send("DISCONNECT\n\n\x00") },
		"connection is lost":  func(s *site, c *client, _ *message.Session) { c.ws.NetConn().Close() },
		"bad frame":           func(s *site, c *client, _ *message.Session) { c.send("NONSENSE\n\n\x00") },
		"handler fails":       func(s *site, c *client, _ *message.Session) { c.send(send("/fail", "r")) },
		"handler panics":      func(s *site, c *client, _ *message.Session) { c.send(send("/panic", "r")) },
		"server kicks": func(_ *site, _ *client, session *message.Session) {
			session.Close(message.Errorf(message.CodeDenied, "go"))
		},
		"server ends":  func(_ *site, _ *client, session *message.Session) { session.Close(nil) },
		"drain":        func(s *site, _ *client, _ *message.Session) { s.adapter.Shutdown(context.Background()) },
		"adapter ends": func(s *site, _ *client, _ *message.Session) { s.adapter.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			in := &inbound{on: func(ctx context.Context, m message.Raw) error {
				if ctx.Err() != nil {
					t.Errorf("%s came in a context that had ended", m.Kind)
				}
				switch m.Destination {
				case "/fail":
					return errors.New("failed")
				case "/panic":
					panic("boom")
				}
				return accept(ctx, m)
			}}
			s := serve(t, in, stompadapter.Config{})
			c := s.connect()
			drained := make(chan struct{})
			go func() { // answers the close frame
				defer close(drained)
				for {
					if _, _, err := c.ws.ReadMessage(); err != nil {
						return
					}
				}
			}()
			session := in.only(t, message.KindConnect).Session
			end(s, c, session)
			<-session.Done()
			s.adapter.Close()
			<-drained
			in.only(t, message.KindConnect)
			in.only(t, message.KindDisconnect)
			if kinds := in.kinds(); !strings.HasSuffix(kinds, "disconnect") {
				t.Errorf("inbound saw %q", kinds)
			}
			if n := s.adapter.Stats().Sessions; n != 0 {
				t.Errorf("%d sessions are left", n)
			}
		})
	}
}

func TestKickTellsTheClient(t *testing.T) {
	in := new(inbound)
	s := serve(t, in, stompadapter.Config{})
	c := s.connect()
	in.only(t, message.KindConnect).Session.Close(message.Errorf(message.CodeDenied, "your account was closed"))
	c.wantError("your account was closed")
	if c.code != 1008 {
		t.Errorf("close code %d", c.code)
	}
}

func TestDrain(t *testing.T) {
	const n = 1000
	in := new(inbound)
	release := make(chan struct{})
	taken := make(chan message.Raw, n)
	in.on = func(ctx context.Context, m message.Raw) error {
		if m.Kind == message.KindData {
			m.Done.Hold()
			taken <- m
		}
		return accept(ctx, m)
	}
	s := serve(t, in, stompadapter.Config{}, true)
	c := s.connect()
	for range n {
		c.send(send("/a", "r"))
	}
	var frames []message.Raw
	for range n {
		frames = append(frames, <-taken)
	}
	shutdown := make(chan error)
	go func() { shutdown <- s.adapter.Shutdown(t.Context()) }()
	go func() {
		<-release
		for _, m := range frames {
			m.Done.Release(nil)
		}
	}()
	eventually(t, "new clients are refused", func() bool {
		ws, _, err := s.dialer.Dial(s.url, nil)
		if err == nil {
			ws.Close()
		}
		return err != nil
	})
	close(release)
	c.receipts(n)
	c.wantClosed(1012)
	if err := <-shutdown; err != nil {
		t.Error(err)
	}
	if reason := in.only(t, message.KindConnect).Session.Reason(); !errors.Is(reason, transport.ErrShutdown) {
		t.Errorf("reason %v", reason)
	}
}

func TestShutdownGivesUpWithItsContext(t *testing.T) {
	in := new(inbound)
	in.on = func(ctx context.Context, m message.Raw) error {
		if m.Kind == message.KindData {
			m.Done.Hold() // never released
		}
		return accept(ctx, m)
	}
	s := serve(t, in, stompadapter.Config{})
	c := s.connect()
	c.send(send("/a", ""))
	eventually(t, "the frame is under way", func() bool { return len(in.messages()) == 2 })
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.adapter.Shutdown(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}
