package sseadapter_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/sseadapter"
	"github.com/headrace/headrace/transport"
)

// hall is a broker that tells of subscriptions and of sessions that end.
type hall struct {
	*broker.Memory
	stored chan struct{}
	left   chan error
}

func newHall() *hall {
	return &hall{
		Memory: broker.NewMemory(message.HandlerFunc[[]byte](func(ctx context.Context, m message.Raw) error {
			return m.Session.Deliver(ctx, m)
		}), broker.Config{}),
		stored: make(chan struct{}, 100),
		left:   make(chan error, 100),
	}
}

func (h *hall) Handle(ctx context.Context, m message.Raw) error {
	switch {
	case m.Kind == message.KindConnect && m.Header.Get("token") == "bad":
		return message.Errorf(message.CodeUnauthenticated, "who are you?")
	case m.Kind == message.KindSubscribe:
		defer func() { h.stored <- struct{}{} }()
	case m.Kind == message.KindDisconnect:
		defer func() { h.left <- m.Session.Reason() }()
	}
	return h.Memory.Handle(ctx, m)
}

func (h *hall) publish(payload string) {
	h.Handle(context.Background(), message.Raw{Destination: "/topic/a", Payload: []byte(payload)})
}

var subscribed = url.Values{"destination": {"/topic/a"}}

// start listens and reads the greeting.
func start(t *testing.T, s *site, h *hall) (*listener, event) {
	t.Helper()
	l := mustListen(t, s, subscribed, "")
	greeting := mustNext(t, l, "connected")
	<-h.stored
	return l, greeting
}

func mustListen(t *testing.T, s *site, query url.Values, last string) *listener {
	t.Helper()
	l, err := s.listen(s.http.Client(), query, last)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.close)
	return l
}

func mustNext(t *testing.T, l *listener, name string) event {
	t.Helper()
	e, err := l.next()
	if err != nil || e.name != name {
		t.Fatalf("got %+v, %v, want %q", e, err, name)
	}
	return e
}

func mustRead(t *testing.T, l *listener, payloads ...string) {
	t.Helper()
	for _, want := range payloads {
		_, payload, err := mustNext(t, l, "").Open(message.KindData)
		if err != nil || string(payload) != want {
			t.Fatalf("got %q, %v, want %q", payload, err, want)
		}
	}
}

func open(t *testing.T, c sseadapter.Config) (*site, *hall) {
	h := newHall()
	s := serve(h, c)
	t.Cleanup(s.Close)
	return s, h
}

func TestResume(t *testing.T) {
	s, h := open(t, sseadapter.Config{})
	l, _ := start(t, s, h)
	h.publish("1")
	mustRead(t, l, "1")
	h.publish("2")
	last := l.lastID // "2" gets lost on the way
	mustRead(t, l, "2")
	l.close()
	h.publish("3")

	l = mustListen(t, s, subscribed, last)
	mustRead(t, l, "2", "3")
	h.publish("4")
	mustRead(t, l, "4")
	if n := s.Stats().Sessions; n != 1 {
		t.Errorf("%d sessions", n)
	}
}

func TestTakeOver(t *testing.T) {
	s, h := open(t, sseadapter.Config{})
	first, _ := start(t, s, h)
	second := mustListen(t, s, subscribed, first.lastID)
	if e, err := first.next(); err == nil {
		t.Errorf("the first one goes on with %+v", e)
	}
	h.publish("1")
	mustRead(t, second, "1")
}

func TestCannotResume(t *testing.T) {
	wantNew := func(t *testing.T, s *site, last string) {
		t.Helper()
		mustNext(t, mustListen(t, s, subscribed, last), "connected")
	}
	t.Run("after the timeout", func(t *testing.T) {
		s, h := open(t, sseadapter.Config{ResumeTimeout: 10 * time.Millisecond})
		l, _ := start(t, s, h)
		l.close()
		if reason := <-h.left; !errors.Is(reason, transport.ErrLost) {
			t.Errorf("the session ended with %v", reason)
		}
		wantNew(t, s, l.lastID)
	})
	t.Run("too much missed", func(t *testing.T) {
		s, h := open(t, sseadapter.Config{})
		l, _ := start(t, s, h)
		first := l.lastID
		for range 5 {
			h.publish(strings.Repeat("x", 10_000))
			mustNext(t, l, "")
		}
		l.close()
		wantNew(t, s, first)
		<-h.left // of the old session
	})
	t.Run("an id of nobody", func(t *testing.T) {
		s, _ := open(t, sseadapter.Config{})
		for _, id := range []string{"", "7", "token.7", "token.x", "."} {
			wantNew(t, s, id)
		}
	})
	t.Run("an event that never was", func(t *testing.T) {
		s, h := open(t, sseadapter.Config{})
		l, _ := start(t, s, h)
		wantNew(t, s, l.lastID+"0")
	})
}

// TestOwner lets somebody else use a session's token.
func TestOwner(t *testing.T) {
	s, h := open(t, sseadapter.Config{Transport: transport.Config{Handshake: transport.Handshake{
		Principal: func(r *http.Request) (message.Principal, error) {
			if name, _, ok := r.BasicAuth(); ok {
				return message.User(name), nil
			}
			return nil, nil
		},
	}}})
	l, greeting := start(t, s, h)
	as := func(user string) *http.Client {
		return &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
			r.SetBasicAuth(user, "")
			return s.http.Client().Transport.RoundTrip(r)
		})}
	}
	send := url.Values{"session": {greeting.Token}, "destination": {"/topic/a"}}
	if status, err := s.post(as("eve"), send, "", "x"); status != http.StatusNotFound {
		t.Errorf("a foreign session takes a request with %d, %v", status, err)
	}
	other, err := s.listen(as("eve"), subscribed, l.lastID)
	if err != nil {
		t.Fatal(err)
	}
	defer other.close()
	if e := mustNext(t, other, "connected"); e.User != "eve" || e.Token == greeting.Token {
		t.Errorf("got %+v", e)
	}
	if status, err := s.post(s.http.Client(), send, "", "mine"); status != http.StatusAccepted {
		t.Errorf("status %d, %v", status, err)
	}
	mustRead(t, l, "mine")
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestTurnedAway(t *testing.T) {
	s, _ := open(t, sseadapter.Config{})
	_, err := s.listen(s.http.Client(), url.Values{"header": {"token:bad"}}, "")
	if err == nil || !strings.Contains(err.Error(), "401") || !strings.Contains(err.Error(), "who are you?") {
		t.Errorf("got %v", err)
	}
}

func TestBadRequests(t *testing.T) {
	s, h := open(t, sseadapter.Config{MessageBytes: 10})
	l, greeting := start(t, s, h)
	for _, tt := range []struct {
		name   string
		query  string
		body   string
		status int
		told   string
	}{
		{"no session", "destination=/topic/a", "", 404, ""},
		{"another session", "session=x&destination=/topic/a", "", 404, ""},
		{"too large", "session=TOKEN&destination=/topic/a", "01234567890", 413, ""},
		{"no destination", "session=TOKEN", "x", 202, "need a destination"},
		{"no id", "session=TOKEN&subscribe&destination=/topic/a", "", 202, "need an id"},
		{"a destination too much", "session=TOKEN&unsubscribe=1&destination=/topic/a", "", 202, "need a destination"},
		{"no header", "session=TOKEN&destination=/topic/a&header=x", "", 202, "name:value"},
		{"two things at once", "session=TOKEN&subscribe=1&unsubscribe=1&destination=/topic/a", "", 202, "one thing"},
		{"an id twice", "session=TOKEN&subscribe=1&destination=/topic/b&receipt=r", "", 202, "already"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			query, _ := url.ParseQuery(strings.ReplaceAll(tt.query, "TOKEN", greeting.Token))
			if status, err := s.post(s.http.Client(), query, "", tt.body); status != tt.status {
				t.Fatalf("status %d, %v, want %d", status, err, tt.status)
			}
			if tt.told == "" {
				return
			}
			if e := mustNext(t, l, "failure"); !strings.Contains(e.Message, tt.told) || e.Receipt != query.Get("receipt") {
				t.Errorf("told %+v, want %q", e, tt.told)
			}
		})
	}
}

func TestOrigins(t *testing.T) {
	s, _ := open(t, sseadapter.Config{Transport: transport.Config{Handshake: transport.Handshake{AllowedOrigins: []string{"https://friend.example"}}}})
	for _, tt := range []struct {
		method, origin string
		status         int
		allowed        string
	}{
		{http.MethodOptions, "https://friend.example", 204, "https://friend.example"},
		{http.MethodOptions, "https://evil.example", 403, ""},
		{http.MethodPost, "https://evil.example", 403, ""},
		{http.MethodGet, "https://evil.example", 403, ""},
		{http.MethodPost, "https://friend.example", 404, "https://friend.example"},
		{http.MethodPut, "", 405, ""},
	} {
		r, _ := http.NewRequest(tt.method, s.http.URL, nil)
		if tt.origin != "" {
			r.Header.Set("Origin", tt.origin)
		}
		response, err := s.http.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if got := response.Header.Get("Access-Control-Allow-Origin"); response.StatusCode != tt.status || got != tt.allowed {
			t.Errorf("%s from %s: %s, allowed %q", tt.method, tt.origin, response.Status, got)
		}
	}
}

// TestShutdownSaysWhenToComeBack: the field that EventSource goes by is the last thing
// that a client reads.
func TestShutdownSaysWhenToComeBack(t *testing.T) {
	h := newHall()
	s := serve(h, sseadapter.Config{Transport: transport.Config{Drain: transport.DrainConfig{Return: 1}}})
	defer s.Close()
	readers := make([]*listener, 3)
	for i := range readers {
		readers[i], _ = start(t, s, h)
	}
	shutdown := make(chan error, 1)
	go func() { shutdown <- s.Shutdown(t.Context()) }()
	waits := map[int]int{} // by seconds
	for _, l := range readers {
		rest, err := io.ReadAll(l.events)
		if err != nil {
			t.Error(err)
		}
		l.close()
		_, last, _ := strings.Cut(string(rest), "\nretry: ")
		ms, err := strconv.Atoi(strings.TrimSuffix(last, "\n\n"))
		if err != nil {
			t.Error(err)
		}
		waits[(ms+999)/1000]++
	}
	if waits[0] != 1 || waits[1] != 1 || waits[2] != 1 {
		t.Errorf("asked to wait %v, want 0, 1 and 2 s", waits)
	}
	if err := <-shutdown; err != nil {
		t.Error(err)
	}
}
