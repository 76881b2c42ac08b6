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
		time.Sleep(5*time.Second - time.Nanosecond)
		v.post("/0/a/xhr", "").want(t, 200, `c[3000,"Go away!"]`+"\n")
		time.Sleep(time.Nanosecond)
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
