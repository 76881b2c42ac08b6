package client_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"

	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/stompadapter/client"
	"github.com/headrace/headrace/stompadapter/frame"
)

// scattered is a WebSocket server that answers SUBSCRIBE with these messages,
// text and binary in turn, and a pong that nobody asked for before each.
// {receipt} stands for the receipt that the client wants.
func scattered(t *testing.T, messages ...string) *httptest.Server {
	return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ws, err := new(websocket.Upgrader).Upgrade(w, r, nil)
		if err != nil {
			t.Error(err)
			return
		}
		defer ws.Close()
		for d := frame.NewDecoder(frame.Limits{}); ; {
			_, p, err := ws.ReadMessage()
			if err != nil {
				return
			}
			f, _, _, err := d.Decode(p)
			if err != nil {
				t.Error(err)
				return
			}
			switch f.Command {
			case frame.Connect:
				ws.WriteMessage(websocket.TextMessage, []byte(connected))
			case frame.Subscribe:
				for i, m := range messages {
					ws.WriteControl(websocket.PongMessage, []byte("unasked"), time.Now().Add(time.Second))
					m = strings.Replace(m, "{receipt}", f.Header.Get("receipt"), 1)
					ws.WriteMessage(websocket.TextMessage+i%2, []byte(m))
				}
			}
		}
	}))
}

// Frames and WebSocket messages need not line up, and what is not a message
// means nothing.
func TestFramesOverSeveralMessages(t *testing.T) {
	server := scattered(t, "RECEIPT\nreceipt-", "id:{receipt}\n\n\x00MESSAGE\nsubscription:mine\nmess", "age-id:1\ndestination:/a\n\nx", "", "y\x00", "\n",
		"MESSAGE\nsubscription:mine\nmessage-id:2\ndestination:/a\n\nz\x00\n")
	defer server.Close()
	c, err := client.Dial(t.Context(), client.Config{URL: strings.Replace(server.URL, "http", "ws", 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer hangUp(c)
	sub, err := c.Subscribe(t.Context(), "/a", client.SubscribeConfig{ID: "mine"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"xy", "z"} {
		if m := pull(t, sub); string(m.Payload) != want {
			t.Errorf("got %q, want %q", m.Payload, want)
		}
	}
}

// What a client offers is said in one place, and is on where nothing is said.
func TestOfferedHeartbeats(t *testing.T) {
	for name, tc := range map[string]struct {
		config client.HeartbeatConfig
		want   string
	}{
		"zero":     {client.HeartbeatConfig{}, "10000,10000"},
		"set":      {client.HeartbeatConfig{Send: time.Second, Receive: 2 * time.Second}, "1000,2000"},
		"negative": {client.HeartbeatConfig{Send: -1, Receive: -time.Hour}, "0,0"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newServer(t, connected)
				c, err := client.Dial(t.Context(), client.Config{
					URL: "tcp://mill", Dial: s.dial, Heartbeat: tc.config,
					Header: message.NewHeader(message.Field{Name: "heart-beat", Value: "7,7"}),
				})
				if err != nil {
					t.Fatal(err)
				}
				defer hangUp(c)
				h := (<-s.peers).want(frame.Connect).Header
				if got := h.Get("heart-beat"); got != tc.want || strings.Count(headerText(h), "heart-beat") != 1 {
					t.Errorf("the client offers %s, want %s alone", headerText(h), tc.want)
				}
			})
		})
	}
}

func headerText(h message.Header) string {
	var b strings.Builder
	for name, value := range h.All() {
		b.WriteString(name + ":" + value + " ")
	}
	return b.String()
}

// The slower side decides, and a side that wants none has none.
func TestSlowerHeartbeatDecides(t *testing.T) {
	for server, want := range map[string]struct{ send, silence time.Duration }{
		"20000,20000": {20 * time.Second, 40 * time.Second},
		"5000,20000":  {20 * time.Second, 20 * time.Second},
		"20000,0":     {0, 40 * time.Second},
		"0,5000":      {10 * time.Second, 0},
		"0,0":         {0, 0},
	} {
		t.Run(server, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newServer(t, "CONNECTED\nversion:1.2\nheart-beat:"+server+"\n\n\x00")
				c, p := dial(t, s, client.Config{
					Heartbeat: client.HeartbeatConfig{Send: 10 * time.Second, Receive: 10 * time.Second},
					Reconnect: client.ReconnectConfig{Off: true},
				})
				defer hangUp(c)
				began := time.Now()
				select {
				case <-c.Done(): // the server says nothing
					if d := time.Since(began); d != want.silence {
						t.Errorf("lost after %v, want %v", d, want.silence)
					}
				case <-time.After(time.Hour):
					if want.silence != 0 {
						t.Errorf("a silent server is not lost after an hour")
					}
				}
				p.mu.Lock()
				defer p.mu.Unlock()
				if beats := len(p.heard) - 1; (beats > 0) != (want.send > 0) {
					t.Errorf("%d beats", beats)
				}
				for i := range p.heard[1:] {
					if gap := p.heard[i+1].Sub(p.heard[i]); gap > want.send || gap < want.send*8/10 {
						t.Errorf("a beat after %v, want %v at most", gap, want.send)
					}
				}
			})
		})
	}
}

// TestUnsubscribeWithFurtherHeaders ends a durable subscription.
func TestUnsubscribeWithFurtherHeaders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, p := dial(t, newServer(t, connected), client.Config{})
		defer hangUp(c)
		sub := subscribe(t, c, p, "/topic/a", client.SubscribeConfig{ID: "mine"}, nil)
		if err := sub.Unsubscribe(t.Context(), message.Field{Name: "durable", Value: "a\x00b"}); err == nil || sub.Err() != nil {
			t.Errorf("a header that no frame can have: %v, then %v", err, sub.Err())
		}
		p.send(messageFrame(sub, "1", "x"))
		if m := pull(t, sub); string(m.Payload) != "x" {
			t.Errorf("it does not go on: %v", m)
		}
		left := in(func() error {
			return sub.Unsubscribe(t.Context(), message.Field{Name: "durable", Value: "true"},
				message.Field{Name: "id", Value: "other"}, message.Field{Name: "receipt", Value: "own"})
		})
		f := p.want(frame.Unsubscribe)
		if got := headerText(f.Header); f.Header.Get("durable") != "true" || f.Header.Get("id") != "mine" || f.Header.Get("receipt") == "own" || strings.Count(got, "id:") != 1 {
			t.Errorf("got %s", got)
		}
		p.confirm(f)
		if err := <-left; err != nil {
			t.Error(err)
		}
	})
}
