package transport_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/transport"
)

// lounge is a site with one connection, which all GET requests listen to and
// to which all others bring something.
type lounge struct {
	*httptest.Server
	server *transport.Server
	peer   *peer
	ended  chan error // by each Listen
	take   func([]byte) error
}

func openLounge(t *testing.T, c transport.Config, patience time.Duration, narrow bool) *lounge {
	c.Logger = slog.New(slog.DiscardHandler)
	l := &lounge{server: transport.NewServer(c), ended: make(chan error, 100)}
	k, ok := l.server.Carry(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil), transport.CarryConfig{Patience: patience},
		func(conn *transport.Conn) transport.Protocol {
			l.peer = &peer{conn: conn, closed: make(chan error, 1)}
			return l.peer
		})
	if !ok {
		t.Fatal("refused")
	}
	l.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet {
			if err := k.Take(w, r, 5, l.take); err != nil {
				l.server.Refuse(w, r, err)
			}
			return
		}
		l.ended <- k.Listen(w, r, func(frames [][]byte, _ bool) ([]byte, error) { return bytes.Join(frames, nil), nil })
	}))
	if narrow {
		l.Config.ConnContext = func(ctx context.Context, nc net.Conn) context.Context {
			smallSendBuffer(nc)
			return ctx
		}
	}
	l.Start()
	t.Cleanup(func() { l.server.Close(); l.Server.Close() })
	return l
}

// dial listens and returns the client's end.
func (l *lounge) dial(t *testing.T) *net.TCPConn {
	t.Helper()
	nc, err := net.Dial("tcp", l.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	if l.Config.ConnContext != nil { // nor does it read much
		nc.(*net.TCPConn).SetReadBuffer(4096)
	}
	io.WriteString(nc, "GET / HTTP/1.1\r\nHost: own\r\n\r\n")
	return nc.(*net.TCPConn)
}

// until reads until a client was told of something.
func until(t *testing.T, nc net.Conn, want string) {
	t.Helper()
	nc.SetReadDeadline(time.Now().Add(10 * time.Second))
	for lines := bufio.NewReader(nc); ; {
		line, err := lines.ReadString('\n')
		if err != nil {
			t.Fatalf("waiting for %q: %v", want, err)
		}
		if strings.TrimSpace(line) == want {
			return
		}
	}
}

// A client that takes nothing does not keep another request from taking over.
func TestListenTakesOverFromWhoIsStuck(t *testing.T) {
	l := openLounge(t, transport.Config{WriteTimeout: time.Hour, OutboxBytes: 8 << 20}, time.Hour, true)
	first := l.dialAfter(t, "hello\n")
	until(t, first, "hello")
	l.peer.conn.Send(plain(strings.Repeat("x", 4<<20)))
	if _, err := io.CopyN(io.Discard, first, 1<<10); err != nil { // it is being written
		t.Fatal(err)
	}
	second := l.dial(t)
	if err := <-l.ended; err != nil {
		t.Error(err)
	}
	l.peer.conn.Send(plain("\nand on\n"))
	until(t, second, "and on")
	if n := l.server.Stats().Open; n != 1 {
		t.Errorf("%d connections", n)
	}
}

func (l *lounge) dialAfter(t *testing.T, words string) *net.TCPConn {
	l.peer.conn.Send(plain(words))
	return l.dial(t)
}

// A write that fails ends the request; the next one goes on.
func TestListenOutlivesABrokenWrite(t *testing.T) {
	l := openLounge(t, transport.Config{OutboxBytes: 64 << 20}, time.Hour, false)
	for range 20 {
		first := l.dialAfter(t, "\nhello\n")
		until(t, first, "hello")
		l.peer.conn.Send(plain(strings.Repeat("x", 1<<20)))
		first.SetLinger(0)
		first.Close()
		if err := <-l.ended; err != nil {
			t.Fatal(err)
		}
	}
	until(t, l.dialAfter(t, "\nand on\n"), "and on")
}

// Nobody comes back: the reason is what ended the last response.
func TestListenTellsOfTheSlow(t *testing.T) {
	for _, tt := range []struct {
		timeout time.Duration
		leave   func(*net.TCPConn)
		reason  error
	}{
		{500 * time.Millisecond, func(*net.TCPConn) {}, transport.ErrSlow},
		{time.Hour, func(nc *net.TCPConn) { nc.SetLinger(0); nc.Close() }, transport.ErrLost},
	} {
		l := openLounge(t, transport.Config{WriteTimeout: tt.timeout, OutboxBytes: 8 << 20}, time.Millisecond, true)
		nc := l.dialAfter(t, "hello\n")
		until(t, nc, "hello")
		l.peer.conn.Send(plain(strings.Repeat("x", 4<<20)))
		tt.leave(nc)
		if reason := <-l.peer.closed; !errors.Is(reason, tt.reason) {
			t.Errorf("got %v, want %v", reason, tt.reason)
		}
	}
}

// An end does not wait for a client that is away, whatever waits for it.
func TestListenEndsWhileNobodyListens(t *testing.T) {
	for _, waiting := range []string{"", "something"} {
		l := openLounge(t, transport.Config{WriteTimeout: time.Hour}, time.Hour, false)
		nc := l.dialAfter(t, "hello\n")
		until(t, nc, "hello")
		nc.Close()
		<-l.ended
		if waiting != "" {
			l.peer.conn.Send(plain(waiting))
		}
		if err := l.server.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		if reason := <-l.peer.closed; !errors.Is(reason, transport.ErrShutdown) {
			t.Errorf("reason %v", reason)
		}
	}
}

// What ends before it began is no success.
func TestListenAnswersWithTheReason(t *testing.T) {
	l := openLounge(t, transport.Config{}, time.Hour, false)
	l.peer.conn.Send(plain("never seen"))
	l.peer.conn.Close(message.Errorf(message.CodeUnauthenticated, "who are you?").WithCause(io.EOF))
	resp, err := l.Client().Get(l.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if text, _ := io.ReadAll(resp.Body); resp.StatusCode != http.StatusUnauthorized || string(text) != "who are you?\n" {
		t.Errorf("%s %q", resp.Status, text)
	}
	if n := l.server.Stats().Refused; n != 0 {
		t.Errorf("%d refused", n)
	}
}

// blind hides what a response can do.
type blind struct{ http.ResponseWriter }

func TestCarryNamesTheWrapperInTheWay(t *testing.T) {
	s := transport.NewServer(transport.Config{Logger: slog.New(slog.DiscardHandler)})
	defer s.Close()
	w := httptest.NewRecorder()
	_, ok := s.Carry(blind{w}, httptest.NewRequest("GET", "/", nil), transport.CarryConfig{}, nil)
	if ok || w.Code != http.StatusInternalServerError || !strings.Contains(w.Body.String(), "transport_test.blind") {
		t.Errorf("%v %d %s", ok, w.Code, w.Body)
	}
	if st := s.Stats(); st.Refused != 1 || st.Open != 0 {
		t.Errorf("%+v", st)
	}
}
