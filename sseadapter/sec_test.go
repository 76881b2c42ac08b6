package sseadapter_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/sseadapter"
	"github.com/headrace/headrace/transport"
)

// request makes a request with names and values of a header in turn, and
// returns the response, which is not read.
func (s *site) request(t *testing.T, method, query string, header ...string) *http.Response {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	r, _ := http.NewRequestWithContext(ctx, method, s.http.URL+"?"+query, strings.NewReader("x"))
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	response, err := s.http.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { response.Body.Close() })
	return response
}

// Nothing is sent, and nobody listens, for a client that was not connected.
func TestSec_S06_NothingWithoutConnect(t *testing.T) {
	var mu sync.Mutex
	var seen []string
	s := serve(message.HandlerFunc[[]byte](func(_ context.Context, m message.Raw) error {
		mu.Lock()
		defer mu.Unlock()
		seen = append(seen, m.Kind.String())
		return message.Errorf(message.CodeUnauthenticated, "who are you?")
	}), sseadapter.Config{Transport: transport.Config{Handshake: transport.Handshake{
		Principal: func(*http.Request) (message.Principal, error) { return message.User("victim"), nil },
	}}})
	if r := s.request(t, http.MethodPost, "destination=/app/transfer"); r.StatusCode != http.StatusNotFound {
		t.Errorf("a POST of no session: %s", r.Status)
	}
	if r := s.request(t, http.MethodGet, "destination=/topic/a&destination=/topic/b"); r.StatusCode != http.StatusUnauthorized {
		t.Errorf("refused: %s", r.Status)
	}
	s.Close()
	if got := strings.Join(seen, " "); got != "connect disconnect" {
		t.Errorf("inbound saw %q", got)
	}
}

// A page of another origin neither listens nor sends, however it asks.
func TestSec_S08_Origins(t *testing.T) {
	s, h := open(t, sseadapter.Config{Transport: transport.Config{Handshake: transport.Handshake{AllowedOrigins: []string{"https://shop.example"}}}})
	l, greeting := start(t, s, h)
	for _, header := range [][]string{
		{"Origin", "null"}, {"Origin", ""}, {"Origin", "*"}, {"Origin", "https://evil.example"},
		{"Origin", "https://evilshop.example"}, {"Origin", "https://shop.example.evil"}, {"Origin", "https://sub.shop.example"},
		{"Origin", "http://shop.example"}, {"Origin", "https://shop.example:444"}, {"Origin", "https://shop.example@evil.example"},
		{"Origin", "https://sh\u043ep.example"}, {"Origin", "https://shop.example", "Origin", "https://evil.example"},
		{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"},
	} {
		for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodOptions} {
			r := s.request(t, method, "session="+greeting.Token+"&destination=/topic/a", header...)
			if r.StatusCode != http.StatusForbidden || r.Header.Get("Access-Control-Allow-Origin") != "" || r.Header.Get("X-Content-Type-Options") != "nosniff" {
				t.Errorf("%s of %q: %s %v", method, header, r.Status, r.Header)
			}
		}
	}
	for _, header := range [][]string{nil, {"Origin", s.http.URL}, {"Origin", "https://shop.example", "Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-origin"}, {"Sec-Fetch-Site", "none"}} {
		if r := s.request(t, http.MethodPost, "session="+greeting.Token+"&destination=/topic/b", header...); r.StatusCode != http.StatusAccepted {
			t.Errorf("%q: %s", header, r.Status)
		}
	}
	h.publish("only this")
	mustRead(t, l, "only this")
}

// No value breaks the stream of events, wherever it stands.
func TestSec_S13_LineBreaks(t *testing.T) {
	for _, value := range []string{"\n", "\r", "\r\n", "\n\n", "\u2028", "\u2029", "\n\ndata: forged\n\n", "\nid: x.7\n", "\nevent: failure\ndata: {}\n\n", "\xff\n"} {
		s, h := open(t, sseadapter.Config{})
		l := mustListen(t, s, url.Values{"destination": {"/topic/**"}}, "")
		greeting := mustNext(t, l, "connected")
		<-h.stored
		query := url.Values{"session": {greeting.Token}, "destination": {"/topic/" + strings.ToValidUTF8(value, "")}, "header": {"name:" + strings.ToValidUTF8(value, "")}, "receipt": {strings.ToValidUTF8(value, "")}}
		if status, err := s.post(s.http.Client(), query, "", value); status != http.StatusAccepted {
			t.Fatal(status, err)
		}
		for _, name := range []string{"", "receipt"} {
			e := mustNext(t, l, name)
			if !strings.HasPrefix(l.lastID, greeting.Token+".") {
				t.Errorf("%q: the id of the event is %q", value, l.lastID)
			}
			if name == "receipt" {
				if e.Receipt != query.Get("receipt") {
					t.Errorf("%q: receipt %q", value, e.Receipt)
				}
				continue
			}
			header, payload, err := e.Open(message.KindData)
			if err != nil || string(payload) != value || e.Destination != query.Get("destination") || header.Get("name") != strings.ToValidUTF8(value, "") {
				t.Errorf("%q: got %q at %q with %v, %v", value, payload, e.Destination, header, err)
			}
		}
		s.Close()
	}
}

// What a request says of itself is bounded before it is read.
func TestSec_S18_QueryFlood(t *testing.T) {
	s, h := open(t, sseadapter.Config{})
	l, greeting := start(t, s, h)
	flood := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, "&header=h%d:v", i)
		}
		return b.String()
	}
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		for _, query := range []string{flood(9000), "header=a:" + strings.Repeat("x", 16<<10)} {
			r := s.request(t, method, "session="+greeting.Token+"&destination=/topic/a"+query)
			if text, _ := io.ReadAll(r.Body); r.StatusCode != http.StatusRequestEntityTooLarge {
				t.Errorf("%s: %s %s", method, r.Status, text)
			}
		}
	}
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		r := s.request(t, method, "session="+greeting.Token+"&destination=/topic/a"+flood(65))
		if text, _ := io.ReadAll(r.Body); r.StatusCode != http.StatusRequestEntityTooLarge || string(text) != "more than 64 headers\n" {
			t.Errorf("%s with 65 headers: %s %s", method, r.Status, text)
		}
		if r := s.request(t, method, "session="+greeting.Token+"&destination=%zz"); r.StatusCode != http.StatusBadRequest {
			t.Errorf("%s of a malformed query: %s", method, r.Status)
		}
	}
	s.request(t, http.MethodPost, "session="+greeting.Token+"&destination=/topic/a"+flood(64))
	mustRead(t, l, "x")
}

// lockedBuffer is written to by many goroutines.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

// What a request is authorized by is nobody else's to read.
func TestSec_S12_SecretsStayIn(t *testing.T) {
	log := new(lockedBuffer)
	s := serve(newHall(), sseadapter.Config{Logger: slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))})
	t.Cleanup(s.Close)
	secrets := []string{"Authorization", "Bearer canary", "Cookie", "session=canary", "Last-Event-ID", "canary.1"}
	told := ""
	for _, query := range []string{
		"header=token:bad&header=passcode:canary", "header=canary", "session=canary&header=canary", "token=canary&header=x",
		"header=passcode:canary&destination=" + strings.Repeat("x", 17<<10),
	} {
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			r := s.request(t, method, query, secrets...)
			if r.StatusCode < 400 {
				t.Fatalf("%s %.100s: %s", method, query, r.Status)
			}
			text, _ := io.ReadAll(r.Body)
			told += string(text)
		}
	}
	s.Close()
	if log := log.b.String(); strings.Contains(told+log, "canary") || log == "" || told == "" {
		t.Errorf("clients are told %q, the log is\n%s", told, log)
	}
}
