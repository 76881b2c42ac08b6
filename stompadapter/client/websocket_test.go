package client_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"

	"github.com/gorilla/websocket"

	"github.com/headrace/headrace/stompadapter/client"
	"github.com/headrace/headrace/stompadapter/frame"
)

// webSocketServer answers CONNECT, with one of these subprotocols, and counts
// what follows.
type webSocketServer struct {
	*httptest.Server
	offered  chan []string  // the subprotocols of the client
	messages chan wsMessage // as they came, after CONNECT
}

type wsMessage struct {
	kind int
	data string
}

func newWebSocketServer(t *testing.T, subprotocols ...string) *webSocketServer {
	s := &webSocketServer{offered: make(chan []string, 1), messages: make(chan wsMessage, 2000)}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.offered <- websocket.Subprotocols(r)
		u, header := websocket.Upgrader{}, http.Header{}
		if len(subprotocols) > 0 {
			header.Set("Sec-WebSocket-Protocol", subprotocols[0])
		}
		ws, err := u.Upgrade(w, r, header)
		if err != nil {
			t.Error(err)
			return
		}
		defer ws.Close()
		defer close(s.messages)
		for greeted := false; ; {
			kind, p, err := ws.ReadMessage()
			if err != nil {
				return
			}
			switch {
			case greeted:
				s.messages <- wsMessage{kind, string(p)}
			case bytes.HasSuffix(p, []byte{0}): // the end of CONNECT
				greeted = true
				ws.WriteMessage(websocket.TextMessage, []byte(connected))
			}
		}
	}))
	t.Cleanup(s.Close)
	return s
}

// recorded is a connection that keeps what is written.
type recorded struct {
	net.Conn
	mu sync.Mutex
	b  bytes.Buffer
}

func (r *recorded) Write(p []byte) (int, error) {
	r.mu.Lock()
	r.b.Write(p)
	r.mu.Unlock()
	return r.Conn.Write(p)
}

// TestWebSocketMasks reads the octets of the client: one message for each frame,
// each masked anew (RFC 6455, 5.3).
func TestWebSocketMasks(t *testing.T) {
	s := newWebSocketServer(t)
	var conn *recorded
	c, err := client.Dial(t.Context(), client.Config{
		URL:       "ws" + strings.TrimPrefix(s.URL, "http"),
		Heartbeat: client.HeartbeatConfig{Send: -1, Receive: -1},
		Reconnect: client.ReconnectConfig{Off: true},
		Dial: func(ctx context.Context) (net.Conn, error) {
			c, err := new(net.Dialer).DialContext(ctx, "tcp", s.Listener.Addr().String())
			conn = &recorded{Conn: c}
			return conn, err
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	const n = 1000
	for i := range n {
		if err := c.Send(t.Context(), "/a", fmt.Sprint(i)); err != nil {
			t.Fatal(err)
		}
	}
	for i := range n {
		if m := (<-s.messages).data; !strings.HasPrefix(m, "SEND\n") || !strings.HasSuffix(m, fmt.Sprintf("\n\n%d\x00", i)) {
			t.Fatalf("message %d is %q", i, m)
		}
	}
	hangUp(c)

	_, octets, _ := bytes.Cut(conn.b.Bytes(), []byte("\r\n\r\n"))
	masks := map[[4]byte]bool{}
	for len(octets) > 0 {
		if octets[1]&0x80 == 0 {
			t.Fatal("a message without a mask")
		}
		size := int(octets[1] & 0x7f)
		octets = octets[2:]
		if size == 126 {
			size = int(binary.BigEndian.Uint16(octets))
			octets = octets[2:]
		}
		masks[[4]byte(octets)] = true
		octets = octets[4+size:]
	}
	// Those of CONNECT and of the close frame make room for chance.
	if len(masks) < n {
		t.Errorf("%d masks for more than %d messages", len(masks), n)
	}
}

// TestLargeFramesGoOutInSeveralMessages puts the messages of a frame together.
func TestLargeFramesGoOutInSeveralMessages(t *testing.T) {
	const text, binary = websocket.TextMessage, websocket.BinaryMessage
	for name, tc := range map[string]struct {
		limit, want int // octets of a message
		body        string
		kind        int
	}{
		"default":              {0, 8192, strings.Repeat("x", 20_000), text},
		"own limit":            {30, 30, strings.Repeat("x", 100), text},
		"between characters":   {60, 60, strings.Repeat("€", 100), text},
		"smallest":             {4, 4, "g🚀r€ü🚀", text},
		"within a character":   {60, 60, strings.Repeat("\xff", 100), binary},
		"a message each frame": {-1, 101_000, strings.Repeat("x", 100_000), text},
	} {
		t.Run(name, func(t *testing.T) {
			s := newWebSocketServer(t)
			c, err := client.Dial(t.Context(), client.Config{
				URL: "ws" + strings.TrimPrefix(s.URL, "http"), MessageBytes: tc.limit,
				Heartbeat: client.HeartbeatConfig{Send: -1, Receive: -1},
			})
			if err != nil {
				t.Fatal(err)
			}
			defer hangUp(c)
			if err := c.Send(t.Context(), "/a", []byte(tc.body)); err != nil {
				t.Fatal(err)
			}
			whole, count := "", 0
			for !strings.HasSuffix(whole, "\x00") {
				m := <-s.messages
				if len(m.data) > tc.want || m.kind != tc.kind || m.kind == text && !utf8.ValidString(m.data) {
					t.Errorf("message of kind %d and %d octets, want %d", m.kind, len(m.data), tc.want)
				}
				whole += m.data
				count++
			}
			if !strings.HasPrefix(whole, "SEND\n") || !strings.HasSuffix(whole, "\n\n"+tc.body+"\x00") {
				t.Errorf("together they are %.200q", whole)
			}
			cut := utf8.UTFMax - 1 // at most, for the sake of a character
			if tc.limit == 4 {
				cut = 2
			}
			if most := len(whole)/(tc.want-cut) + 1; count > most {
				t.Errorf("%d messages, want %d at most", count, most)
			}
		})
	}
}

func TestWebSocketSubprotocol(t *testing.T) {
	for _, tc := range []struct {
		highest frame.Version
		offer   string
		chosen  []string
		good    bool
	}{
		{0, "v12.stomp v11.stomp v10.stomp", nil, true},
		{0, "v12.stomp v11.stomp v10.stomp", []string{"v11.stomp"}, true},
		{frame.V11, "v11.stomp v10.stomp", []string{"v12.stomp"}, false},
		{frame.V10, "v10.stomp", []string{"mqtt"}, false},
	} {
		t.Run(tc.offer, func(t *testing.T) {
			s := newWebSocketServer(t, tc.chosen...)
			c, err := client.Dial(t.Context(), client.Config{
				URL: "ws" + strings.TrimPrefix(s.URL, "http"), Version: tc.highest,
				Reconnect: client.ReconnectConfig{Off: true},
			})
			if err == nil {
				hangUp(c)
			}
			if offered := strings.Join(<-s.offered, " "); offered != tc.offer {
				t.Errorf("offered %s", offered)
			}
			if refused := err != nil && strings.Contains(err.Error(), "not offered"); refused == tc.good {
				t.Errorf("Dial: %v", err)
			}
		})
	}
}
