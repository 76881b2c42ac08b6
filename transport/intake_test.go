package transport_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/transport"
)

// Requests wait for their turn before they are read, and not too many of them.
func TestTakeWaits(t *testing.T) {
	l := openLounge(t, transport.Config{}, time.Hour, false)
	entered, leave := make(chan string, 100), make(chan struct{})
	l.take = func(p []byte) error {
		entered <- string(p)
		<-leave
		return nil
	}
	statuses := make(chan int, 101)
	send := func() {
		resp, err := l.Client().Post(l.URL, "", strings.NewReader("12345"))
		if err != nil {
			t.Error(err)
			return
		}
		resp.Body.Close()
		statuses <- resp.StatusCode
	}
	go send()
	if got := <-entered; got != "12345" {
		t.Errorf("got %q", got)
	}
	for range 100 { // of which 63 may wait
		go send()
	}
	for range 100 - 63 {
		if status := <-statuses; status != http.StatusServiceUnavailable {
			t.Errorf("status %d", status)
		}
	}
	leave <- struct{}{}
	<-entered // who waited is next
	l.server.Close()
	close(leave)
	for range 64 {
		if status := <-statuses; status != http.StatusOK && status != http.StatusServiceUnavailable {
			t.Errorf("status %d", status)
		}
	}
}

func TestTakeReadsBodies(t *testing.T) {
	s := transport.NewServer(transport.Config{Logger: slog.New(slog.DiscardHandler)})
	defer s.Close()
	k, _ := s.Carry(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil), transport.CarryConfig{},
		func(c *transport.Conn) transport.Protocol { return &peer{conn: c, closed: make(chan error, 1)} })
	for _, tt := range []struct {
		body  io.Reader
		limit int64
		code  message.Code
	}{
		{strings.NewReader("12345"), 5, ""},
		{strings.NewReader("123456"), 5, message.CodeTooLarge},
		{strings.NewReader(strings.Repeat("x", 1<<20)), -1, ""},
		{io.MultiReader(strings.NewReader("123"), brokenReader{}), 5, message.CodeInvalid},
	} {
		taken := false
		err := k.Take(httptest.NewRecorder(), httptest.NewRequest("POST", "/", tt.body), tt.limit, func([]byte) error { taken = true; return nil })
		if taken != (tt.code == "") || err != nil && message.Public(err).Code != tt.code {
			t.Errorf("taken %v, %v, want %q", taken, err, tt.code)
		}
	}
}

// Nobody waits longer than the client does, or the connection lives.
func TestTakeGivesUp(t *testing.T) {
	s := transport.NewServer(transport.Config{Logger: slog.New(slog.DiscardHandler)})
	defer s.Close()
	k, _ := s.Carry(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil), transport.CarryConfig{},
		func(c *transport.Conn) transport.Protocol { return &peer{conn: c, closed: make(chan error, 1)} })
	again := func(ctx context.Context) error {
		return k.Take(httptest.NewRecorder(), httptest.NewRequest("POST", "/", brokenReader{}).WithContext(ctx), 5, nil)
	}
	k.Take(httptest.NewRecorder(), httptest.NewRequest("POST", "/", nil), 5, func([]byte) error {
		gone, leave := context.WithCancel(t.Context())
		leave()
		if err := again(gone); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
		k.Gone(nil)
		if err := again(t.Context()); !errors.Is(err, transport.ErrClosed) {
			t.Errorf("got %v", err)
		}
		return nil
	})
}

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }
