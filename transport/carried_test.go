package transport_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/transport"
)

// carriage is a server with a carried connection.
type carriage struct {
	*transport.Server
	*transport.Carried
	peer  *peer
	wakes atomic.Int32
}

func (c *carriage) Close() { c.Server.Close() }

func carry(t testing.TB, su setup) *carriage {
	t.Helper()
	if su.config.Logger == nil {
		su.config.Logger = slog.New(slog.DiscardHandler)
	}
	c := &carriage{Server: transport.NewServer(su.config)}
	t.Cleanup(c.Close)
	w := httptest.NewRecorder()
	var ok bool
	c.Carried, ok = c.Carry(w, httptest.NewRequest("POST", "/", nil), transport.CarryConfig{
		Transport: "letters",
		Wake:      func() { c.wakes.Add(1) },
	}, func(conn *transport.Conn) transport.Protocol {
		c.peer = &peer{conn: conn, receive: su.receive, closed: make(chan error, 1)}
		if su.open != nil {
			su.open(c.peer)
		}
		return c.peer
	})
	if !ok {
		t.Fatal(w.Code, w.Body)
	}
	return c
}

// next returns what waits.
func (c *carriage) next() (all string, last bool, reason error) {
	frames, last, reason := c.Next()
	return string(bytes.Join(frames, []byte("|"))), last, reason
}

func TestCarriedConversation(t *testing.T) {
	c := carry(t, setup{receive: echoPlain, open: func(p *peer) { p.conn.Send(plain("welcome")) }})
	if info := c.Info(); info.Transport != "letters" || info.RemoteAddr == "" || info.Attributes == nil {
		t.Errorf("%+v", info)
	}
	if n := c.wakes.Load(); n != 1 {
		t.Errorf("woken %d times", n)
	}
	c.Receive([]byte("a"))
	c.Receive([]byte("b"))
	if n := c.wakes.Load(); n != 1 {
		t.Errorf("woken %d times for what waits already", n)
	}
	if all, last, err := c.next(); all != "welcome|a|b" || last || err != nil {
		t.Errorf("%q %v %v", all, last, err)
	}
	if all, last, err := c.next(); all != "" || last || err != nil {
		t.Errorf("%q %v %v", all, last, err)
	}
	if st := c.Stats(); st.QueuedBytes != 9 || st.Frames != 0 || st.Open != 1 {
		t.Errorf("%+v", st)
	}
	w := httptest.NewRecorder()
	if err := c.Write(w, []byte("[welcome a b]")); err != nil || w.Body.String() != "[welcome a b]" || !w.Flushed {
		t.Errorf("%q, %v", w.Body, err)
	}
	if st := c.Stats(); st.QueuedBytes != 0 || st.Frames != 3 || st.Bytes != 13 {
		t.Errorf("%+v", st)
	}
	if st := c.Stats(); st.Sent != nil {
		t.Errorf("%v have no name", st.Sent)
	}
	c.Receive([]byte("c"))
	if n := c.wakes.Load(); n != 2 {
		t.Errorf("woken %d times", n)
	}
	c.Gone(nil)
	c.Gone(errors.New("a second reason"))
	<-c.Done()
	if n := c.wakes.Load(); n != 3 {
		t.Errorf("woken %d times, once of them for the end", n)
	}
	if err := <-c.peer.closed; err != nil {
		t.Errorf("reason %v", err)
	}
	if err := c.Receive([]byte("d")); err != transport.ErrClosed {
		t.Errorf("Receive: %v", err)
	}
	if err := c.Send(plain("e")); err != transport.ErrClosed {
		t.Errorf("Send: %v", err)
	}
	if all, last, err := c.next(); all != "" || !last || err != nil {
		t.Errorf("%q %v %v", all, last, err)
	}
	if st := c.Stats(); st.Open != 0 || st.Total != 1 || st.Closed["client"] != 1 || st.QueuedBytes != 0 {
		t.Errorf("%+v", st)
	}
}

func TestCarriedClose(t *testing.T) {
	c := carry(t, setup{})
	no := message.Errorf(message.CodeDenied, "no")
	c.Send(plain("a"))
	c.Conn.Close(no)
	if err := c.Send(plain("b")); err != transport.ErrClosed {
		t.Error(err)
	}
	if err := c.Receive([]byte("x")); err != transport.ErrClosed || c.peer.received() != "" {
		t.Error(err)
	}
	for _, want := range []string{"a", "", ""} { // who asks again is told again
		if all, last, err := c.next(); all != want || !last || err != no {
			t.Errorf("%q %v %v", all, last, err)
		}
	}
	select {
	case <-c.Done():
		t.Error("ended before the last frame was written")
	default:
	}
	c.Write(httptest.NewRecorder(), []byte("a"))
	c.Gone(nil)
	if err := <-c.peer.closed; err != no {
		t.Errorf("reason %v", err)
	}
}

// Nobody fetches the last frame.
func TestCarriedCloseIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := carry(t, setup{})
		began := time.Now()
		c.Conn.Close(nil)
		if err := <-c.peer.closed; err != nil || time.Since(began) != 10*time.Second {
			t.Errorf("%v after %v", err, time.Since(began))
		}
	})
}

func TestCarriedBudget(t *testing.T) {
	c := carry(t, setup{config: transport.Config{OutboxBytes: 1000}})
	frame := plain(strings.Repeat("x", 400))
	c.Send(frame)
	c.Send(frame)
	c.Next() // gives nothing back
	if err := c.Send(frame); err != transport.ErrSlow {
		t.Errorf("Send: %v", err)
	}
	if err := <-c.peer.closed; !errors.Is(err, transport.ErrSlow) {
		t.Errorf("reason %v", err)
	}
	if _, last, err := c.next(); !last || !errors.Is(err, transport.ErrSlow) {
		t.Errorf("%v %v", last, err)
	}
	for c.Stats().Open > 0 {
		waitABit()
	}
	if st := c.Stats(); st.Closed["buffer_limit"] != 1 {
		t.Errorf("%+v", st)
	}
	c.Gone(nil)
}

func TestCarriedBudgetIsGivenBack(t *testing.T) {
	c := carry(t, setup{config: transport.Config{OutboxBytes: 1000}})
	for range 100 {
		if err := c.Send(plain(strings.Repeat("x", 900))); err != nil {
			t.Fatal(err)
		}
		all, _, _ := c.next()
		if err := c.Write(httptest.NewRecorder(), []byte(all)); err != nil {
			t.Fatal(err)
		}
	}
}

func TestCarriedReceivesOneAtATime(t *testing.T) {
	var inside, most atomic.Int32
	c := carry(t, setup{receive: func(*peer, []byte) error {
		most.Store(max(most.Load(), inside.Add(1)))
		waitABit()
		inside.Add(-1)
		return nil
	}})
	var wg sync.WaitGroup
	for range 10 {
		wg.Go(func() {
			for range 100 {
				c.Receive([]byte("x"))
			}
		})
	}
	wg.Wait()
	if most.Load() != 1 || len(c.peer.received()) != 1000 {
		t.Errorf("%d at once, %d received", most.Load(), len(c.peer.received()))
	}
}

func TestCarriedGoneWaitsForReceive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		done := false
		c := carry(t, setup{receive: func(*peer, []byte) error {
			time.Sleep(time.Minute)
			done = true
			return nil
		}})
		go c.Receive([]byte("x"))
		synctest.Wait()
		c.Gone(nil)
		if !done {
			t.Error("Closed before Receive had returned")
		}
		<-c.peer.closed
	})
}

func TestCarriedProtocolFails(t *testing.T) {
	for name, receive := range map[string]func(*peer, []byte) error{
		"error": func(*peer, []byte) error { return message.Errorf(message.CodeInvalid, "bad") },
		"panic": func(*peer, []byte) error { panic("a secret") },
	} {
		c := carry(t, setup{receive: receive})
		if err := c.Receive([]byte("x")); err == nil {
			t.Errorf("%s: no error", name)
		}
		_, last, err := c.next()
		if code := message.Public(err).Code; !last || name == "error" != (code == message.CodeInvalid) || name == "panic" != (code == message.CodeInternal) {
			t.Errorf("%s: %v %v", name, last, err)
		}
		c.Gone(nil)
		<-c.peer.closed
	}
}

func TestCarriedOpenThatPanicsLeavesNothing(t *testing.T) {
	s := transport.NewServer(transport.Config{MaxConnections: 1})
	defer s.Close()
	for range 3 {
		func() {
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			s.Carry(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil), transport.CarryConfig{}, func(c *transport.Conn) transport.Protocol {
				c.Send(plain("hello"))
				panic("boom")
			})
		}()
		for full := true; full; { // the place is given back
			w := httptest.NewRecorder()
			k, ok := s.Carry(w, httptest.NewRequest("GET", "/", nil), transport.CarryConfig{}, func(c *transport.Conn) transport.Protocol {
				return &peer{conn: c, closed: make(chan error, 1)}
			})
			if full = !ok; ok {
				k.Gone(nil)
			}
		}
	}
}

// An end that begins while open runs finds a protocol to tell.
func TestCarriedOpenMayBeCut(t *testing.T) {
	c := carry(t, setup{config: transport.Config{OutboxBytes: 10}, open: func(p *peer) {
		p.conn.Send(plain("0123456789"))
		p.conn.Send(plain("0123456789"))
	}})
	if err := <-c.peer.closed; !errors.Is(err, transport.ErrSlow) {
		t.Errorf("reason %v", err)
	}
	c.Gone(nil)
	if st := c.Stats(); st.Open != 0 || st.Total != 1 {
		t.Errorf("%+v", st)
	}
}

func TestCarriedHeartbeats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := carry(t, setup{})
		c.Heartbeat(10*time.Second, 30*time.Second, plain("\n"))
		last := time.Now()
		for i := range 6 {
			for c.wakes.Load() == int32(i) {
				time.Sleep(100 * time.Millisecond)
			}
			if all, _, _ := c.next(); all != "\n" || time.Since(last) > 10*time.Second {
				t.Errorf("%q after %v", all, time.Since(last))
			}
			last = time.Now()
			c.Receive([]byte("alive"))
			c.Write(httptest.NewRecorder(), []byte("\n"))
		}
		err := <-c.peer.closed // nobody fetched the last frame, for ten seconds
		if d := time.Since(last); message.Public(err).Code != message.CodeTimeout || d != 40*time.Second {
			t.Errorf("%v after %v", err, d)
		}
	})
}

func TestCarriedShutdown(t *testing.T) {
	c := carry(t, setup{})
	done := make(chan error)
	go func() { done <- c.Shutdown(context.Background()) }()
	for c.wakes.Load() == 0 {
		waitABit()
	}
	if _, last, err := c.next(); !last || !errors.Is(err, transport.ErrShutdown) {
		t.Errorf("%v %v", last, err)
	}
	c.Gone(nil)
	if err := <-done; err != nil {
		t.Error(err)
	}
	<-c.peer.closed
	w := httptest.NewRecorder()
	if _, ok := c.Carry(w, httptest.NewRequest("GET", "/", nil), transport.CarryConfig{}, nil); ok || w.Code != http.StatusServiceUnavailable {
		t.Errorf("%v %d", ok, w.Code)
	}
}

func TestOriginAndIdentify(t *testing.T) {
	hooks := 0
	s := transport.NewServer(transport.Config{Logger: slog.New(slog.DiscardHandler), Handshake: transport.Handshake{
		Principal: func(r *http.Request) (message.Principal, error) {
			if r.Header.Get("Cookie") == "" {
				return nil, message.Errorf(message.CodeUnauthenticated, "who")
			}
			return message.User(r.Header.Get("Cookie")), nil
		},
		Hooks: []func(*http.Request, map[string]any) error{func(*http.Request, map[string]any) error { hooks++; return nil }},
	}})
	defer s.Close()
	for _, tt := range []struct {
		name             string
		header           http.Header
		origin, identify int
	}{
		{"fine", http.Header{"Cookie": {"ann"}}, 200, 200},
		{"own page", http.Header{"Cookie": {"ann"}, "Origin": {"http://example.com"}}, 200, 200},
		{"nobody", http.Header{}, 200, 401},
		{"another page", http.Header{"Cookie": {"ann"}, "Origin": {"https://evil.example"}}, 403, 403},
		{"large", http.Header{"Cookie": {strings.Repeat("c", 64<<10)}}, 431, 431},
	} {
		r := httptest.NewRequest("OPTIONS", "http://example.com/info", nil)
		r.Header = tt.header
		before := s.Stats().Refused
		w := httptest.NewRecorder()
		if ok := s.Origin(w, r); ok != (tt.origin == 200) || w.Code != tt.origin {
			t.Errorf("%s: Origin %v %d", tt.name, ok, w.Code)
		}
		w = httptest.NewRecorder()
		info, ok := s.Identify(w, r)
		if ok != (tt.identify == 200) || w.Code != tt.identify {
			t.Errorf("%s: Identify %v %d", tt.name, ok, w.Code)
		}
		if ok && (info.Principal.Name() != "ann" || info.RemoteAddr != r.RemoteAddr || info.Context == nil) {
			t.Errorf("%s: %+v", tt.name, info)
		}
		refused := uint64(0)
		for _, status := range []int{tt.origin, tt.identify} {
			if status != 200 {
				refused++
			}
		}
		if got := s.Stats().Refused - before; got != refused {
			t.Errorf("%s: %d refusals counted, want %d", tt.name, got, refused)
		}
	}
	if hooks > 0 {
		t.Errorf("%d hooks ran", hooks)
	}
}
