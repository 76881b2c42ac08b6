package transport_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/headrace/headrace/transport"
)

const goodKey = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" // of RFC 6455, section 1.3

// Each request is a whole handshake but for one thing.
func TestHandshakeRequests(t *testing.T) {
	const (
		upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\n"
		version = "Sec-WebSocket-Version: 13\r\n"
		host    = "Host: own\r\n"
	)
	for _, tt := range []struct {
		name, request string
		status        int
		header, value string // of the answer
	}{
		{"complete", "GET / HTTP/1.1\r\n" + host + upgrade + version + goodKey, 101, "Sec-WebSocket-Accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="},
		{"names in any case", "GET / HTTP/1.1\r\n" + host + strings.ToUpper(upgrade) + version + goodKey, 101, "Upgrade", "websocket"},
		{"tokens in lists", "GET / HTTP/1.1\r\n" + host + "Connection: keep-alive, Upgrade\r\nUpgrade: foo/2, websocket\r\n" + version + goodKey, 101, "", ""},
		{"tokens in several lines", "GET / HTTP/1.1\r\n" + host + "Connection: keep-alive\r\n" + upgrade + version + goodKey, 101, "", ""},
		{"protocols in several lines", "GET / HTTP/1.1\r\n" + host + upgrade + version + goodKey + "Sec-WebSocket-Protocol: v1\r\nSec-WebSocket-Protocol: other,  v2\r\n", 101, "Sec-WebSocket-Protocol", "v2"},
		{"protocol in another case", "GET / HTTP/1.1\r\n" + host + upgrade + version + goodKey + "Sec-WebSocket-Protocol: V2\r\n", 101, "Sec-WebSocket-Protocol", "V2"},
		{"unknown extension", "GET / HTTP/1.1\r\n" + host + upgrade + version + goodKey + "Sec-WebSocket-Extensions: x-zip\r\n", 101, "Sec-WebSocket-Extensions", ""},
		{"no host", "GET / HTTP/1.1\r\n" + upgrade + version + goodKey, 400, "", ""},
		{"no Connection", "GET / HTTP/1.1\r\n" + host + "Upgrade: websocket\r\n" + version + goodKey, 400, "", ""},
		{"no Upgrade", "GET / HTTP/1.1\r\n" + host + "Connection: Upgrade\r\n" + version + goodKey, 400, "", ""},
		{"another Upgrade", "GET / HTTP/1.1\r\n" + host + "Connection: Upgrade\r\nUpgrade: websockets\r\n" + version + goodKey, 400, "", ""},
		{"POST", "POST / HTTP/1.1\r\n" + host + upgrade + version + goodKey + "Content-Length: 0\r\n", 405, "Allow", "GET"},
		{"HTTP/1.0", "GET / HTTP/1.0\r\n" + host + upgrade + version + goodKey, 505, "", ""},
		{"no version", "GET / HTTP/1.1\r\n" + host + upgrade + goodKey, 426, "Sec-WebSocket-Version", "13"},
		{"version 8", "GET / HTTP/1.1\r\n" + host + upgrade + "Sec-WebSocket-Version: 8\r\n" + goodKey, 426, "Upgrade", "websocket"},
		{"no key", "GET / HTTP/1.1\r\n" + host + upgrade + version, 400, "", ""},
		{"key of 15 bytes", "GET / HTTP/1.1\r\n" + host + upgrade + version + "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAA\r\n", 400, "", ""},
		{"key of 17 bytes", "GET / HTTP/1.1\r\n" + host + upgrade + version + "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAAA=\r\n", 400, "", ""},
		{"key that is not base64", "GET / HTTP/1.1\r\n" + host + upgrade + version + "Sec-WebSocket-Key: !!!!!!!!!!!!!!!!!!!!!!==\r\n", 400, "", ""},
		{"two keys", "GET / HTTP/1.1\r\n" + host + upgrade + version + goodKey + goodKey, 400, "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := start(t, setup{ws: transport.WebSocketConfig{Subprotocols: []string{"v2", "v1"}}})
			nc, err := net.Dial("tcp", f.http.Listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer nc.Close()
			nc.SetDeadline(time.Now().Add(20 * time.Second))
			io.WriteString(nc, tt.request+"\r\n")
			resp, err := http.ReadResponse(bufio.NewReader(nc), nil)
			if err != nil {
				t.Fatal(err)
			}
			if resp.StatusCode != tt.status || tt.header != "" && resp.Header.Get(tt.header) != tt.value {
				t.Errorf("%s, %v", resp.Status, resp.Header)
			}
			if st := f.Stats(); tt.status != 101 && tt.name != "no host" && st.Refused != 1 {
				t.Errorf("%+v", st)
			}
		})
	}
}

// What comes before the answer may be meant for somebody else (RFC 6455,
// section 4.1: the client waits).
func TestDataBeforeTheAnswerIsRefused(t *testing.T) {
	f := start(t, setup{})
	nc, err := net.Dial("tcp", f.http.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	nc.SetDeadline(time.Now().Add(20 * time.Second))
	io.WriteString(nc, "GET / HTTP/1.1\r\nHost: own\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"+goodKey+"\r\n\x81\x80\x00\x00\x00\x00")
	if b, _ := io.ReadAll(nc); len(b) > 0 {
		t.Errorf("%q", b)
	}
	for f.Stats().Refused != 1 {
		waitABit()
	}
}

func TestMounts(t *testing.T) {
	for name, tt := range map[string]struct {
		wrap func(http.Handler) http.Handler
		path string
	}{
		"method and host": {func(h http.Handler) http.Handler {
			mux := http.NewServeMux()
			mux.Handle("GET 127.0.0.1/ws", h)
			return mux
		}, "/ws"},
		"wildcard": {func(h http.Handler) http.Handler {
			mux := http.NewServeMux()
			mux.Handle("GET /rooms/{room}/ws", h)
			return mux
		}, "/rooms/1/ws"},
		"StripPrefix": {func(h http.Handler) http.Handler { return http.StripPrefix("/deep/down", h) }, "/deep/down"},
		"two wrappers with Unwrap": {func(h http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				h.ServeHTTP(unwrapping{opaque{unwrapping{opaque{w}}}}, r)
			})
		}, "/"},
	} {
		t.Run(name, func(t *testing.T) {
			f := start(t, setup{wrap: tt.wrap, receive: echo})
			ws, _, err := websocket.DefaultDialer.Dial(f.url()+tt.path, nil)
			if err != nil {
				t.Fatal(err)
			}
			defer ws.Close()
			ws.WriteMessage(websocket.TextMessage, []byte("hello"))
			if _, b, err := ws.ReadMessage(); string(b) != "hello" {
				t.Errorf("%q, %v", b, err)
			}
		})
	}
}

// What middleware says of a body, or of the protocol, is not in an upgrade.
func TestTheHandshakeHasTheLastWord(t *testing.T) {
	f := start(t, setup{wrap: func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			for _, name := range []string{"Connection", "Upgrade", "Sec-WebSocket-Accept", "Sec-WebSocket-Extensions", "Sec-WebSocket-Protocol", "Content-Length", "Transfer-Encoding"} {
				w.Header().Set(name, "7")
			}
			h.ServeHTTP(w, r)
		})
	}})
	resp := f.attempt(t, nil)
	for name, values := range resp.Header {
		if resp.StatusCode != http.StatusSwitchingProtocols || slices.Contains(values, "7") {
			t.Errorf("%s, %s: %q", resp.Status, name, values)
		}
	}
}

// The wrapper that is in the way is named, not the one before it.
func TestTheWrapperInTheWayIsNamed(t *testing.T) {
	var log bytes.Buffer
	s := transport.NewServer(transport.Config{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	defer s.Close()
	w := httptest.NewRecorder()
	s.WebSocket(transport.WebSocketConfig{}, nil).ServeHTTP(unwrapping{opaque{opaque{w}}}, handshake("http://own.example/"))
	const want = "a transport_test.opaque cannot be hijacked"
	if w.Code != 500 || !strings.Contains(w.Body.String(), want) || !strings.Contains(log.String(), want) {
		t.Errorf("%d %s, log: %s", w.Code, w.Body, log.String())
	}
	if st := s.Stats(); st.Refused != 1 || st.Open != 0 {
		t.Errorf("%+v", st)
	}
}

func TestHTTP2IsToldWhatToDo(t *testing.T) {
	s := transport.NewServer(transport.Config{Logger: slog.New(slog.DiscardHandler)})
	site := httptest.NewUnstartedServer(s.WebSocket(transport.WebSocketConfig{}, nil))
	site.EnableHTTP2 = true
	site.StartTLS()
	defer site.Close()
	defer s.Close()
	resp, err := site.Client().Get(site.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, _ := io.ReadAll(resp.Body)
	if resp.ProtoMajor != 2 || resp.StatusCode != http.StatusHTTPVersionNotSupported || !strings.Contains(string(b), "HTTP/2") {
		t.Errorf("%s %s %q", resp.Proto, resp.Status, b)
	}
}

func TestEndpointsOfTheirOwnKind(t *testing.T) {
	f := start(t, setup{
		ws: transport.WebSocketConfig{
			Transport: "letters",
			Framing: transport.NewFraming(func(wire, payload []byte) []byte {
				return transport.FramingWebSocket.Append(wire, fmt.Appendf(nil, "<%s>", payload))
			}),
			Goodbye: func(reason error) []byte {
				code, text := transport.CloseCode(reason)
				return fmt.Appendf(nil, "bye %d %s", code, text)
			},
		},
		receive: func(p *peer, b []byte) error {
			p.conn.Send(transport.NewFrame(p.conn.Framing(), b))
			return ownCode{}
		},
	})
	ws, p := f.dial(t, nil)
	if name := p.conn.Info().Transport; name != "letters" {
		t.Errorf("transport %q", name)
	}
	ws.WriteMessage(websocket.TextMessage, []byte("a"))
	for _, want := range []string{"<a>", "bye 3000 internal error"} {
		if _, b, err := ws.ReadMessage(); string(b) != want {
			t.Errorf("%q, %v, want %q", b, err, want)
		}
	}
	if _, _, err := ws.ReadMessage(); !websocket.IsCloseError(err, 3000) {
		t.Error(err)
	}
	<-p.closed
}

type ownCode struct{}

func (ownCode) Error() string  { return "a secret" }
func (ownCode) CloseCode() int { return 3000 }
