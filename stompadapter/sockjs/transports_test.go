package sockjs_test

import (
	"context"
	"strings"
	"testing"

	"github.com/gorilla/websocket"
)

func TestXHRPolling(t *testing.T) {
	f := start(t, everyone(), echo)
	p := path()
	open := f.post(p+"/xhr", "", "Origin", "test")
	open.want(t, 200, "o\n")
	f.checkHeader(open, "application/javascript; charset=UTF-8", "test")

	sent := f.post(p+"/xhr_send", `["x"]`, "Origin", "test")
	sent.want(t, 204, "")
	f.checkHeader(sent, "text/plain; charset=UTF-8", "test")
	f.post(p+"/xhr", "").want(t, 200, `a["x"]`+"\n")
}

func TestXHRStreaming(t *testing.T) {
	f := start(t, everyone(), echo)
	p := path()
	s := f.stream("POST", p+"/xhr_streaming", "Origin", "test")
	s.want(xhrPrelude + "o\n")
	f.checkHeader(answer{200, s.resp.Header, ""}, "application/javascript; charset=UTF-8", "test")
	f.post(p+"/xhr_send", `["x"]`).want(t, 204, "")
	s.want(`a["x"]` + "\n")
}

func TestEventSource(t *testing.T) {
	f := start(t, everyone(), echo)
	p := path()
	s := f.stream("GET", p+"/eventsource")
	s.want("\r\ndata: o\r\n\r\n")
	f.checkHeader(answer{200, s.resp.Header, ""}, "text/event-stream", "")
	f.post(p+"/xhr_send", `["  \u0000\n\r "]`).want(t, 204, "")
	s.want(`data: a["  \u0000\n\r "]` + "\r\n\r\n")
	f.post(p+"/xhr_send", `["100% %41"]`).want(t, 204, "")
	s.want(`data: a["100\u0025 \u002541"]` + "\r\n\r\n")
}

func TestHTMLFile(t *testing.T) {
	f := start(t, everyone(), echo)
	p := path()
	s := f.stream("GET", p+"/htmlfile?c=%63allback")
	f.checkHeader(answer{200, s.resp.Header, ""}, "text/html; charset=UTF-8", "")
	head, err := s.r.ReadString('\r')
	if err != nil || len(head) < 1024 || !strings.Contains(head, "var c = parent.callback;\n") || !strings.HasPrefix(head, "<!doctype html>\n") {
		t.Fatalf("head %q, %v", head, err)
	}
	s.want("\n\r\n<script>\np(\"o\");\n</script>\r\n")
	f.post(p+"/xhr_send", `["x"]`).want(t, 204, "")
	s.want("<script>\np(\"a[\\\"x\\\"]\");\n</script>\r\n")
}

func TestJSONP(t *testing.T) {
	f := start(t, everyone(), echo)
	p := path()
	a := f.get(p + "/jsonp?c=%63allback")
	a.want(t, 200, `/**/callback("o");`+"\r\n")
	f.checkHeader(a, "application/javascript; charset=UTF-8", "")
	form := []string{"Content-Type", "application/x-www-form-urlencoded"}
	a = f.post(p+"/jsonp_send", "d=%5B%22abc%22%5D", form...)
	a.want(t, 200, "ok")
	f.checkHeader(a, "text/plain; charset=UTF-8", "")
	f.post(p+"/jsonp_send", `["%61bc"]`, "Content-Type", "text/plain").want(t, 200, "ok")
	f.get(p+"/jsonp?c=x").want(t, 200, `/**/x("a[\"abc\",\"%61bc\"]");`+"\r\n")

	for _, empty := range []string{"", "d=", "p=p"} {
		f.post(p+"/jsonp_send", empty, form...).want(t, 500, "Payload expected.\n")
	}
	f.post(p+"/jsonp_send", "d=%5B%22x", form...).want(t, 500, "Broken JSON encoding.\n")
	f.post(p+"/jsonp_send", "d=%5B%5D", form...).want(t, 200, "ok")
	f.post(p+"/jsonp_send", "d=%5B%22b%22%5D", form...).want(t, 200, "ok")
	f.get(p+"/jsonp?c=x").want(t, 200, `/**/x("a[\"b\"]");`+"\r\n")
}

func TestCallback(t *testing.T) {
	f := start(t, everyone(), echo)
	for _, end := range []string{"/jsonp", "/htmlfile"} {
		f.get(path()+end).want(t, 500, "\"callback\" parameter required\n")
		for _, c := range []string{"%20", "*", "abc(", "abc%28"} {
			f.get(path()+end+"?c="+c).want(t, 500, "invalid \"callback\" parameter\n")
		}
	}
	if n := f.Stats().Open; n != 0 {
		t.Errorf("%d sessions", n)
	}
}

// TestStreamLimit: a stream ends after StreamBytes of frames, and the session
// goes on in the next.
func TestStreamLimit(t *testing.T) {
	f := start(t, everyone(), echo)
	p := path()
	s := f.stream("POST", p+"/xhr_streaming")
	s.want(xhrPrelude + "o\n")
	m := `["` + strings.Repeat("x", 128) + `"]`
	for range 31 {
		f.post(p+"/xhr_send", m).want(t, 204, "")
		s.want("a" + m + "\n")
	}
	s.end()
	f.post(p+"/xhr_send", `["more"]`).want(t, 204, "")
	f.stream("POST", p+"/xhr_streaming").want(xhrPrelude + `a["more"]` + "\n")

	m = `["` + strings.Repeat("x", 4096) + `"]`
	p = path()
	s = f.stream("GET", p+"/eventsource")
	s.want("\r\ndata: o\r\n\r\n")
	f.post(p+"/xhr_send", m).want(t, 204, "")
	s.want("data: a" + m + "\r\n\r\n")
	s.end()

	p = path()
	s = f.stream("GET", p+"/htmlfile?c=c")
	s.r.ReadString('\r')
	s.want("\n\r\n<script>\np(\"o\");\n</script>\r\n")
	f.post(p+"/xhr_send", m).want(t, 204, "")
	s.want("<script>\np(\"a" + strings.ReplaceAll(m, `"`, `\"`) + "\");\n</script>\r\n")
	s.end()
}

func TestWebSocket(t *testing.T) {
	f := start(t, everyone(), echo)
	ws := f.dial(path() + "/websocket")
	read(t, ws, "o")
	write(t, ws, "")
	write(t, ws, "[]")
	write(t, ws, `["a"]`)
	read(t, ws, `a["a"]`)
	write(t, ws, `"one"`)
	read(t, ws, `a["one"]`)
	write(t, ws, `["1","2",""]`)
	read(t, ws, `a["1"]`, `a["2"]`, `a[""]`)
}

func TestWebSocketClose(t *testing.T) {
	f := start(t, everyone(), goAway)
	ws := f.dial(path() + "/websocket")
	read(t, ws, "o", `c[3000,"Go away!"]`)
	readClose(t, ws, 3000, "Go away!")

	raw := f.dial("/websocket")
	readClose(t, raw, 3000, "Go away!")
}

func TestWebSocketSharedID(t *testing.T) {
	f := start(t, everyone(), echo)
	p := path() + "/websocket"
	a, b := f.dial(p), f.dial(p)
	read(t, a, "o")
	read(t, b, "o")
	write(t, a, `["a"]`)
	read(t, a, `a["a"]`)
	write(t, b, `["b"]`)
	read(t, b, `a["b"]`)
	a.Close()
	c := f.dial(p)
	read(t, c, "o")
	write(t, c, `["c"]`)
	read(t, c, `a["c"]`)
}

func TestWebSocketBrokenJSON(t *testing.T) {
	f := start(t, everyone(), echo)
	for _, m := range []string{`["a`, `{}`, `[1]`, `["a"]x`} {
		ws := f.dial(path() + "/websocket")
		read(t, ws, "o")
		write(t, ws, m)
		read(t, ws, `c[1002,"Broken JSON encoding."]`)
		readClose(t, ws, 1002, "Broken JSON encoding.")
	}
}

func TestWebSocketErrors(t *testing.T) {
	c := everyone()
	f := start(t, c, echo)
	for _, p := range []string{"/0/0/websocket", "/websocket"} {
		for _, header := range [][]string{
			nil,
			{"Upgrade", "WebSocket", "Connection", "close"},
		} {
			if a := f.get(p, header...); a.status != 400 {
				t.Errorf("%s %v: %d", p, header, a.status)
			}
		}
		for _, header := range [][]string{nil, {"Upgrade", "WebSocket", "Connection", "Upgrade"}} {
			a := f.post(p, "", header...)
			if a.status != 405 || a.body != "" || a.header.Get("Content-Type") != "" || a.header.Get("Allow") != "GET" {
				t.Errorf("%s: %+v", p, a)
			}
		}
	}
	resp := f.open(context.Background(), "GET", "/0/0/websocket", "", "Upgrade", "websocket", "Connection", "Upgrade",
		"Sec-WebSocket-Version", "13", "Sec-WebSocket-Key", "x3JJHMbDL1EzLkh9GBhXDw==")
	if h := resp.Header; resp.StatusCode != 101 || h.Get("Sec-WebSocket-Accept") != "HSmrc0sMlYUkAGmm5OPpG2HaGWk=" || h.Get("Content-Length") != "" {
		t.Errorf("%d %v", resp.StatusCode, h)
	}
}

func TestNoWebSocket(t *testing.T) {
	c := everyone()
	c.NoWebSocket = true
	f := start(t, c, echo)
	for _, p := range []string{"/0/0/websocket", "/websocket"} {
		if _, resp, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(f.base, "http")+p, nil); err == nil || resp.StatusCode != 404 {
			t.Errorf("%s: %v", p, err)
		}
	}
	if a := f.get("/info"); !strings.Contains(a.body, `"websocket":false`) {
		t.Error(a.body)
	}
}

func TestRawWebSocket(t *testing.T) {
	f := start(t, everyone(), echo)
	ws := f.dial("/websocket")
	write(t, ws, "Hello world!\uffff")
	read(t, ws, "Hello world!\uffff")
	long := strings.Repeat("x", 20<<10)
	write(t, ws, long)
	read(t, ws, long)
}

// TestOffByDefault: what is dangerous or of no use any more is asked for.
func TestOffByDefault(t *testing.T) {
	c := everyone()
	c.HTMLFile, c.JSONP = false, false
	f := start(t, c, echo)
	for _, end := range []string{"/htmlfile?c=c", "/jsonp?c=c", "/jsonp_send"} {
		if a := f.get(path() + end); a.status != 404 {
			t.Errorf("%s: %d", end, a.status)
		}
		if a := f.post(path()+end, "[]"); a.status != 404 {
			t.Errorf("POST %s: %d", end, a.status)
		}
	}
}
