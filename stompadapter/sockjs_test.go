package stompadapter_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"

	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/messagetest"
	"github.com/headrace/headrace/stompadapter"
	"github.com/headrace/headrace/transport"
)

// sockJSSite serves one adapter at /portfolio by SockJS and at /ws.
func sockJSSite(t *testing.T, in *inbound, c stompadapter.Config) (*stompadapter.Adapter, *httptest.Server) {
	t.Helper()
	a := stompadapter.New(in, c)
	mux := http.NewServeMux()
	mux.Handle("/portfolio/", a.SockJS())
	mux.Handle("/ws", a.WebSocket())
	web := httptest.NewServer(mux)
	t.Cleanup(func() {
		a.Close()
		web.Close()
	})
	return a, web
}

// sockJSPipe is the client's end of SockJS over WebSocket.
type sockJSPipe struct {
	*websocket.Conn
	rest []byte
}

func dialSockJS(t *testing.T, url string) *sockJSPipe {
	t.Helper()
	ws, _, err := websocket.DefaultDialer.Dial(strings.Replace(url, "http", "ws", 1)+"/portfolio/000/abc/websocket", nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ws.Close() })
	if _, p, err := ws.ReadMessage(); err != nil || string(p) != "o" {
		t.Fatalf("SockJS opens with %q, %v", p, err)
	}
	return &sockJSPipe{Conn: ws}
}

func (s *sockJSPipe) Write(p []byte) (int, error) { return len(p), s.WriteJSON([]string{string(p)}) }

func (s *sockJSPipe) Read(p []byte) (int, error) {
	for len(s.rest) == 0 {
		_, octets, err := s.ReadMessage()
		if err != nil {
			return 0, err
		}
		var messages []string
		switch octets[0] {
		case 'a':
			if err := json.Unmarshal(octets[1:], &messages); err != nil {
				return 0, err
			}
			s.rest = []byte(strings.Join(messages, ""))
		case 'c':
			return 0, io.EOF
		}
	}
	n := copy(p, s.rest)
	s.rest = s.rest[n:]
	return n, nil
}

// TestSockJS has a conversation, and the same one by WebSocket without SockJS
// below the same path.
func TestSockJS(t *testing.T) {
	for name, dial := range map[string]func(*testing.T, string) pipe{
		"sockjs/websocket": func(t *testing.T, url string) pipe { return dialSockJS(t, url) },
		"websocket": func(t *testing.T, url string) pipe {
			d := websocket.Dialer{Subprotocols: []string{"v12.stomp"}}
			ws, _, err := d.Dial(strings.Replace(url, "http", "ws", 1)+"/portfolio/websocket", nil)
			if err != nil {
				t.Fatal(err)
			}
			if ws.Subprotocol() != "v12.stomp" {
				t.Errorf("subprotocol %q", ws.Subprotocol())
			}
			return webSocketPipe{ws}
		},
	} {
		t.Run(name, func(t *testing.T) {
			in := new(inbound)
			a, web := sockJSSite(t, in, stompadapter.Config{})
			c := newSuiteClient(dial(t, web.URL))
			c.Connect(message.Header{})
			want := func(kind string) message.Raw {
				t.Helper()
				r, err := c.Next()
				if err != nil || string(r.Kind) != kind {
					t.Fatalf("got %v, %v, want %s", r, err, kind)
				}
				return r.Message
			}
			want("connected")
			c.Send("/a", message.Header{}, []byte("gr\u00fc\u00dfe\x00\n\""), "r")
			want("receipt")
			if m := in.only(t, message.KindData); string(m.Payload) != "gr\u00fc\u00dfe\x00\n\"" {
				t.Errorf("payload %q", m.Payload)
			}
			session := in.only(t, message.KindConnect).Session
			if session.Transport() != name {
				t.Errorf("transport %q", session.Transport())
			}
			if err := session.Deliver(t.Context(), delivery()); err != nil {
				t.Fatal(err)
			}
			if m := want("message"); string(m.Payload) != "hello" {
				t.Errorf("body %q", m.Payload)
			}
			if n := a.Stats().Sessions; n != 1 {
				t.Errorf("%d sessions", n)
			}
			c.Disconnect("bye")
			want("receipt")
			if r, err := c.Next(); err == nil {
				t.Errorf("after the goodbye came %v", r)
			}
			a.Close()
			if got := in.kinds(); got != "connect data disconnect" {
				t.Errorf("inbound saw %q", got)
			}
		})
	}
}

// TestOctetsOverSockJS delivers what SockJS cannot carry: the frame stays whole.
func TestOctetsOverSockJS(t *testing.T) {
	in := new(inbound)
	_, web := sockJSSite(t, in, stompadapter.Config{})
	c := newSuiteClient(dialSockJS(t, web.URL))
	c.Connect(message.Header{})
	c.Next()
	m := delivery()
	m.Payload = []byte("a\xff\xfe\x00b")
	session := in.only(t, message.KindConnect).Session
	for range 2 {
		if err := session.Deliver(t.Context(), m); err != nil {
			t.Fatal(err)
		}
		if r, err := c.Next(); err != nil || string(r.Message.Payload) != "a\uFFFD\x00b" {
			t.Errorf("got %q, %v", r.Message.Payload, err)
		}
	}
}

// TestSockJSByRequests has a conversation over polling.
func TestSockJSByRequests(t *testing.T) {
	in := new(inbound)
	_, web := sockJSSite(t, in, stompadapter.Config{})
	post := func(leaf, body string) string {
		t.Helper()
		r, err := http.Post(web.URL+"/portfolio/000/poll/"+leaf, "text/plain", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		defer r.Body.Close()
		p, _ := io.ReadAll(r.Body)
		return string(p)
	}
	frames := func(fs ...string) string {
		p, _ := json.Marshal(fs)
		return string(p)
	}
	if got := post("xhr", ""); got != "o\n" {
		t.Fatalf("polling opens with %q", got)
	}
	post("xhr_send", frames(connect12))
	if got := post("xhr", ""); !strings.HasPrefix(got, `a["CONNECTED\n`) {
		t.Errorf("got %q", got)
	}
	post("xhr_send", frames(send("/a", "r"), "NONSENSE\n\n\x00"))
	got := post("xhr", "")
	for !strings.Contains(got, "ERROR") && len(got) > 2 {
		got += post("xhr", "")
	}
	if !strings.Contains(got, "RECEIPT") || !strings.Contains(got, "unknown command") {
		t.Errorf("got %q", got)
	}
	if got := post("xhr", ""); !strings.HasPrefix(got, "c[") {
		t.Errorf("after ERROR came %q", got)
	}
	if got := in.only(t, message.KindConnect).Session.Transport(); !strings.Contains(got, "xhr") {
		t.Errorf("transport %q", got)
	}
	eventually(t, "the session ended", func() bool { return in.kinds() == "connect data disconnect" })
}

// TestSockJSSharesWhatTheEndpointsHave asks both endpoints of one adapter for
// what only one may have, from a page that is not allowed.
func TestSockJSSharesWhatTheEndpointsHave(t *testing.T) {
	a, web := sockJSSite(t, new(inbound), stompadapter.Config{Transport: transport.Config{MaxConnections: 1}})
	dialSockJS(t, web.URL)
	for path, want := range map[string]int{"/ws": http.StatusServiceUnavailable, "/portfolio/000/other/xhr": http.StatusServiceUnavailable} {
		r, err := http.Post(web.URL+path, "", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Body.Close()
		if r.StatusCode != want {
			t.Errorf("%s answers %s, want %d", path, r.Status, want)
		}
	}
	for _, path := range []string{"/ws", "/portfolio/info", "/portfolio/000/other/xhr"} {
		r, err := http.NewRequest("GET", web.URL+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(path, "xhr") {
			r.Method = "POST"
		}
		r.Header.Set("Origin", "https://evil.example")
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		if answer.StatusCode != http.StatusForbidden {
			t.Errorf("%s answers %s to a strange page", path, answer.Status)
		}
	}
	if st := a.Stats().Transport; st.Refused < 5 {
		t.Errorf("statistics %+v", st)
	}
	eventually(t, "the connection is counted", func() bool { return a.Stats().Transport.Open == 1 }) // after the handshake was answered
}

// TestSockJSBeats agrees on heart-beats: the client gets them as messages.
func TestSockJSBeats(t *testing.T) {
	_, web := sockJSSite(t, new(inbound), stompadapter.Config{Heartbeat: stompadapter.HeartbeatConfig{Send: 20 * time.Millisecond, Receive: -1}})
	s := dialSockJS(t, web.URL)
	fmt.Fprint(s, "CONNECT\naccept-version:1.2\nheart-beat:0,1\n\n\x00")
	for beats := 0; beats < 3; {
		_, p, err := s.ReadMessage()
		if err != nil {
			t.Fatal(err)
		}
		if string(p) == `a["\n"]` {
			beats++
		}
	}
}

func TestConformanceOverSockJS(t *testing.T) {
	messagetest.Adapter(t, func(t *testing.T, inbound message.RawHandler) messagetest.AdapterServer {
		a := stompadapter.New(inbound, stompadapter.Config{})
		return sockJSServer{a, httptest.NewServer(a.SockJS())}
	})
}

type sockJSServer suiteServer

// TextOnly says that SockJS is text.
func (s sockJSServer) TextOnly() {}

func (s sockJSServer) Close() { suiteServer(s).Close() }

func (s sockJSServer) Dial(t *testing.T) messagetest.AdapterClient {
	return newSuiteClient(dialSockJS(t, s.web.URL))
}

// TestSockJSBeatsGiveWay agrees on heart-beats of STOMP, and SockJS has none of
// its own; where they are not agreed on it keeps them.
func TestSockJSBeatsGiveWay(t *testing.T) {
	for beats, want := range map[string]string{"0,10000": `a["\n"]`, "0,0": "h", "3600000,0": "h"} {
		t.Run(beats, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := stompadapter.New(new(inbound), stompadapter.Config{})
				p := &pipes{conns: make(chan net.Conn), done: make(chan struct{})}
				server := &http.Server{Handler: a.SockJS()}
				var served sync.WaitGroup
				served.Go(func() { server.Serve(p) })
				defer served.Wait()
				defer server.Close()
				defer a.Close()
				ws, _, err := (&websocket.Dialer{NetDialContext: p.dial}).Dial("ws://pipe/0/s/websocket", nil)
				if err != nil {
					t.Fatal(err)
				}
				defer ws.Close()
				ws.WriteJSON([]string{"CONNECT\naccept-version:1.2\nheart-beat:" + beats + "\n\n\x00"})
				ws.ReadMessage() // o
				ws.ReadMessage() // CONNECTED
				ws.SetReadDeadline(time.Now().Add(time.Hour))
				for range 10 {
					if _, got, err := ws.ReadMessage(); string(got) != want {
						t.Fatalf("got %q, %v, want %q", got, err, want)
					}
				}
			})
		})
	}
}
