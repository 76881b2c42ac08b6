package jsonadapter_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"

	"github.com/headrace/headrace/jsonadapter"
	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/transport"
)

// TestRefusals sends what is wrong: the client is told what, and the session
// goes on.
func TestRefusals(t *testing.T) {
	const invalid = `"code":"invalid","message":`
	in := &inbound{on: func(context.Context, message.Raw) error { return message.Errorf(message.CodeDenied, "not you") }}
	s := serve(in, jsonadapter.Config{})
	defer s.Close()
	c := s.connect(t)
	for _, tt := range []struct{ name, object, want string }{
		{"unknown type", `{"type":"shout","receipt":"r"}`, `"receipt":"r",` + invalid + `"there is no type \"shout\""`},
		{"no type", `{}`, invalid + `"there is no type \"\""`},
		{"connect again", `{"type":"connect","receipt":"r"}`, `"receipt":"r","code":"conflict","message":"the session has begun already"`},
		{"no destination", `{"type":"send"}`, invalid + `"send and subscribe, and no others, need a destination"`},
		{"a destination too many", `{"type":"unsubscribe","id":"1","destination":"/a"}`, invalid + `"send and subscribe, and no others, need a destination"`},
		{"no id", `{"type":"subscribe","destination":"/a"}`, invalid + `"all but connect, send and disconnect, and no others, need an id"`},
		{"long destination", `{"type":"subscribe","id":"1","destination":"/` + strings.Repeat("a", 255) + `"}`, `"code":"too-large","message":"a destination has at most 255 octets"`},
		{"wrong type of a field", `{"type":"send","destination":5,"receipt":"r"}`, `"receipt":"r",` + invalid + `"destination cannot be a JSON number"`},
		{"header of numbers", `{"type":"send","destination":"/a","header":{"n":1}}`, invalid + `"header cannot be a JSON number"`},
		{"encoding", `{"type":"send","destination":"/a","payload":"x","encoding":"gzip"}`, invalid + `"the only encoding is base64, of a string"`},
		{"base64 of a number", `{"type":"send","destination":"/a","payload":1,"encoding":"base64"}`, invalid + `"the only encoding is base64, of a string"`},
		{"bad base64", `{"type":"send","destination":"/a","payload":"%","encoding":"base64"}`, invalid + `"the payload is not base64"`},
		{"content-type", `{"type":"send","destination":"/a","header":{"content-type":"text/plain"},"payload":{}}`, invalid + `"the payload must be a string unless its content-type is JSON"`},
		{"refused by the application", `{"type":"send","destination":"/a","receipt":""}`, `"receipt":"","code":"denied","message":"not you"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			before := s.Stats().Refused
			c.t = t
			c.write(tt.object)
			c.want(`{"type":"error",` + tt.want + `}`)
			c.write(`{"type":"ping"}`)
			c.want(`{"type":"pong"}`)
			if n := s.Stats().Refused - before; n != 1 {
				t.Errorf("counted %d times", n)
			}
		})
	}
	if n := strings.Count(s.log.String(), "request refused"); n != 14 {
		t.Errorf("%d lines were logged of 14 refusals", n)
	}
}

// TestBrokenProtocol sends what ends a session.
func TestBrokenProtocol(t *testing.T) {
	const (
		noObject = `{"type":"error","code":"invalid","message":"what was sent is not a sequence of JSON objects"}`
		first    = `{"type":"error","code":"invalid","message":"the first object must be of the type connect, not `
		tooLarge = `{"type":"error","code":"too-large","message":"the object is too large"}`
	)
	for _, tt := range []struct {
		name, text string
		connected  bool
		want       string
		code       int
	}{
		{"garbage", "hello", true, noObject, websocket.CloseProtocolError},
		{"array", `[]`, true, noObject, websocket.CloseProtocolError},
		{"syntax", `{"type":}`, true, noObject, websocket.CloseProtocolError},
		{"brackets that do not match", `{"type":"send"]`, true, noObject, websocket.CloseProtocolError},
		{"garbage first", "GET / HTTP/1.1", false, noObject, websocket.CloseProtocolError},
		{"send first", `{"type":"send","destination":"/a"}`, false, first + `send"}`, websocket.CloseProtocolError},
		{"subscribe first", `{"type":"subscribe","destination":"/a","id":"1"}`, false, first + `subscribe"}`, websocket.CloseProtocolError},
		{"bad connect", `{"type":"connect","payload":1,"encoding":"x"}`, false, `{"type":"error","code":"invalid","message":"the only encoding is base64, of a string"}`, websocket.CloseProtocolError},
		{"disconnect first", `{"type":"disconnect"}`, false, "", websocket.CloseNormalClosure},
		{"nothing after disconnect", `{"type":"disconnect","receipt":"r"}{"type":"send"}garbage`, true, `{"type":"receipt","receipt":"r"}`, websocket.CloseNormalClosure},
		{"object over several messages", `{"payload":"` + strings.Repeat("x", 40<<10), true, tooLarge, websocket.CloseMessageTooBig},
	} {
		t.Run(tt.name, func(t *testing.T) {
			in := new(inbound)
			s := serve(in, jsonadapter.Config{})
			defer s.Close()
			c := s.dial(t)
			if tt.connected {
				c = s.connect(t)
			}
			c.write(tt.text)
			if tt.want == tooLarge {
				c.write(strings.Repeat("x", 40<<10))
			}
			if tt.want != "" {
				c.want(tt.want)
			}
			c.want("")
			if c.code != tt.code {
				t.Errorf("close code %d, want %d", c.code, tt.code)
			}
			s.Close()
			want := 0
			if tt.connected {
				want = 2
			}
			if got := in.messages(); len(got) != want {
				t.Errorf("the application saw %v", got)
			}
		})
	}
}

// TestBrokenBinary sends octets that are no text in a binary message, which the
// transport lets pass.
func TestBrokenBinary(t *testing.T) {
	s := serve(new(inbound), jsonadapter.Config{})
	defer s.Close()
	c := s.connect(t)
	if err := c.ws.WriteMessage(websocket.BinaryMessage, []byte("{\"type\":\"ping\",\"id\":\"\xff\"}")); err != nil {
		t.Fatal(err)
	}
	c.want(`{"type":"error","code":"invalid","message":"what was sent is not a sequence of JSON objects"}`, "")
}

// TestLoginTimeout counts from the connection to connected: for clients that
// say nothing, and for those that nobody answers.
func TestLoginTimeout(t *testing.T) {
	for name, text := range map[string]string{"silent": "", "unanswered": `{"type":"connect"}`} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				s := serveOn(newPipes(), message.HandlerFunc[[]byte](func(_ context.Context, m message.Raw) error {
					if m.Kind == message.KindConnect {
						m.Done.Hold()
					}
					return nil
				}), jsonadapter.Config{})
				defer s.Close()
				c := s.dial(t)
				c.ws.SetReadDeadline(time.Time{})
				if text != "" {
					c.write(text)
				}
				if _, p, err := c.ws.ReadMessage(); string(p) != `{"type":"error","code":"timeout","message":"the login took too long"}` {
					t.Errorf("got %s, %v", p, err)
				}
				c.want("")
				if took := time.Since(began); took != 10*time.Second || c.code != websocket.ClosePolicyViolation {
					t.Errorf("closed after %v with %d", took, c.code)
				}
			})
		})
	}
}

func TestLoginTimeoutEndsWithConnected(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serveOn(newPipes(), new(inbound), jsonadapter.Config{})
		defer s.Close()
		c := s.connect(t)
		time.Sleep(15 * time.Second)
		c.write(`{"type":"ping"}`)
		c.want(`{"type":"pong"}`)
	})
}

// TestUserIsNamed logs in as somebody.
func TestUserIsNamed(t *testing.T) {
	s := serve(message.HandlerFunc[[]byte](func(ctx context.Context, m message.Raw) error {
		if m.Kind == message.KindConnect {
			m.Session.SetUser(message.User(m.Header.Get("login")))
			return m.Session.Deliver(ctx, message.Raw{Kind: message.KindConnected})
		}
		return errors.New("the password is hunter2")
	}), jsonadapter.Config{})
	defer s.Close()
	c := s.dial(t)
	c.write(`{"type":"connect","header":{"login":"anna","passcode":"swordfish"},"receipt":"in"}`)
	if got := c.read(); !strings.HasPrefix(got, `{"type":"connected","session":"`) || !strings.HasSuffix(got, `","user":"anna"}`) {
		t.Errorf("got %s", got)
	}
	c.want(`{"type":"receipt","receipt":"in"}`)
	c.write(`{"type":"send","destination":"/a"}`)
	c.want(`{"type":"error","code":"internal","message":"internal error"}`)
	if log := s.log.String(); strings.Contains(log, "swordfish") || !strings.Contains(log, "hunter2") {
		t.Errorf("the log says %s", log)
	}
}

// TestRefusedWhileDraining sends one more while the server shuts down.
func TestRefusedWhileDraining(t *testing.T) {
	taken := make(chan message.Raw, 1)
	in := &inbound{on: func(_ context.Context, m message.Raw) error {
		if m.Kind == message.KindData {
			m.Done.Hold()
			taken <- m
		}
		return nil
	}}
	s := serve(in, jsonadapter.Config{})
	defer s.Close()
	c := s.connect(t)
	c.write(`{"type":"send","destination":"/a","receipt":"1"}`)
	m := <-taken
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	s.Shutdown(gone)
	c.write(`{"type":"send","destination":"/a","receipt":"2"}{"type":"ping"}`)
	c.want(`{"type":"pong"}`) // so the object before it was taken
	m.Done.Release(nil)
	c.want(`{"type":"receipt","receipt":"1"}`,
		`{"type":"error","receipt":"2","code":"unavailable","message":"`+message.Public(new(transport.ShutdownError)).Message+`"}`, "")
	if c.code != websocket.CloseServiceRestart {
		t.Errorf("close code %d", c.code)
	}
}

// TestPendingIsBounded takes no more than 1,024 objects before the first is done.
func TestPendingIsBounded(t *testing.T) {
	const most = 1024
	taken := make(chan message.Raw, 2*most)
	in := &inbound{on: func(_ context.Context, m message.Raw) error {
		if m.Kind == message.KindData {
			m.Done.Hold()
			taken <- m
		}
		return nil
	}}
	s := serve(in, jsonadapter.Config{})
	defer s.Close()
	c := s.connect(t)
	c.write(strings.Repeat(`{"type":"send","destination":"/a"}`, most+100))
	var first message.Raw
	for i := range most {
		if m := <-taken; i == 0 {
			first = m
		}
	}
	other := s.connect(t) // time to take more
	other.write(`{"type":"ping"}`)
	other.want(`{"type":"pong"}`)
	if n := len(taken); n > 0 {
		t.Errorf("%d more were taken", n)
	}
	first.Done.Release(nil)
	<-taken
}

// TestNewPanics wires adapters wrongly: the panic names what is wrong.
func TestNewPanics(t *testing.T) {
	for _, tt := range []struct {
		inbound message.RawHandler
		config  jsonadapter.Config
		names   string
	}{
		{nil, jsonadapter.Config{}, "inbound"},
		{new(inbound), jsonadapter.Config{LoginTimeout: -1}, "LoginTimeout"},
	} {
		t.Run(tt.names, func(t *testing.T) {
			defer func() {
				if said, _ := recover().(string); !strings.Contains(said, tt.names) {
					t.Errorf("New panicked with %q", said)
				}
			}()
			jsonadapter.New(tt.inbound, tt.config).Close()
		})
	}
}
