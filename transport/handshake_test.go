package transport_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/transport"
)

func TestHooks(t *testing.T) {
	for _, tt := range []struct {
		err    error
		status int
		text   string
	}{
		{message.Errorf(message.CodeInvalid, "m"), 400, "m"},
		{message.Errorf(message.CodeUnauthenticated, "who are you").WithCause(errors.New("canary")), 401, "who are you"},
		{message.Errorf(message.CodeDenied, "m"), 403, "m"},
		{message.Errorf(message.CodeNotFound, "m"), 404, "m"},
		{message.Errorf(message.CodeConflict, "m"), 409, "m"},
		{message.Errorf(message.CodeTooLarge, "m"), 413, "m"},
		{message.Errorf(message.CodeFull, "m"), 503, "m"},
		{message.Errorf(message.CodeUnavailable, "m"), 503, "m"},
		{message.Errorf(message.CodeTimeout, "m"), 504, "m"},
		{message.Errorf(message.CodeInternal, "m"), 500, "m"},
		{fmt.Errorf("wrapped: %w", message.Errorf(message.CodeDenied, "m")), 403, "m"},
		{errors.New("canary"), 500, "internal error"},
	} {
		var log bytes.Buffer
		refuse := func(*http.Request, map[string]any) error { return tt.err }
		never := func(*http.Request, map[string]any) error { t.Error("a hook ran after one that refused"); return nil }
		identify := func(*http.Request) (message.Principal, error) { return nil, tt.err }
		for name, h := range map[string]transport.Handshake{
			"hook":      {Hooks: []func(*http.Request, map[string]any) error{refuse, never}},
			"principal": {Principal: identify, Hooks: []func(*http.Request, map[string]any) error{never}},
		} {
			f := start(t, setup{config: transport.Config{Handshake: h, Logger: slog.New(slog.NewTextHandler(&log, nil))}})
			resp := f.attempt(t, http.Header{"Cookie": {"crumbs"}, "Authorization": {"crumbs"}})
			body, _ := io.ReadAll(resp.Body)
			if resp.StatusCode != tt.status || strings.TrimSpace(string(body)) != tt.text {
				t.Errorf("%s, %v: %d %q", name, tt.err, resp.StatusCode, body)
			}
			if st := f.Stats(); st.Refused != 1 || st.Open != 0 {
				t.Errorf("%s: %+v", name, st)
			}
		}
		if strings.Contains(log.String(), "crumbs") {
			t.Errorf("secrets in the log: %s", log.String())
		}
		if tt.status == 500 != strings.Contains(log.String(), "request failed") {
			t.Errorf("%v: log %q", tt.err, log.String())
		}
	}
}

type ctxKey struct{}

func TestInfo(t *testing.T) {
	f := start(t, setup{
		config: transport.Config{Handshake: transport.Handshake{
			Principal: func(r *http.Request) (message.Principal, error) { return message.User(r.URL.Query().Get("user")), nil },
			Hooks: []func(*http.Request, map[string]any) error{
				func(_ *http.Request, a map[string]any) error { a["tenant"] = "acme"; return nil },
				func(_ *http.Request, a map[string]any) error { a["plan"] = a["tenant"].(string) + "-gold"; return nil },
			},
		}},
		wrap: func(h http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				ctx, cancel := context.WithTimeout(context.WithValue(r.Context(), ctxKey{}, "trace"), time.Hour)
				defer cancel()
				r.URL.RawQuery = "user=ann"
				h.ServeHTTP(w, r.WithContext(ctx))
			})
		},
	})
	ws, p := f.dial(t, nil)
	info := p.conn.Info()
	if info.Principal.Name() != "ann" || info.Attributes["tenant"] != "acme" || info.Attributes["plan"] != "acme-gold" ||
		info.Transport != "websocket" || info.RemoteAddr != ws.LocalAddr().String() {
		t.Errorf("info %+v", info)
	}
	if info.Context.Value(ctxKey{}) != "trace" {
		t.Error("the context lost the request's values")
	}
	ws.Close()
	<-p.closed
	if _, limited := info.Context.Deadline(); limited || info.Context.Err() != nil {
		t.Error("the context shares the request's end")
	}
	before := runtime.NumGoroutine()
	var child context.Context
	for range 100 {
		var cancel func()
		child, cancel = context.WithCancel(info.Context)
		defer cancel()
	}
	if more := runtime.NumGoroutine() - before; more > 50 {
		t.Errorf("%d goroutines for 100 children of the context", more)
	}
	f.Close()
	if info.Context.Err() == nil {
		t.Error("the context did not end with the server")
	}
	<-child.Done()
}

func TestMaxConnections(t *testing.T) {
	f := start(t, setup{config: transport.Config{MaxConnections: 2}})
	ws, p := f.dial(t, nil)
	f.dial(t, nil)
	for range 3 {
		if resp := f.attempt(t, nil); resp.StatusCode != http.StatusServiceUnavailable {
			t.Errorf("status %d", resp.StatusCode)
		}
	}
	ws.UnderlyingConn().Close()
	if err := <-p.closed; !errors.Is(err, transport.ErrLost) {
		t.Errorf("reason of a lost connection: %v", err)
	}
	for f.Stats().Open == 2 { // the place is given back after Closed
		waitABit()
	}
	f.dial(t, nil)
	for f.Stats().Open < 2 { // it is in the table after open
		waitABit()
	}
	if st := f.Stats(); st.Open != 2 || st.Total != 3 || st.Refused != 3 || st.Limited.Connections != 3 || st.Closed["transport"] != 1 {
		t.Errorf("%+v", st)
	}
}

func TestRefusedHandshakeGivesItsPlaceBack(t *testing.T) {
	refuse := true
	f := start(t, setup{config: transport.Config{MaxConnections: 1, Handshake: transport.Handshake{
		Hooks: []func(*http.Request, map[string]any) error{func(r *http.Request, _ map[string]any) error {
			if r.Header.Get("Panic") != "" {
				panic(http.ErrAbortHandler)
			}
			if refuse {
				return message.Errorf(message.CodeDenied, "no")
			}
			return nil
		}},
	}}})
	f.attempt(t, nil)
	req, _ := http.NewRequest(http.MethodGet, f.http.URL, nil)
	req.Header.Set("Panic", "yes")
	if _, err := f.http.Client().Do(req); err == nil {
		t.Error("the hook did not panic")
	}
	refuse = false
	resp, err := f.http.Client().Get(f.http.URL)
	if err != nil || resp.StatusCode != http.StatusBadRequest {
		t.Fatalf("a request that is no handshake: %v %v", resp, err)
	}
	resp.Body.Close()
	f.dial(t, nil)
}

func TestOpenThatPanicsLeavesNothing(t *testing.T) {
	var opened atomic.Bool
	f := start(t, setup{
		config: transport.Config{MaxConnections: 1},
		open: func(p *peer) {
			if !opened.Swap(true) {
				p.conn.Heartbeat(time.Hour, time.Hour, text("beat"))
				p.conn.Send(text("hello"))
				panic(http.ErrAbortHandler)
			}
		},
	})
	ws, _, err := websocket.DefaultDialer.Dial(f.url(), nil)
	if err == nil {
		for err == nil {
			_, _, err = ws.ReadMessage()
		}
		ws.Close()
	}
	for err = errors.New("full"); err != nil; { // the place is given back
		if ws, _, err = websocket.DefaultDialer.Dial(f.url(), nil); err == nil {
			ws.Close()
			<-(<-f.peers).closed
		}
	}
	if st := f.Stats(); st.Total != 1 {
		t.Errorf("%+v", st)
	}
}

// opaque hides all but the three methods of a ResponseWriter; unwrapping
// also has Unwrap.
type opaque struct{ w http.ResponseWriter }

func (o opaque) Header() http.Header         { return o.w.Header() }
func (o opaque) Write(p []byte) (int, error) { return o.w.Write(p) }
func (o opaque) WriteHeader(status int)      { o.w.WriteHeader(status) }

type unwrapping struct{ opaque }

func (u unwrapping) Unwrap() http.ResponseWriter { return u.w }

func TestHijack(t *testing.T) {
	var log bytes.Buffer
	wrap := func(f func(http.ResponseWriter) http.ResponseWriter) func(http.Handler) http.Handler {
		return func(h http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { h.ServeHTTP(f(w), r) })
		}
	}
	bad := start(t, setup{
		config: transport.Config{Logger: slog.New(slog.NewTextHandler(&log, nil))},
		wrap:   wrap(func(w http.ResponseWriter) http.ResponseWriter { return opaque{w} }),
	})
	resp := bad.attempt(t, nil)
	if body, _ := io.ReadAll(resp.Body); resp.StatusCode != 500 || !strings.Contains(string(body), "transport_test.opaque cannot be hijacked") {
		t.Errorf("%d %s", resp.StatusCode, body)
	}
	if !strings.Contains(log.String(), "transport_test.opaque cannot be hijacked") {
		t.Errorf("log: %s", log.String())
	}
	good := start(t, setup{
		receive: echo,
		wrap:    wrap(func(w http.ResponseWriter) http.ResponseWriter { return unwrapping{opaque{w}} }),
	})
	good.dial(t, nil)
}

func TestOversizedHandshakeIsRefusedAtOnce(t *testing.T) {
	f := start(t, setup{ws: transport.WebSocketConfig{Subprotocols: []string{"v1"}}})
	many := http.Header{}
	for i := range 2000 {
		many.Add("X-Header", fmt.Sprint(i))
	}
	for name, header := range map[string]http.Header{
		"2,000 headers":        many,
		"64 KiB of protocols":  {"Sec-WebSocket-Protocol": {strings.Repeat("v,", 32<<10)}},
		"64 KiB of one header": {"Cookie": {strings.Repeat("c", 64<<10)}},
	} {
		req, _ := http.NewRequest(http.MethodGet, f.http.URL, nil)
		req.Header = header
		resp, err := f.http.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
			t.Errorf("%s: %d", name, resp.StatusCode)
		}
	}
}

func TestCompressionIsNotNegotiated(t *testing.T) {
	f := start(t, setup{})
	resp := f.attempt(t, http.Header{"Sec-WebSocket-Extensions": {"permessage-deflate"}})
	if got := resp.Header.Get("Sec-WebSocket-Extensions"); got != "" {
		t.Errorf("extensions %q", got)
	}
}

// challenging is an error that says how to log in.
type challenging struct{ error }

func (e challenging) Unwrap() error      { return e.error }
func (challenging) Challenges() []string { return []string{"Basic", `Bearer realm="x"`} }

func TestChallenges(t *testing.T) {
	for code, want := range map[message.Code]string{message.CodeUnauthenticated: `401 [Basic Bearer realm="x"]`, message.CodeDenied: "403 []"} {
		f := start(t, setup{config: transport.Config{Handshake: transport.Handshake{
			Principal: func(*http.Request) (message.Principal, error) {
				return nil, fmt.Errorf("wrapped: %w", challenging{message.Errorf(code, "m")})
			},
		}}})
		resp := f.attempt(t, nil)
		if got := fmt.Sprint(resp.StatusCode, " ", resp.Header["Www-Authenticate"]); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}
