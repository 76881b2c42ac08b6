package sockjs_test

import (
	"cmp"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/stompadapter/sockjs"
	"github.com/headrace/headrace/transport"
)

// plain is a ResponseWriter of middleware: it can be unwrapped and no more.
type plain struct{ w http.ResponseWriter }

func (p plain) Header() http.Header         { return p.w.Header() }
func (p plain) Write(b []byte) (int, error) { return p.w.Write(b) }
func (p plain) WriteHeader(status int)      { p.w.WriteHeader(status) }
func (p plain) Unwrap() http.ResponseWriter { return p.w }

// TestMount: wherever a router puts it, below bases of one segment and of more.
func TestMount(t *testing.T) {
	silent := func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { h.ServeHTTP(w, r) })
	}
	for name, tt := range map[string]struct {
		prefix string
		route  func(h http.Handler) http.Handler
		greets bool
		base   string // "" stands for /base
	}{
		"ServeMux": {"", func(h http.Handler) http.Handler {
			mux := http.NewServeMux()
			mux.Handle("/base/", h)
			return mux
		}, true, ""},
		"ServeMux with a wildcard": {"", func(h http.Handler) http.Handler {
			mux := http.NewServeMux()
			mux.Handle("/{tenant}/{rest...}", h)
			return mux
		}, true, ""},
		"StripPrefix": {"", func(h http.Handler) http.Handler {
			mux := http.NewServeMux()
			mux.Handle("/base/", http.StripPrefix("/base", h))
			return mux
		}, true, ""},
		"StripPrefix alone":                          {"", func(h http.Handler) http.Handler { return http.StripPrefix("/base", h) }, true, ""},
		"a router that says nothing":                 {"", silent, false, ""},
		"a router that says nothing, two segments":   {"", silent, false, "/api/base"},
		"a router that says nothing, three segments": {"", silent, false, "/api/v1/base"},
		"a prefix of two segments":                   {"/api/base", silent, true, "/api/base"},
		"a prefix":                                   {"base/", func(h http.Handler) http.Handler { return h }, true, ""},
		"middleware": {"/base", func(h http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { h.ServeHTTP(plain{w}, r) })
		}, true, ""},
	} {
		t.Run(name, func(t *testing.T) {
			c := everyone()
			c.Prefix = tt.prefix
			h := sockjs.New(c, echo)
			defer h.Close()
			f := &fixture{Handler: h, t: t, base: serveHTTP(t, tt.route(h)) + cmp.Or(tt.base, "/base")}
			if tt.greets {
				f.get("/").want(t, 200, "Welcome to SockJS!\n")
			}
			if a := f.get("/info"); a.status != 200 {
				t.Errorf("info: %d", a.status)
			}
			if a := f.get("/iframe.html"); a.status != 200 {
				t.Errorf("iframe: %d", a.status)
			}
			p := path()
			s := f.stream("POST", p+"/xhr_streaming")
			s.want(xhrPrelude + "o\n")
			f.post(p+"/xhr_send", `["a"]`).want(t, 204, "")
			s.want(`a["a"]` + "\n")
			ws := f.dial(path() + "/websocket")
			read(t, ws, "o")
			raw := f.dial("/websocket")
			write(t, raw, "raw")
			read(t, raw, "raw")
		})
	}
}

// TestWebSocketConfig: what SockJS says itself, a configuration does not.
func TestWebSocketConfig(t *testing.T) {
	c := everyone()
	c.WebSocket = transport.WebSocketConfig{
		Transport: "other",
		Framing:   transport.NewFraming(func(wire, _ []byte) []byte { return wire }),
		Goodbye:   func(error) []byte { return []byte("bye") },
	}
	f := start(t, c, func(s *sockjs.Session) { s.Send(s.Info().Transport) })
	ws := f.dial("/websocket")
	read(t, ws, "websocket")
	readClose(t, ws, 1000, "")
	read(t, f.dial("/0/a/websocket"), "o", `a["sockjs/websocket"]`, `c[1000,""]`)
}

// conversation is a protocol that records and answers.
type conversation struct {
	conn   *transport.Conn
	answer func(c *conversation, p string) error

	mu     sync.Mutex
	got    []string
	ends   int
	closed chan error
}

func (c *conversation) Receive(p []byte) error {
	c.mu.Lock()
	c.got = append(c.got, string(p))
	c.mu.Unlock()
	if c.answer != nil {
		return c.answer(c, string(p))
	}
	return nil
}

func (c *conversation) EndMessage() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ends++
	return nil
}

func (c *conversation) Closed(reason error) { c.closed <- reason }

func (c *conversation) say(p string) {
	c.conn.Send(transport.NewFrame(c.conn.Framing(), []byte(p)))
}

// mounted is an endpoint for a protocol.
type mounted struct {
	*fixture
	opened chan *conversation
}

func mount(t *testing.T, answer func(c *conversation, p string) error) *mounted {
	s := transport.NewServer(transport.Config{
		Handshake: transport.Handshake{NoOriginCheck: true},
		Logger:    slog.New(slog.DiscardHandler),
	})
	m := &mounted{opened: make(chan *conversation, 100)}
	h := sockjs.Mount(s, everyone().MountConfig, func(c *transport.Conn) transport.Protocol {
		p := &conversation{conn: c, answer: answer, closed: make(chan error, 1)}
		m.opened <- p
		return p
	})
	m.fixture = &fixture{t: t, base: serveHTTP(t, h) + "/base"}
	t.Cleanup(s.Close)
	return m
}

// TestPieces: a frame of the protocol may be split over messages, and one
// message hold several.
func TestPieces(t *testing.T) {
	m := mount(t, func(c *conversation, p string) error {
		c.say("1\n\x002\n\x00")
		c.say("3\n")
		c.say("\x00")
		return nil
	})
	const want = `"1\n\u00002\n\u0000","3\n","\u0000"`
	p := path()
	m.post(p+"/xhr", "").want(t, 200, "o\n")
	m.post(p+"/xhr_send", `["SEND\n","\n\u0000SEND","\n\n\u0000\n"]`).want(t, 204, "")
	c := <-m.opened
	c.mu.Lock()
	if strings.Join(c.got, "|") != "SEND\n|\n\x00SEND|\n\n\x00\n" || c.ends != 3 {
		t.Errorf("%q, %d ends", c.got, c.ends)
	}
	c.mu.Unlock()
	m.post(p+"/xhr", "").want(t, 200, "a["+want+","+want+","+want+"]\n")

	ws := m.dial(path() + "/websocket")
	read(t, ws, "o")
	write(t, ws, `["x"]`)
	read(t, ws, `a["1\n\u00002\n\u0000"]`, `a["3\n"]`, `a["\u0000"]`)
}

// TestCharacters: all of them survive both ways, over all transports; what is
// no text arrives as U+FFFD.
func TestCharacters(t *testing.T) {
	m := mount(t, func(c *conversation, p string) error {
		c.say(p)
		return nil
	})
	const in, out = "[\"\\u0000\\u001b\u2028\\u2028\u0085\ufeff\ufffe😀\x7f\"]", "a[\"\\u0000\\u001b\\u2028\\u2028\u0085\ufeff\\ufffe\\ud83d\\ude00\x7f\"]"
	p := path()
	s := m.stream("GET", p+"/eventsource")
	s.want("\r\ndata: o\r\n\r\n")
	m.post(p+"/xhr_send", in).want(t, 204, "")
	s.want("data: " + out + "\r\n\r\n")
	ws := m.dial(path() + "/websocket")
	read(t, ws, "o")
	write(t, ws, in)
	read(t, ws, out)

	(<-m.opened).say("bi\xffnary")
	s.want(`data: a["bi\ufffdnary"]` + "\r\n\r\n")
	(<-m.opened).say("bi\xffnary")
	read(t, ws, `a["bi\ufffdnary"]`)
}

// TestLastWords: what is sent before the end arrives before the end, on polls
// too.
func TestLastWords(t *testing.T) {
	for reason, closed := range map[error]string{
		nil: `c[1000,""]`,
		error(message.Errorf(message.CodeInvalid, "no such command")): `c[1002,"no such command"]`,
		errors.New("canary"): `c[1011,"internal error"]`,
	} {
		m := mount(t, func(c *conversation, p string) error {
			c.say("ERROR")
			c.conn.Close(reason)
			return nil
		})
		p := path()
		m.post(p+"/xhr", "").want(t, 200, "o\n")
		m.post(p+"/xhr_send", `["x"]`).want(t, 204, "")
		m.post(p+"/xhr", "").want(t, 200, `a["ERROR"]`+"\n")
		m.post(p+"/xhr", "").want(t, 200, closed+"\n")
		if err := <-(<-m.opened).closed; !errors.Is(err, reason) {
			t.Errorf("ended with %v, want %v", err, reason)
		}

		p = path()
		s := m.stream("POST", p+"/xhr_streaming")
		s.want(xhrPrelude + "o\n")
		m.post(p+"/xhr_send", `["x"]`).want(t, 204, "")
		s.want(`a["ERROR"]` + "\n" + closed + "\n")
		s.end()

		ws := m.dial(path() + "/websocket")
		read(t, ws, "o")
		write(t, ws, `["x"]`)
		read(t, ws, `a["ERROR"]`, closed)
	}
}

// TestProtocolError: an error of Receive ends the session, and the client is
// told by its receiver, not by the request that sent.
func TestProtocolError(t *testing.T) {
	m := mount(t, func(c *conversation, p string) error { return message.Errorf(message.CodeDenied, "no") })
	p := path()
	m.post(p+"/xhr", "").want(t, 200, "o\n")
	m.post(p+"/xhr_send", `["a","b"]`).want(t, 204, "")
	m.post(p+"/xhr", "").want(t, 200, `c[1008,"no"]`+"\n")
	c := <-m.opened
	<-c.closed
	if !slices.Equal(c.got, []string{"a"}) {
		t.Errorf("%q", c.got)
	}
}

// TestProtocolHeartbeat: a heart-beat that the protocol has agreed on takes the
// place of SockJS's own.
func TestProtocolHeartbeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := startVirtual(t, everyone(), func(s *sockjs.Session) { echo(s) })
		defer v.stop()
		s := transport.NewServer(transport.Config{Handshake: transport.Handshake{NoOriginCheck: true}})
		defer s.Close()
		v.server.Handler = sockjs.Mount(s, everyone().MountConfig, func(c *transport.Conn) transport.Protocol {
			c.Heartbeat(10*time.Second, 0, transport.NewFrame(c.Framing(), []byte("\n")))
			return &conversation{conn: c, closed: make(chan error, 1)}
		})
		resp := v.open(t.Context(), "POST", "/0/a/xhr_streaming", "")
		defer resp.Body.Close()
		st := newStream(t, resp)
		began := time.Now()
		st.want(xhrPrelude + "o\n" + strings.Repeat(`a["\n"]`+"\n", 20))
		if d := time.Since(began); d > 200*time.Second {
			t.Errorf("took %v", d)
		}
		ws := v.dial("/0/a/websocket")
		defer ws.Close()
		read(t, ws, "o")
		for range 20 {
			read(t, ws, `a["\n"]`)
		}
	})
}

// TestTransportsMeet: sessions of all transports share what is broadcast.
func TestTransportsMeet(t *testing.T) {
	m := mount(t, nil)
	xhr := m.stream("POST", path()+"/xhr_streaming")
	xhr.want(xhrPrelude + "o\n")
	event := m.stream("GET", path()+"/eventsource")
	event.want("\r\ndata: o\r\n\r\n")
	p := path()
	m.post(p+"/xhr", "").want(t, 200, "o\n")
	ws := m.dial(path() + "/websocket")
	read(t, ws, "o")
	raw := m.dial("/websocket")
	frames := make(map[*transport.Framing]*transport.Frame)
	for range 5 {
		c := (<-m.opened).conn
		if frames[c.Framing()] == nil {
			frames[c.Framing()] = transport.NewFrame(c.Framing(), []byte("all"))
		}
		c.Send(frames[c.Framing()])
	}
	if len(frames) != 3 {
		t.Errorf("%d frames for three wire forms", len(frames))
	}
	xhr.want(`a["all"]` + "\n")
	event.want(`data: a["all"]` + "\r\n\r\n")
	m.post(p+"/xhr", "").want(t, 200, `a["all"]`+"\n")
	read(t, ws, `a["all"]`)
	read(t, raw, "all")
}
