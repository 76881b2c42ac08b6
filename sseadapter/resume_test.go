package sseadapter_test

import (
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/sseadapter"
	"github.com/headrace/headrace/transport"
)

// A client that is cut off while messages flow, time and again, misses none and
// gets none twice.
func TestResumeUnderTraffic(t *testing.T) {
	s, h := open(t, sseadapter.Config{})
	l, greeting := start(t, s, h)
	window, stopped := make(chan struct{}, 50), make(chan struct{})
	go func() { // as fast as the client reads, and a little more
		defer close(stopped)
		for i := 0; ; i++ {
			if _, more := <-window; !more {
				return
			}
			h.publish(strconv.Itoa(i))
		}
	}()
	for range cap(window) {
		window <- struct{}{}
	}
	next := 0
	for range 50 {
		for range 7 {
			mustRead(t, l, strconv.Itoa(next))
			next++
			window <- struct{}{}
		}
		l.close()
		l = mustListen(t, s, subscribed, l.lastID)
		if !strings.HasPrefix(l.response.Header.Get("Content-Type"), "text/event-stream") {
			t.Fatal(l.response.Header)
		}
	}
	close(window)
	<-stopped
	mustRead(t, l, strconv.Itoa(next))
	if token, _, _ := strings.Cut(l.lastID, "."); token != greeting.Token || s.Stats().Sessions != 1 {
		t.Errorf("another session: %+v", s.Stats())
	}
}

// A client that is stuck, of which nobody knows yet, comes back by another
// connection at once.
func TestTakeOverFromAStalledResponse(t *testing.T) {
	s, h := open(t, sseadapter.Config{Transport: transport.Config{WriteTimeout: time.Hour, OutboxBytes: 64 << 20}})
	l, greeting := start(t, s, h)
	for range 400 { // more than the kernel takes
		h.publish(strings.Repeat("x", 64<<10))
	}
	last := l.lastID
	begun := make(chan *listener)
	go func() {
		second, err := s.listen(&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}, subscribed, last)
		if err != nil {
			t.Error(err)
		}
		begun <- second
	}()
	second := <-begun
	defer second.close()
	if e := mustNext(t, second, "connected"); e.Token == greeting.Token { // too much was missed, but it is told at once
		t.Errorf("%+v", e)
	}
}

// Anything at all may be in a query.
func FuzzQuery(f *testing.F) {
	for _, query := range []string{
		"", "destination=/topic/a", "destination=%zz", "session=TOKEN&destination=/a&header=a:b&receipt", "session=TOKEN&disconnect=",
		"session=TOKEN&subscribe=1&destination=/a&unsubscribe=1", "header=:&header", ";", "destination=%00", "session=TOKEN&receipt=%ff",
	} {
		f.Add(query, "application/json", "x")
	}
	f.Fuzz(func(t *testing.T, query, contentType, body string) {
		s, h := open(t, sseadapter.Config{})
		l, greeting := start(t, s, h)
		query = strings.ReplaceAll(query, "TOKEN", greeting.Token)
		r, w := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body)), httptest.NewRecorder()
		r.URL.RawQuery = query
		r.Header.Set("Content-Type", contentType)
		if s.Events().ServeHTTP(w, r); w.Code >= 500 {
			t.Errorf("%q: %d", query, w.Code)
		}
		if strings.Contains(query, greeting.Token) {
			return // it may have left
		}
		h.publish("still here")
		for {
			e, err := l.next()
			if err != nil {
				t.Fatalf("%q: %v", query, err)
			}
			if _, p, _ := e.Open(message.KindData); string(p) == "still here" {
				return
			}
		}
	})
}

// What is no HTTP, or breaks off, leaves nothing behind: TestMain looks.
func TestGarbage(t *testing.T) {
	s, h := open(t, sseadapter.Config{})
	l, greeting := start(t, s, h)
	for i := range 100 {
		nc, err := net.Dial("tcp", s.http.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		texts := []string{
			"\x00\xff\n\n", "GET /?destination=/topic/a HTTP/1.1\r\n", "GET /?destination=/topic/a HTTP/1.1\r\nHost: x\r\n\r\n",
			"POST /?session=" + greeting.Token + "&destination=/topic/a HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf",
		}
		nc.Write([]byte(texts[i%len(texts)]))
		nc.Close()
	}
	h.publish("and on")
	mustRead(t, l, "and on")
}

// The token stays out of the log of whoever stands between; an empty receipt is
// one; and nobody keeps what is streamed.
func TestRequestsInDetail(t *testing.T) {
	s, h := open(t, sseadapter.Config{MessageBytes: -1})
	l, greeting := start(t, s, h)
	if got := l.response.Header; got.Get("Cache-Control") != "no-store, no-transform" || got.Get("X-Content-Type-Options") != "nosniff" || got.Get("Vary") != "Origin" {
		t.Errorf("%v", got)
	}
	if r := s.request(t, http.MethodPost, "destination=/topic/a&receipt=", "Session-Token", greeting.Token); r.StatusCode != http.StatusAccepted {
		t.Error(r.Status)
	}
	mustRead(t, l, "x")
	mustNext(t, l, "receipt")
	large := strings.Repeat("x", 100<<10)
	if status, err := s.post(s.http.Client(), url.Values{"session": {greeting.Token}, "destination": {"/topic/a"}}, "text/plain", large); status != http.StatusAccepted {
		t.Error(status, err)
	}
	mustRead(t, l, large)
	s.request(t, http.MethodPost, "session="+greeting.Token+"&subscribe=2&destination=/topic/"+strings.Repeat("x", 249))
	if e := mustNext(t, l, "failure"); e.Message != "a destination has at most 255 octets" {
		t.Errorf("%+v", e)
	}
}
