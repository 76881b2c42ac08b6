package sockjs_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
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

func TestSession(t *testing.T) {
	f := start(t, everyone(), echo)
	p := path()
	f.post(p+"/xhr", "").want(t, 200, "o\n")
	f.post(p+"/xhr_send", `["a"]`).want(t, 204, "")
	f.post(p+"/xhr", "").want(t, 200, `a["a"]`+"\n")
	f.post("/000/bad_session/xhr_send", `["a"]`).want(t, 404, "404 page not found\n")
	f.post("/000/bad_session/jsonp_send", `["a"]`).want(t, 404, "404 page not found\n")
}

func TestSecondReceiver(t *testing.T) {
	f := start(t, everyone(), echo)
	p := path()
	s := f.stream("POST", p+"/xhr_streaming")
	s.want(xhrPrelude + "o\n")
	for range 2 {
		f.post(p+"/xhr", "").want(t, 200, `c[2010,"Another connection still open"]`+"\n")
	}
	second := f.stream("POST", p+"/xhr_streaming")
	second.want(xhrPrelude + `c[2010,"Another connection still open"]` + "\n")
	second.end()
	f.post(p+"/xhr_send", `["still here"]`).want(t, 204, "")
	s.want(`a["still here"]` + "\n")
}

func TestCloseIsRemembered(t *testing.T) {
	f := start(t, everyone(), goAway)
	p := path()
	f.post(p+"/xhr", "").want(t, 200, "o\n")
	for range 3 {
		f.post(p+"/xhr", "").want(t, 200, `c[3000,"Go away!"]`+"\n")
	}
	s := f.stream("POST", p+"/xhr_streaming")
	s.want(xhrPrelude + `c[3000,"Go away!"]` + "\n")
	s.end()
	f.post(p+"/xhr_send", `["a"]`).want(t, 404, "404 page not found\n")

	f.get(path()+"/jsonp?c=x").want(t, 200, `/**/x("o");`+"\r\n")
	f.get(p+"/jsonp?c=x").want(t, 200, `/**/x("c[3000,\"Go away!\"]");`+"\r\n")
}

// TestCloseIsForgotten: after the disconnect delay the id is free again.
func TestCloseIsForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := startVirtual(t, everyone(), goAway)
		defer v.stop()
		v.post("/0/a/xhr", "").want(t, 200, "o\n")
		v.post("/0/a/xhr", "").want(t, 200, `c[3000,"Go away!"]`+"\n")
		time.Sleep(5*time.Second - 1)
		v.post("/0/a/xhr", "").want(t, 200, `c[3000,"Go away!"]`+"\n")
		time.Sleep(1)
		synctest.Wait()
		v.post("/0/a/xhr", "").want(t, 200, "o\n")
	})
}

// TestAbort: a receiver that is cut by the network ends the session.
func TestAbort(t *testing.T) {
	ended := make(chan error, 1)
	f := start(t, everyone(), func(s *sockjs.Session) {
		echo(s)
		ended <- context.Cause(s.Context())
	})
	for end, method := range map[string]string{"/xhr_streaming": "POST", "/eventsource": "GET"} {
		p := path()
		s := f.stream(method, p+end)
		f.post(p+"/xhr", "").want(t, 200, `c[2010,"Another connection still open"]`+"\n")
		s.resp.Body.Close()
		if err := <-ended; !errors.Is(err, transport.ErrLost) {
			t.Errorf("%s: the session ended with %v", end, err)
		}
		f.post(p+"/xhr", "").want(t, 200, `c[1002,"Connection interrupted"]`+"\n")
	}
}

// TestAbortOfAPoll is TestAbort for polls too, which show from outside only in
// a bubble that they wait.
func TestAbortOfAPoll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := startVirtual(t, everyone(), echo)
		defer v.stop()
		for _, p := range []string{"/0/a/xhr", "/0/b/xhr_streaming"} {
			v.post(strings.Replace(p, "_streaming", "", 1), "").want(t, 200, "o\n")
			ctx, cut := context.WithCancel(t.Context())
			failed := make(chan error, 1)
			go func() {
				resp, err := v.client.RoundTrip(newRequest(t, ctx, "POST", "http://pipe/base"+p, ""))
				if err == nil {
					for err == nil {
						_, err = resp.Body.Read(make([]byte, 4096))
					}
				}
				failed <- err
			}()
			synctest.Wait() // the request receives
			cut()
			if <-failed == nil {
				t.Error("the request was answered")
			}
			synctest.Wait()
			p = strings.Replace(p, "_streaming", "", 1)
			v.post(p, "").want(t, 200, `c[1002,"Connection interrupted"]`+"\n")
			v.post(p+"_send", `["a"]`).want(t, 404, "404 page not found\n")
		}
	})
}

func TestHeartbeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var session atomic.Pointer[sockjs.Session]
		v := startVirtual(t, everyone(), func(s *sockjs.Session) { session.Store(s); echo(s) })
		defer v.stop()
		v.post("/0/a/xhr", "").want(t, 200, "o\n")
		began := time.Now()
		v.post("/0/a/xhr", "").want(t, 200, "h\n")
		if d := time.Since(began); d != 25*time.Second {
			t.Errorf("after %v", d)
		}

		resp := v.open(t.Context(), "POST", "/0/b/xhr_streaming", "")
		defer resp.Body.Close()
		s := newStream(t, resp)
		s.want(xhrPrelude + "o\n")
		s.want("h\n")
		synctest.Wait()
		time.Sleep(20 * time.Second) // what is written counts
		session.Load().Send("x")
		s.want(`a["x"]` + "\n")
		began = time.Now()
		s.want("h\n")
		if d := time.Since(began); d != 25*time.Second {
			t.Errorf("after %v", d)
		}

		ws := v.dial("/0/c/websocket")
		defer ws.Close()
		began = time.Now()
		read(t, ws, "o", "h", "h")
		if d := time.Since(began).Round(time.Second); d != 50*time.Second {
			t.Errorf("two beats after %v", d)
		}
	})
}

func TestNoHeartbeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := everyone()
		c.Heartbeat = -1
		v := startVirtual(t, c, func(s *sockjs.Session) {
			time.Sleep(time.Hour)
			s.Send("at last")
			<-s.Context().Done()
		})
		defer v.stop()
		v.post("/0/a/xhr", "").want(t, 200, "o\n")
		v.post("/0/a/xhr", "").want(t, 200, `a["at last"]`+"\n")
	})
}

// TestDisconnectDelay: a session for which nobody comes ends.
func TestDisconnectDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := everyone()
		c.DisconnectDelay = 3 * time.Second
		var ended time.Time
		var reason error
		v := startVirtual(t, c, func(s *sockjs.Session) {
			<-s.Context().Done()
			ended, reason = time.Now(), context.Cause(s.Context())
		})
		defer v.stop()
		v.post("/0/a/xhr", "").want(t, 200, "o\n")
		last := time.Now()
		v.post("/0/a/xhr_send", `["sending is not receiving"]`).want(t, 204, "")
		time.Sleep(time.Minute)
		synctest.Wait()
		if d := ended.Sub(last); d != 3*time.Second || !errors.Is(reason, transport.ErrLost) {
			t.Errorf("ended after %v with %v", d, reason)
		}
		if n := v.Stats().Open; n != 0 {
			t.Errorf("%d connections", n)
		}
		v.post("/0/a/xhr", "").want(t, 200, "o\n")
	})
}

func TestSendErrors(t *testing.T) {
	f := start(t, everyone(), echo)
	p := path()
	f.post(p+"/xhr", "").want(t, 200, "o\n")
	f.post(p+"/xhr_send", `["x`).want(t, 500, "Broken JSON encoding.\n")
	f.post(p+"/xhr_send", ``).want(t, 500, "Payload expected.\n")
	f.post(p+"/xhr_send", `[]`).want(t, 204, "")
	f.post(p+"/xhr_send", `["a"]`).want(t, 204, "")
	f.post(p+"/xhr", "").want(t, 200, `a["a"]`+"\n")
}

func TestContentTypes(t *testing.T) {
	f := start(t, everyone(), func(s *sockjs.Session) {
		var all []string
		for len(all) < 8 {
			m, err := s.Receive(s.Context())
			if err != nil {
				return
			}
			all = append(all, m)
		}
		for _, m := range all {
			s.Send(m)
		}
		<-s.Context().Done()
	})
	p := path()
	f.post(p+"/xhr", "").want(t, 200, "o\n")
	for _, ct := range []string{
		"text/plain", "T", "application/json", "application/xml", "", "application/json; charset=utf-8", "text/xml; charset=utf-8", "text/xml",
	} {
		f.post(p+"/xhr_send", `["a"]`, "Content-Type", ct).want(t, 204, "")
	}
	got := ""
	for strings.Count(got, `"a"`) < 8 {
		got += f.post(p+"/xhr", "").body
	}
}

// TestBatch: what waits together goes out in one array.
func TestBatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := startVirtual(t, everyone(), echo)
		defer v.stop()
		v.post("/0/a/xhr", "").want(t, 200, "o\n")
		v.post("/0/a/xhr_send", `["1","2"]`).want(t, 204, "")
		v.post("/0/a/xhr_send", `["3"]`).want(t, 204, "")
		synctest.Wait()
		v.post("/0/a/xhr", "").want(t, 200, `a["1","2","3"]`+"\n")
	})
}

// TestOrder: over every transport.
func TestOrder(t *testing.T) {
	f := start(t, everyone(), echo)
	const n = 600 // more than one stream
	var want []string
	for i := range n {
		want = append(want, fmt.Sprint(i))
	}
	for _, end := range []string{"/xhr", "/xhr_streaming"} {
		p := path()
		f.post(p+"/xhr", "").want(t, 200, "o\n")
		var sent sync.WaitGroup
		sent.Go(func() {
			for i := range n {
				f.post(p+"/xhr_send", fmt.Sprintf(`["%d"]`, i)).want(t, 204, "")
			}
		})
		var got []string
		for len(got) < n {
			s := f.stream("POST", p+end)
			for len(got) < n {
				line, err := s.r.ReadString('\n')
				if err != nil {
					break // ask again
				}
				var part []string
				if json.Unmarshal([]byte(strings.TrimLeft(line, "ha")), &part) == nil {
					got = append(got, part...)
				}
			}
		}
		sent.Wait()
		if !slices.Equal(got, want) {
			t.Errorf("%s: %v", end, got)
		}
	}
	ws := f.dial("/a/b/websocket")
	read(t, ws, "o")
	for i := range n {
		write(t, ws, fmt.Sprintf(`["%d"]`, i))
	}
	for i := range n {
		read(t, ws, fmt.Sprintf(`a["%d"]`, i))
	}
}

// TestIDs: the application sees neither part of the URL.
func TestIDs(t *testing.T) {
	ids := make(chan string, 10)
	f := start(t, everyone(), func(s *sockjs.Session) { ids <- s.ID(); echo(s) })
	f.post("/srv/chosen/xhr", "").want(t, 200, "o\n")
	f.dial("/srv/chosen/websocket")
	a, b := <-ids, <-ids
	if a == b || len(a) < 26 || strings.Contains(a+b, "chosen") || strings.Contains(a+b, "srv") {
		t.Errorf("%q, %q", a, b)
	}
}

func TestTransportNames(t *testing.T) {
	names := make(chan string, 10)
	f := start(t, everyone(), func(s *sockjs.Session) { names <- s.Info().Transport; echo(s) })
	f.post(path()+"/xhr", "")
	f.stream("POST", path()+"/xhr_streaming")
	f.stream("GET", path()+"/eventsource")
	f.stream("GET", path()+"/htmlfile?c=c")
	f.get(path() + "/jsonp?c=c")
	f.dial(path() + "/websocket")
	f.dial("/websocket")
	var got []string
	for range 7 {
		got = append(got, <-names)
	}
	slices.Sort(got)
	want := []string{"sockjs/eventsource", "sockjs/htmlfile", "sockjs/jsonp-polling", "sockjs/websocket", "sockjs/xhr-polling", "sockjs/xhr-streaming", "websocket"}
	if !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}

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
		const told = `c[1001,"server is shutting down"]`
		var clients sync.WaitGroup
		clients.Go(func() {
			read(t, ws, told)
			readClose(t, ws, 1001, "server is shutting down")
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

func TestServerIsIgnored(t *testing.T) {
	f := start(t, everyone(), echo)
	id := path()[len("/000"):]
	f.post("/000"+id+"/xhr", "").want(t, 200, "o\n")
	f.post("/001"+id+"/xhr_send", `["a"]`).want(t, 204, "")
	f.post("/999"+id+"/xhr", "").want(t, 200, `a["a"]`+"\n")
}

// TestBeginsTwice: of two requests that begin the same session at once, one
// receives and the other is told so.
func TestBeginsTwice(t *testing.T) {
	hook := make(chan struct{})
	c := everyone()
	c.Transport.Handshake.Hooks = []func(*http.Request, map[string]any) error{func(*http.Request, map[string]any) error {
		<-hook
		return nil
	}}
	f := start(t, c, echo)
	answers := make(chan string, 2)
	for range 2 {
		go func() {
			s, err := http.Post(f.base+"/0/a/xhr", "", nil)
			if err != nil {
				answers <- err.Error()
				return
			}
			b, _ := io.ReadAll(s.Body)
			s.Body.Close()
			answers <- string(b)
		}()
	}
	hook <- struct{}{} // a second handshake would wait for ever
	first, second := <-answers, ""
	if first != "o\n" { // told while the first still received
		second, first = first, <-answers
	} else {
		f.post("/0/a/xhr_send", `["a"]`) // or the second receives
		second = <-answers
	}
	if first != "o\n" || second != `c[2010,"Another connection still open"]`+"\n" && second != `a["a"]`+"\n" {
		t.Errorf("%q, %q", first, second)
	}
	if n := f.Stats().Total; n != 1 {
		t.Errorf("%d connections", n)
	}
}

// TestRefusedBegins: a handshake that is refused leaves the id free.
func TestRefusedBegins(t *testing.T) {
	c := everyone()
	var refusals atomic.Int64
	c.Transport.Handshake.Hooks = []func(*http.Request, map[string]any) error{func(*http.Request, map[string]any) error {
		if refusals.Add(1) == 1 {
			return message.Errorf(message.CodeDenied, "not now")
		}
		return nil
	}}
	f := start(t, c, echo)
	f.post("/0/a/xhr", "").want(t, 403, "not now\n")
	f.post("/0/a/xhr_send", "[]").want(t, 404, "404 page not found\n")
	f.post("/0/a/xhr", "").want(t, 200, "o\n")
}
