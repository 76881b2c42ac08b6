package transport_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"

	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/transport"
)

// A client that offers an empty list of subprotocols offers none.
func TestNoSubprotocolIsNoSubprotocol(t *testing.T) {
	f := start(t, setup{ws: transport.WebSocketConfig{Subprotocols: []string{"v1"}}})
	for name, header := range map[string]http.Header{
		"missing": nil, "empty": {"Sec-Websocket-Protocol": {""}}, "blank": {"Sec-Websocket-Protocol": {" "}}, "commas": {"Sec-Websocket-Protocol": {" , "}},
	} {
		ws, resp, err := websocket.DefaultDialer.Dial(f.url(), header)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if got, there := resp.Header["Sec-Websocket-Protocol"]; there || (<-f.peers).conn.Subprotocol() != "" {
			t.Errorf("%s: the server chose %q", name, got)
		}
		ws.Close()
	}
}

// Why a client was cut stays the reason, whatever it is closed for later.
func TestTheReasonOfACutStays(t *testing.T) {
	f := start(t, setup{connect: smallSendBuffer, config: transport.Config{OutboxBytes: 64 << 10}})
	_, p := f.dial(t, nil)
	var err error
	for frame := text(strings.Repeat("x", 1000)); err == nil; {
		err = p.conn.Send(frame)
	}
	p.conn.Close(message.Errorf(message.CodeInvalid, "bad frame"))
	p.conn.Close(nil)
	if reason := <-p.closed; !errors.Is(reason, transport.ErrSlow) {
		t.Errorf("reason %v, want ErrSlow", reason)
	}
	if err := p.conn.Send(text("too late")); err != transport.ErrSlow {
		t.Errorf("Send after that: %v", err)
	}
}

// The patterns of http.ServeMux put an endpoint and a resource on one path;
// what comes to the endpoint without asking for an upgrade is told so.
func TestOnePathForSocketAndResource(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /orders", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "resource") })
	f := start(t, setup{wrap: func(h http.Handler) http.Handler {
		mux.Handle("GET /orders", h)
		return mux
	}})
	ws, _, err := websocket.DefaultDialer.Dial(f.url()+"/orders", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer ws.Close()
	for method, want := range map[string]int{http.MethodPost: http.StatusOK, http.MethodGet: http.StatusBadRequest, http.MethodPut: http.StatusMethodNotAllowed} {
		req, _ := http.NewRequest(method, f.http.URL+"/orders", nil)
		resp, err := f.http.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("%s: %d, want %d", method, resp.StatusCode, want)
		}
	}
	(<-f.peers).conn.Send(text("still open"))
	if _, b, err := ws.ReadMessage(); string(b) != "still open" {
		t.Errorf("got %q, %v", b, err)
	}
}

// Subprotocols are compared without regard to case. A browser is answered in
// its own spelling, the only one that it takes; the protocol is told ours.
func TestSubprotocolInAnyCase(t *testing.T) {
	f := start(t, setup{ws: transport.WebSocketConfig{Subprotocols: []string{"V2.letters", "v1.letters"}}})
	ws, p := f.dial(t, nil, "v9.letters", "V1.Letters", "v2.LETTERS")
	if ws.Subprotocol() != "v2.LETTERS" || p.conn.Subprotocol() != "V2.letters" {
		t.Errorf("client %q, server %q", ws.Subprotocol(), p.conn.Subprotocol())
	}
}

// What middleware says of a request is in every answer to it, the upgrade
// included: a cookie for the load balancer, say.
func TestHeadersOfMiddleware(t *testing.T) {
	refuse := func(r *http.Request, _ map[string]any) error {
		if r.Header.Get("Refuse") != "" {
			return message.Errorf(message.CodeDenied, "no")
		}
		return nil
	}
	f := start(t, setup{
		config: transport.Config{Handshake: transport.Handshake{Hooks: []func(*http.Request, map[string]any) error{refuse}}},
		wrap: func(h http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Set-Cookie", "route=a")
				w.Header().Set("X-Trace", "1")
				h.ServeHTTP(w, r)
			})
		},
	})
	for name, tt := range map[string]struct {
		header http.Header
		status int
	}{
		"taken":          {nil, http.StatusSwitchingProtocols},
		"hook refuses":   {http.Header{"Refuse": {"yes"}}, http.StatusForbidden},
		"origin refused": {http.Header{"Origin": {"https://evil.example"}}, http.StatusForbidden},
	} {
		resp := f.attempt(t, tt.header)
		if resp.StatusCode != tt.status || resp.Header.Get("Set-Cookie") != "route=a" || resp.Header.Get("X-Trace") != "1" {
			t.Errorf("%s: %d %v", name, resp.StatusCode, resp.Header)
		}
	}
}

// What is sent while the socket is stuck waits, all of it and in order, and the
// session stays open within budget and deadline.
func TestBlockedSocketKeepsTheOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := startVirtual(setup{ws: transport.WebSocketConfig{IdleTimeout: -1}})
		defer v.stop()
		ws, p := v.dial(t)
		defer ws.Close()
		const n = 1000
		frame := func(i int) string { return fmt.Sprintf("message %4d", i) }
		p.conn.Send(text(frame(0)))
		synctest.Wait() // the pipe takes nothing that is not read: this write is stuck
		before := v.Stats().QueuedBytes
		for i := 1; i <= n; i++ {
			if err := p.conn.Send(text(frame(i))); err != nil {
				t.Fatal(err)
			}
		}
		const header = 2 // of a short WebSocket frame
		if got, want := v.Stats().QueuedBytes-before, n*(header+len(frame(0))); got != want {
			t.Errorf("%d bytes wait, want %d", got, want)
		}
		time.Sleep(9 * time.Second)
		for i := range n + 1 {
			if _, b, err := ws.ReadMessage(); err != nil || string(b) != frame(i) {
				t.Fatalf("got %q, %v, want %q", b, err, frame(i))
			}
		}
		synctest.Wait()
		if got := v.Stats(); got.QueuedBytes != 0 || got.Open != 1 {
			t.Errorf("%+v", got)
		}
	})
}
