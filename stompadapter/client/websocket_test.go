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

	"github.com/gorilla/websocket"

	"github.com/headrace/headrace/stompadapter/client"
	"github.com/headrace/headrace/stompadapter/frame"
)

// webSocketServer answers CONNECT, with one of these subprotocols, and counts
// what follows.
type webSocketServer struct {
	*httptest.Server
	offered  chan []string // the subprotocols of the client
	messages chan string   // as they came, after CONNECT
}

func newWebSocketServer(t *testing.T, subprotocols ...string) *webSocketServer {
	s := &webSocketServer{offered: make(chan []string, 1), messages: make(chan string, 2000)}
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
		for first := true; ; first = false {
			_, p, err := ws.ReadMessage()
			if err != nil {
				return
			}
			if first {
				ws.WriteMessage(websocket.TextMessage, []byte(connected))
			} else {
				s.messages <- string(p)
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
		if m := <-s.messages; !strings.HasPrefix(m, "SEND\n") || !strings.HasSuffix(m, fmt.Sprintf("\n\n%d\x00", i)) {
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
