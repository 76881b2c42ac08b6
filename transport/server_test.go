package transport_test

import (
	"context"
	"errors"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"

	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/transport"
)

// drainingPeer says a last word when it drains.
type drainingPeer struct {
	*peer
	hangs bool
}

func (p drainingPeer) Drain(reason error) {
	if !p.hangs {
		p.conn.Send(text("finished"))
		p.conn.Close(reason)
	}
}

// drainable is a server whose protocols drain.
func drainable(t *testing.T, hangs bool) (*transport.Server, *websocket.Conn, *peer, func()) {
	s := transport.NewServer(transport.Config{})
	var p *peer
	l := newPipes()
	h := &http.Server{Handler: s.WebSocket(transport.WebSocketConfig{}, func(c *transport.Conn) transport.Protocol {
		p = &peer{conn: c, closed: make(chan error, 1)}
		return drainingPeer{p, hangs}
	})}
	var served sync.WaitGroup
	served.Go(func() { h.Serve(l) })
	v := &virtual{Server: s, listener: l, http: h, peers: make(chan *peer, 1)}
	v.peers <- nil
	ws, _ := v.dial(t)
	synctest.Wait()
	return s, ws, p, func() { ws.Close(); s.Close(); h.Close(); served.Wait() }
}

func TestShutdownDrains(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, ws, p, stop := drainable(t, false)
		defer stop()
		came := arrivals(ws)
		if err := s.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		if a := <-came; a.text != "finished" {
			t.Errorf("%+v", a)
		}
		if a := <-came; !websocket.IsCloseError(a.err, 1012) {
			t.Errorf("%+v", a)
		}
		if err := <-p.closed; !errors.Is(err, transport.ErrShutdown) {
			t.Errorf("reason %v", err)
		}
		if err := s.Shutdown(t.Context()); err != nil {
			t.Error("second Shutdown:", err)
		}
	})
}

func TestShutdownGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, ws, p, stop := drainable(t, true)
		defer stop()
		came := arrivals(ws)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		err := s.Shutdown(ctx)
		if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "1 connections") {
			t.Errorf("got %v", err)
		}
		if err := p.conn.Send(text("goes on")); err != nil {
			t.Error(err)
		}
		if a := <-came; a.text != "goes on" {
			t.Errorf("%+v", a)
		}
		s.Close()
		if err := <-p.closed; !errors.Is(err, transport.ErrShutdown) {
			t.Errorf("reason %v", err)
		}
	})
}

func TestShutdownWithoutDrainer(t *testing.T) {
	f := start(t, setup{})
	ws, p := f.dial(t, nil)
	done := make(chan error)
	go func() { done <- f.Shutdown(t.Context()) }()
	if _, _, err := ws.ReadMessage(); !websocket.IsCloseError(err, 1012) {
		t.Error(err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	<-p.closed
	if resp := f.attempt(t, nil); resp.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("status %d", resp.StatusCode)
	}
	if st := f.Stats(); st.Open != 0 || st.Closed["drain"] != 1 {
		t.Errorf("%+v", st)
	}
}

func TestCloseFreesABlockedProtocol(t *testing.T) {
	entered := make(chan struct{})
	f := start(t, setup{receive: func(p *peer, b []byte) error {
		close(entered)
		<-p.conn.Info().Context.Done()
		return nil
	}})
	ws, p := f.dial(t, nil)
	ws.WriteMessage(websocket.TextMessage, []byte("x"))
	<-entered
	f.Close()
	select {
	case <-p.closed:
	default:
		t.Error("Close returned before Closed was called")
	}
	f.Close()
}

func TestCloseOfAnUnusedServer(t *testing.T) {
	transport.NewServer(transport.Config{}).Close()
	if err := transport.NewServer(transport.Config{}).Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	transport.NewServer(transport.Config{}) // needs no end
}

func TestOpenMayClose(t *testing.T) {
	f := start(t, setup{open: func(p *peer) {
		p.conn.Send(text("no"))
		p.conn.Close(message.Errorf(message.CodeDenied, "go away"))
	}})
	ws, p := f.dial(t, nil)
	if _, b, err := ws.ReadMessage(); string(b) != "no" {
		t.Errorf("%q %v", b, err)
	}
	if _, _, err := ws.ReadMessage(); !websocket.IsCloseError(err, 1008) {
		t.Error(err)
	}
	<-p.closed
}

// A client that neither answers the close frame nor reads is not waited for.
func TestClosingIsBounded(t *testing.T) {
	for name, tt := range map[string]struct {
		reads bool
		after time.Duration
	}{
		"no answer": {true, time.Second},
		"no reader": {false, 10 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				v := startVirtual(setup{})
				defer v.stop()
				ws, p := v.dial(t)
				defer ws.Close()
				ws.SetCloseHandler(func(int, string) error { return nil })
				if tt.reads {
					arrivals(ws)
				}
				began := time.Now()
				p.conn.Close(nil)
				err := <-p.closed
				if d := time.Since(began); d != tt.after || err != nil {
					t.Errorf("closed after %v: %v", d, err)
				}
			})
		})
	}
}

// Nor is a client that takes a little at a time.
func TestClosingOfADripIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := startVirtual(setup{})
		defer v.stop()
		ws, p := v.dial(t)
		defer ws.Close()
		for range 10 {
			p.conn.Send(text(strings.Repeat("x", 16000)))
		}
		began := time.Now()
		p.conn.Close(nil)
		time.Sleep(9 * time.Second)
		ws.ReadMessage()
		<-p.closed
		if d := time.Since(began); d != 10*time.Second {
			t.Errorf("closed after %v", d)
		}
	})
}

func TestAnIdleConnectionIsOneGoroutine(t *testing.T) {
	const n = 100
	f := start(t, setup{config: transport.Config{Flushers: 1}})
	for range n {
		f.dial(t, nil)
	}
	settles(t, "goroutines of connections and a flusher", n+1, ownGoroutines) // handlers of requests need a moment to return
	if got := ownGoroutines(); got != n+1 {
		t.Errorf("%d goroutines for %d connections and a flusher", got, n)
	}
}

// ownGoroutines counts those of the package, of its tests' listeners and of
// handlers of requests.
func ownGoroutines() (count int) {
	dump := make([]byte, 4<<20)
	dump = dump[:runtime.Stack(dump, true)]
	for stack := range strings.SplitSeq(string(dump), "\n\n") {
		if strings.Contains(stack, "headrace/transport.(*") || strings.Contains(stack, "net/http.(*conn).serve") {
			count++
		}
	}
	return count
}

func TestNothingLeaks(t *testing.T) {
	const cycles = 1000
	f := start(t, setup{receive: echo, config: transport.Config{Flushers: 2}})
	before := runtime.NumGoroutine()
	for i := range cycles {
		ws, p := f.dial(t, nil)
		ws.WriteMessage(websocket.TextMessage, []byte("hello"))
		switch i % 3 {
		case 0:
			ws.WriteControl(websocket.CloseMessage, nil, time.Now().Add(time.Second))
		case 1:
			ws.UnderlyingConn().Close()
		case 2:
			p.conn.Close(nil)
			ws.ReadMessage()
			ws.ReadMessage()
		}
		<-p.closed
		ws.Close()
	}
	settles(t, "connections", 0, func() int { return f.Stats().Open })
	settles(t, "goroutines", before+2, runtime.NumGoroutine)
	if st := f.Stats(); st.Total != cycles || st.QueuedBytes != 0 || st.Closed["client"]+st.Closed["transport"] != cycles {
		t.Errorf("%+v", st)
	}
}
