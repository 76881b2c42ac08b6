package sockjs_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/stompadapter/sockjs"
	"github.com/headrace/headrace/transport"
)

// TestShutdown: clients are told, and serve has returned.
func TestShutdown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var served atomic.Int64
		v := startVirtual(t, everyone(), func(s *sockjs.Session) { echo(s); served.Add(1) })
		defer v.stop()
		resp := v.open(t.Context(), "POST", "/0/a/xhr_streaming", "")
		defer resp.Body.Close()
		s := newStream(t, resp)
		s.want(xhrPrelude + "o\n")
		v.post("/0/b/xhr", "").want(t, 200, "o\n") // and nobody comes again
		ws := v.dial("/0/c/websocket")
		defer ws.Close()
		read(t, ws, "o")
		began := time.Now()
		const told = `c[1012,"server is shutting down; retry-after=0ms"]`
		var clients sync.WaitGroup
		clients.Go(func() {
			read(t, ws, told)
			readClose(t, ws, 1012, "server is shutting down; retry-after=0ms")
		})
		clients.Go(func() {
			s.want(told + "\n")
			s.end()
		})
		if err := v.Shutdown(t.Context()); err != nil || served.Load() != 3 {
			t.Errorf("%v, served %d", err, served.Load())
		}
		if d := time.Since(began); d > 5*time.Second {
			t.Errorf("took %v", d)
		}
		clients.Wait()
		if a := v.post("/0/d/xhr", ""); a.status != 503 {
			t.Errorf("%d after the end", a.status)
		}
	})
}

// TestServeReturns: that ends the session, in an orderly way.
func TestServeReturns(t *testing.T) {
	f := start(t, everyone(), func(s *sockjs.Session) { s.Send("bye") })
	p := path()
	f.post(p+"/xhr", "").want(t, 200, "o\n")
	f.post(p+"/xhr", "").want(t, 200, `a["bye"]`+"\n")
	f.post(p+"/xhr", "").want(t, 200, `c[1000,""]`+"\n")
}

func TestServePanics(t *testing.T) {
	f := start(t, everyone(), func(s *sockjs.Session) { panic("canary") })
	p := path()
	f.post(p+"/xhr", "").want(t, 200, "o\n")
	f.post(p+"/xhr", "").want(t, 200, `c[1011,"internal error"]`+"\n")
}

func TestSessionMethods(t *testing.T) {
	done := make(chan struct{})
	f := start(t, everyone(), func(s *sockjs.Session) {
		defer close(done)
		for _, code := range []int{0, 999, 1001, 1005, 2999, 5000} {
			if s.Close(code, "") == nil {
				t.Errorf("code %d was taken", code)
			}
		}
		if s.Close(3000, strings.Repeat("x", 124)) == nil || s.Close(3000, "\xff") == nil {
			t.Error("a bad reason was taken")
		}
		if err := s.Send("\xff"); !errors.Is(err, sockjs.ErrNotText) {
			t.Errorf("%v", err)
		}
		ctx, cancel := context.WithCancelCause(t.Context())
		cause := errors.New("cause")
		cancel(cause)
		if _, err := s.Receive(ctx); err != cause {
			t.Errorf("%v", err)
		}
		if err := s.Close(4999, "ok"); err != nil {
			t.Error(err)
		}
		if err := s.Send("late"); !errors.Is(err, transport.ErrClosed) {
			t.Errorf("%v", err)
		}
		if _, err := s.Receive(t.Context()); !errors.Is(err, transport.ErrClosed) {
			t.Errorf("%v", err)
		}
	})
	ws := f.dial("/a/b/websocket")
	<-done
	read(t, ws, "o", `c[4999,"ok"]`)
}

// TestBackpressure: who sends faster than is received waits, and is cut in the
// end.
func TestBackpressure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := everyone()
		c.PendingMessages = 2
		c.DisconnectDelay = time.Hour
		v := startVirtual(t, c, func(s *sockjs.Session) {
			time.Sleep(10 * time.Second)
			for range 3 {
				s.Receive(s.Context())
			}
			<-s.Context().Done()
		})
		defer v.stop()
		v.post("/0/a/xhr", "").want(t, 200, "o\n")
		began := time.Now()
		v.post("/0/a/xhr_send", `["1","2"]`).want(t, 204, "")
		if d := time.Since(began); d != 0 {
			t.Errorf("waited %v", d)
		}
		v.post("/0/a/xhr_send", `["3"]`).want(t, 204, "")
		if d := time.Since(began); d != 10*time.Second {
			t.Errorf("waited %v", d)
		}
		v.post("/0/a/xhr_send", `["4","5","6"]`).want(t, 204, "")
		if d := time.Since(began); d != 70*time.Second {
			t.Errorf("waited %v", d)
		}
		v.post("/0/a/xhr", "").want(t, 200, `c[1013,"messages are not received"]`+"\n")
	})
}

// TestOutboxIsBounded: who does not ask for what waits is cut.
func TestOutboxIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := everyone()
		c.Transport.OutboxBytes = 1000
		var failed error
		v := startVirtual(t, c, func(s *sockjs.Session) {
			time.Sleep(time.Second) // the first request has its answer
			for failed == nil {
				failed = s.Send(strings.Repeat("x", 100))
			}
		})
		defer v.stop()
		v.post("/0/a/xhr", "").want(t, 200, "o\n")
		time.Sleep(time.Second)
		synctest.Wait()
		if !errors.Is(failed, transport.ErrSlow) || message.Public(failed).Code != message.CodeFull {
			t.Errorf("%v", failed)
		}
		v.post("/0/a/xhr", "").want(t, 200, `c[1013,"slow consumer"]`+"\n")
	})
}

func TestMaxConnections(t *testing.T) {
	c := everyone()
	c.Transport.MaxConnections = 2
	f := start(t, c, echo)
	f.post("/0/a/xhr", "").want(t, 200, "o\n")
	f.dial("/0/a/websocket")
	a := f.post("/0/b/xhr", "", "Origin", "test")
	a.want(t, 503, "too many connections\n")
	if a.header.Get("Access-Control-Allow-Origin") != "test" {
		t.Error("the page cannot read why")
	}
	f.post("/0/a/xhr_send", `["a"]`).want(t, 204, "")
	f.post("/0/a/xhr", "").want(t, 200, `a["a"]`+"\n")
}

// TestCloseJoins: nothing of serve runs any more when Close returns.
func TestCloseJoins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var served atomic.Bool
		v := startVirtual(t, everyone(), func(s *sockjs.Session) {
			<-s.Context().Done()
			time.Sleep(time.Second)
			served.Store(true)
		})
		defer v.stop()
		v.post("/0/a/xhr", "").want(t, 200, "o\n")
		v.Handler.Close()
		if !served.Load() {
			t.Error("serve still runs")
		}
	})
}

// TestArraysDoNotMix: requests that send wait for each other.
func TestArraysDoNotMix(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := everyone()
		c.PendingMessages = 1
		var got []string
		v := startVirtual(t, c, func(s *sockjs.Session) {
			time.Sleep(time.Second)
			for len(got) < 4 {
				m, _ := s.Receive(s.Context())
				got = append(got, m)
			}
		})
		defer v.stop()
		v.post("/0/a/xhr", "").want(t, 200, "o\n")
		var sent sync.WaitGroup
		sent.Go(func() { v.post("/0/a/xhr_send", `["1","2","3"]`).want(t, 204, "") })
		synctest.Wait() // it blocks
		sent.Go(func() { v.post("/0/a/xhr_send", `["4"]`).want(t, 204, "") })
		sent.Wait()
		v.post("/0/a/xhr", "").want(t, 200, `c[1000,""]`+"\n")
		if !slices.Equal(got, []string{"1", "2", "3", "4"}) {
			t.Errorf("%q", got)
		}
	})
}
