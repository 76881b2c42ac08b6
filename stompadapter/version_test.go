package stompadapter_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"

	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/stompadapter"
	"github.com/headrace/headrace/stompadapter/frame"
)

// TestSubprotocolLimitsTheVersion connects by each subprotocol with each list:
// "" stands for a refusal.
func TestSubprotocolLimitsTheVersion(t *testing.T) {
	s := serve(t, new(inbound), stompadapter.Config{})
	for _, tt := range []struct{ subprotocol, accept, want string }{
		{"v12.stomp", "1.0,1.1,1.2", "1.2"},
		{"v12.stomp", "1.1", "1.1"},
		{"v12.stomp", "", "1.0"},
		{"v11.stomp", "1.0,1.1,1.2", "1.1"},
		{"v11.stomp", "1.2,1.0", "1.0"},
		{"v11.stomp", "1.2", ""},
		{"v10.stomp", "1.0,1.1,1.2", "1.0"},
		{"v10.stomp", "", "1.0"},
		{"v10.stomp", "1.1,1.2", ""},
		{"mqtt", "1.2", "1.2"},
		{"mqtt", "1.3, 1.2", "1.2"},
		{"mqtt", "1.3,", ""},
	} {
		c := s.dial(tt.subprotocol)
		accept := ""
		if tt.accept != "" {
			accept = "accept-version:" + tt.accept + "\n"
		}
		c.send("CONNECT\n" + accept + "\n\x00")
		f, _ := c.next()
		switch {
		case tt.want == "" && (f.Command != frame.Error || f.Header.Get("version") != "1.0,1.1,1.2"):
			t.Errorf("%s and %q: %s %v, want an ERROR that names the versions", tt.subprotocol, tt.accept, f.Command, f.Header)
		case tt.want != "" && (f.Command != frame.Connected || f.Header.Get("version") != tt.want):
			t.Errorf("%s and %q: %s %v, want version %s", tt.subprotocol, tt.accept, f.Command, f.Header, tt.want)
		}
	}
}

// TestAckHeader delivers what wants an acknowledgement: only 1.2 has a header
// for that.
func TestAckHeader(t *testing.T) {
	for version, want := range map[string]string{"1.2": "a1", "1.1": "", "1.0": ""} {
		in := new(inbound)
		c := serve(t, in, stompadapter.Config{}).dial()
		c.send("CONNECT\naccept-version:" + version + "\n\n\x00")
		c.want(frame.Connected)
		session := in.only(t, message.KindConnect).Session
		for _, m := range []message.Raw{delivery(message.Field{Name: "hr-ack", Value: "a1"}), delivery(message.Field{Name: "ack", Value: "forged"})} {
			if err := session.Deliver(t.Context(), m); err != nil {
				t.Fatal(err)
			}
		}
		first, second := c.want(frame.Message).Header, c.want(frame.Message).Header
		if got, ok := first.Lookup("ack"); got != want || ok != (want != "") {
			t.Errorf("%s: ack %q, want %q", version, got, want)
		}
		if _, ok := second.Lookup("ack"); ok {
			t.Errorf("%s: a MESSAGE that nobody has to acknowledge has an ack header", version)
		}
		if _, ok := first.Lookup("hr-ack"); ok {
			t.Errorf("%s: the server's own header reached the client", version)
		}
	}
}

// TestVersionsShareNoFrames delivers one message to clients of all versions.
func TestVersionsShareNoFrames(t *testing.T) {
	in := new(inbound)
	s := serve(t, in, stompadapter.Config{})
	m := delivery(message.Field{Name: "colour", Value: "a:b"})
	clients := make(map[string]*client)
	for _, version := range []string{"1.0", "1.1", "1.2", "1.0", "1.1", "1.2"} {
		c := s.dial()
		c.send("CONNECT\naccept-version:" + version + "\n\n\x00")
		c.want(frame.Connected)
		clients[version] = c
	}
	for _, connect := range in.messages() {
		if err := connect.Session.Deliver(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	for version, c := range clients {
		if got := c.want(frame.Message).Header.Get("colour"); got != "a:b" {
			t.Errorf("%s: colour %q", version, got)
		}
	}
	if n := s.adapter.Stats().Encodings; n != 3 {
		t.Errorf("%d encodings for three versions", n)
	}
}

// TestPingWithoutHeartbeats agrees on 0,0: the WebSocket is pinged instead.
func TestPingWithoutHeartbeats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := serve(t, new(inbound), stompadapter.Config{}).dial()
		c.send("CONNECT\naccept-version:1.2\nheart-beat:0,0\n\n\x00")
		c.want(frame.Connected)
		began, pings := time.Now(), 0
		c.ws.SetPingHandler(func(data string) error {
			pings++
			if at := time.Since(began); at > time.Duration(pings)*25*time.Second {
				t.Errorf("ping %d after %v", pings, at)
			}
			return c.ws.WriteControl(websocket.PongMessage, []byte(data), time.Now().Add(time.Second))
		})
		go func() { time.Sleep(time.Hour); c.send("DISCONNECT\n\n\x00") }()
		c.wantClosed(1000)
		if pings < 143 {
			t.Errorf("%d pings in an hour", pings)
		}
	})
}

// TestSecondConnectNegotiatesNothing asks for 1.2 in a session of 1.0: what the
// client is told of it is in the words of 1.0, which has no escapes.
func TestSecondConnectNegotiatesNothing(t *testing.T) {
	c := serve(t, new(inbound), stompadapter.Config{}).dial()
	c.send("CONNECT\n\n\x00")
	c.want(frame.Connected)
	c.send("CONNECT\naccept-version:1.2\nreceipt:a:b\n\n\x00")
	if got := c.wantError("begun already").Header.Get("receipt-id"); got != "a:b" {
		t.Errorf("receipt-id %q", got)
	}
}
