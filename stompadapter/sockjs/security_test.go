package sockjs_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"

	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/stompadapter/sockjs"
	"github.com/headrace/headrace/transport"
)

// strict is everyone() without everyone.
func strict() sockjs.Config {
	c := everyone()
	c.Transport.Handshake = transport.Handshake{AllowedOrigins: []string{"https://shop.example"}}
	return c
}

// talk has something to say, so that nobody waits.
func talk(s *sockjs.Session) {
	s.Send("x")
	echo(s)
}

// endpoints are all URLs that do something, by method and path.
var endpoints = []struct{ method, path string }{
	{"GET", "/info"}, {"OPTIONS", "/info"}, {"GET", "/iframe.html"}, {"GET", "/websocket"}, {"GET", "/0/ID/websocket"},
	{"POST", "/0/ID/xhr"}, {"OPTIONS", "/0/ID/xhr"}, {"POST", "/0/ID/xhr_send"}, {"OPTIONS", "/0/ID/xhr_send"},
	{"POST", "/0/ID/xhr_streaming"}, {"OPTIONS", "/0/ID/xhr_streaming"}, {"GET", "/0/ID/eventsource"},
	{"GET", "/0/ID/htmlfile?c=c"}, {"GET", "/0/ID/jsonp?c=c"}, {"POST", "/0/ID/jsonp_send"},
}

// TestSecOrigins: a page of another origin reaches none of them (S-08).
func TestSecOrigins(t *testing.T) {
	received := new(atomic.Int64)
	f := start(t, strict(), func(s *sockjs.Session) {
		for {
			if _, err := s.Receive(s.Context()); err != nil {
				return
			}
			received.Add(1)
		}
	})
	f.post("/0/victim/xhr", "").want(t, 200, "o\n")
	before := f.Stats().Open
	for _, e := range endpoints {
		p := strings.Replace(e.path, "ID", "victim", 1)
		for _, origin := range []string{
			"https://evil.example", "http://shop.example", "https://shop.example.evil", "https://evilshop.example",
			"https://shop.example:444", "https://shop.example@evil.example", "null", "*",
		} {
			a := f.do(e.method, p, `["x"]`, "Origin", origin)
			if a.status != 403 || a.header.Get("Access-Control-Allow-Origin") != "" {
				t.Errorf("%s %s from %s: %d %v", e.method, p, origin, a.status, a.header)
			}
		}
	}
	if n := f.Stats().Open; n != before || received.Load() != 0 {
		t.Errorf("%d sessions, %d messages", n, received.Load())
	}
	if a := f.get("/info", "Origin", "https://shop.example"); a.status != 200 {
		t.Errorf("the page that is allowed: %d", a.status)
	}
}

// TestSecEmbedding: what a page embeds comes without an Origin header, and its
// page is known all the same (S-08).
func TestSecEmbedding(t *testing.T) {
	f := start(t, strict(), echo)
	for _, p := range []string{"/iframe.html", "/0/ID/htmlfile?c=c", "/0/ID/jsonp?c=c"} {
		for _, tt := range []struct {
			status int
			header []string
		}{
			{403, nil},
			{403, []string{"Sec-Fetch-Site", "cross-site"}},
			{403, []string{"Sec-Fetch-Site", "same-site"}},
			{403, []string{"Referer", "https://evil.example/shop.example"}},
			{403, []string{"Sec-Fetch-Site", "cross-site", "Referer", "https://evil.example/"}},
			{403, []string{"Referer", "https://shop.example@evil.example/"}},
			{403, []string{"Referer", "about:blank"}},
			{200, []string{"Sec-Fetch-Site", "same-origin"}},
			{200, []string{"Sec-Fetch-Site", "none"}},
			{200, []string{"Referer", "https://shop.example/page?a=b"}},
			{200, []string{"Sec-Fetch-Site", "cross-site", "Referer", "https://shop.example/"}},
			{200, []string{"Referer", f.base + "/page"}},
		} {
			resp := f.open(t.Context(), "GET", strings.Replace(p, "/0/ID", path(), 1), "", tt.header...)
			if resp.StatusCode != tt.status {
				t.Errorf("%s %q: %d", p, tt.header, resp.StatusCode)
			}
			if p == "/iframe.html" && tt.status == 200 && strings.Join(resp.Header["Vary"], ", ") != "Origin, Referer, Sec-Fetch-Site" {
				t.Errorf("a cache would show it to others: %v", resp.Header)
			}
		}
	}
}

// TestSecCredentials: only with an origin that is named, and only for those
// that are allowed (S-28).
func TestSecCredentials(t *testing.T) {
	f := start(t, strict(), talk)
	for _, origin := range []string{"", "https://shop.example", "https://evil.example", "null"} {
		for _, e := range endpoints {
			var header []string
			if origin != "" {
				header = []string{"Origin", origin}
			}
			p := path()
			f.post(p+"/xhr", "")
			resp := f.open(t.Context(), e.method, strings.Replace(e.path, "/0/ID", p, 1), "[]", header...)
			allowed, credentials := resp.Header.Get("Access-Control-Allow-Origin"), resp.Header.Get("Access-Control-Allow-Credentials")
			if credentials != "" && (allowed != origin || origin != "https://shop.example") ||
				allowed == "*" && origin != "" || origin == "https://evil.example" && allowed != "" {
				t.Errorf("%s %s from %q: %q with credentials %q", e.method, e.path, origin, allowed, credentials)
			}
		}
	}
}

// byHeader takes the word of a header for who somebody is.
func byHeader(r *http.Request) (message.Principal, error) {
	if name := r.Header.Get("User"); name != "" {
		return message.User(name), nil
	}
	return nil, nil
}

// TestSecOtherPrincipal: a session belongs to who began it (S-10).
func TestSecOtherPrincipal(t *testing.T) {
	c := everyone()
	c.Transport.Handshake.Principal = byHeader
	received := make(chan string, 100)
	f := start(t, c, func(s *sockjs.Session) {
		s.Send("secret")
		for {
			m, err := s.Receive(s.Context())
			if err != nil {
				return
			}
			received <- m
		}
	})
	for owner, others := range map[string][]string{"alice": {"", "bob", "127.0.0.1"}, "": {"alice", "127.0.0.1"}} {
		p := path()
		as := func(name string) []string {
			if name == "" {
				return nil
			}
			return []string{"User", name}
		}
		f.post(p+"/xhr", "", as(owner)...).want(t, 200, "o\n")
		for _, other := range others {
			for _, e := range endpoints {
				if !strings.HasPrefix(e.path, "/0/ID/") || e.method == "OPTIONS" || strings.HasSuffix(e.path, "/websocket") {
					continue
				}
				a := f.do(e.method, strings.Replace(e.path, "/0/ID", p, 1), `["forged"]`, as(other)...)
				if a.status != 404 || strings.Contains(a.body, "secret") {
					t.Errorf("%q at %s of %q: %d %q", other, e.path, owner, a.status, a.body)
				}
			}
		}
		f.post(p+"/xhr_send", `["genuine"]`, as(owner)...).want(t, 204, "")
		f.post(p+"/xhr", "", as(owner)...).want(t, 200, `a["secret"]`+"\n")
		if m := <-received; m != "genuine" {
			t.Errorf("received %q", m)
		}
	}
}

// TestSecOtherAddress: nor is an anonymous one continued from elsewhere (S-10).
func TestSecOtherAddress(t *testing.T) {
	for _, unchecked := range []bool{false, true} {
		c := everyone()
		c.NoAddressCheck = unchecked
		h := sockjs.New(c, echo)
		defer h.Close()
		do := func(path, addr string) *httptest.ResponseRecorder {
			r := httptest.NewRequest("POST", "/base"+path, strings.NewReader(`["x"]`))
			r.RemoteAddr = addr
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			return w
		}
		if w := do("/0/a/xhr", "192.0.2.1:1000"); w.Body.String() != "o\n" {
			t.Fatalf("%d %q", w.Code, w.Body)
		}
		want := map[bool]int{false: 404, true: 204}[unchecked]
		for _, addr := range []string{"192.0.2.2:1000", "192.0.2.2", "[2001:db8::1]:1000"} {
			if w := do("/0/a/xhr_send", addr); w.Code != want {
				t.Errorf("from %s: %d, want %d", addr, w.Code, want)
			}
		}
		for _, addr := range []string{"192.0.2.1:1000", "192.0.2.1:2000", "192.0.2.1"} { // another port, and behind a proxy
			if w := do("/0/a/xhr_send", addr); w.Code != 204 {
				t.Errorf("from %s: %d", addr, w.Code)
			}
		}
	}
}

// lines are payloads that break what is made of lines or quotes.
var lines = []string{
	"\n", "\r", "\r\n", "\n\ndata: forged\n\n", "\u2028", "\u2029", "\x00", "</script><script>alert(1)</script>", `");alert(1);("`, `\`, "\\u0022", "'", "<!--", "]]>",
}

// TestSecLineBreaks: they reach the client as they were sent (S-13).
func TestSecLineBreaks(t *testing.T) {
	sent := make(chan struct{}, 1)
	f := start(t, everyone(), func(s *sockjs.Session) {
		for _, l := range lines {
			s.Send(l)
		}
		sent <- struct{}{}
	})
	begin := func() string { // a session in which all lines wait, and so go out together
		p := path()
		f.post(p+"/xhr", "").want(t, 200, "o\n")
		<-sent
		return p
	}
	check := func(name, frame string) {
		t.Helper()
		var got []string
		if len(frame) == 0 || frame[0] != 'a' || json.Unmarshal([]byte(frame[1:]), &got) != nil || fmt.Sprint(got) != fmt.Sprint(lines) {
			t.Errorf("%s: %q, want %q", name, frame, lines)
		}
	}
	read := func(path string) string { return f.get(path).body }

	event, rest, _ := strings.Cut(strings.TrimPrefix(read(begin()+"/eventsource"), "\r\n"), "\r\n\r\n")
	check("eventsource", strings.TrimPrefix(event, "data: "))
	if strings.Count(rest, "data: ") != 1 || strings.ContainsAny(strings.TrimSpace(event+strings.TrimSpace(rest)), "\r\n\u2028\u2029") {
		t.Errorf("%q follows", rest)
	}

	scripts := strings.Split(read(begin()+"/htmlfile?c=c"), "<script>\n")
	if len(scripts) != 4 { // before the page's own, that, a, c
		t.Errorf("%d scripts", len(scripts))
	}
	var frame string
	code := scripts[len(scripts)-2]
	code, ok := strings.CutSuffix(strings.TrimPrefix(code, "p("), ");\n</script>\r\n")
	if !ok || json.Unmarshal([]byte(code), &frame) != nil || strings.ContainsAny(code, "<\r\n\u2028") {
		t.Errorf("script %q", code)
	}
	check("htmlfile", frame)

	p := begin()
	code, ok = strings.CutSuffix(strings.TrimPrefix(read(p+"/jsonp?c=c"), "/**/c("), ");\r\n")
	if !ok || json.Unmarshal([]byte(code), &frame) != nil || strings.ContainsAny(code, "\r\n\u2028") {
		t.Errorf("jsonp %q", code)
	}
	check("jsonp", frame)
}

// TestSecPaths: tricks with paths lead nowhere (S-14).
func TestSecPaths(t *testing.T) {
	f := start(t, everyone(), echo)
	for _, p := range []string{
		"/../base/0/a/xhr", "/0/../xhr", "/%2e%2e/a/xhr", "/0/%2e%2e/xhr", "/0/a%2fb/xhr", "/0/a%5cb/xhr", "/0/a;jsessionid=1/xhr",
		"/0/a/xhr;jsessionid=1", "//a/xhr", "/0//xhr", "/0/a//xhr", "/0/a.b/xhr", "/a.b/0/xhr", "/0/a/xhr/", "/0/a/xhr%00", "/0/%252e/../a/xhr",
		"/iframe-..%2f..%2fetc%2fpasswd.html", "/iframe-../x.html", "/%69nfo", "/info;a=b", "/info/..", "/.", "/..",
	} {
		resp, _, _ := f.raw("POST /base" + p + " HTTP/1.1\nHost: x\nContent-Length: 0\n\n")
		if resp.StatusCode != 404 {
			t.Errorf("POST %s: %d", p, resp.StatusCode)
		}
		resp, _, _ = f.raw("GET /base" + p + " HTTP/1.1\nHost: x\n\n")
		if resp.StatusCode != 404 {
			t.Errorf("GET %s: %d", p, resp.StatusCode)
		}
	}
	if n := f.Stats().Open; n != 0 {
		t.Errorf("%d sessions", n)
	}
}

// TestSecUpgradeHeaders: they do no harm where they do not belong (S-33).
func TestSecUpgradeHeaders(t *testing.T) {
	f := start(t, everyone(), talk)
	for _, header := range [][]string{
		{"Upgrade", "websocket"},
		{"Connection", "Upgrade"},
		{"Connection", "Upgrade", "Upgrade", "websocket"},
		{"Connection", "Upgrade", "Upgrade", "websocket", "Sec-WebSocket-Version", "99", "Sec-WebSocket-Key", "x3JJHMbDL1EzLkh9GBhXDw=="},
		{"Connection", "Upgrade", "Upgrade", "h2c", "HTTP2-Settings", "AAMAAABkAARAAAAAAAIAAAAA"},
	} {
		for _, e := range endpoints {
			if strings.HasSuffix(e.path, "websocket") {
				continue
			}
			p := path()
			f.post(p+"/xhr", "")
			want := 200
			if e.method == "OPTIONS" || strings.HasSuffix(e.path, "xhr_send") {
				want = 204
			}
			p = strings.Replace(e.path, "/0/ID", p, 1)
			ctx, cancel := context.WithCancel(t.Context())
			if resp := f.open(ctx, e.method, p, `["x"]`, header...); resp.StatusCode != want {
				t.Errorf("%s %s %q: %d", e.method, e.path, header, resp.StatusCode)
			}
			cancel()
		}
	}
	if a := f.get("/info"); a.status != 200 {
		t.Error("dead")
	}
}

// TestSecHostileIDs: what is no id is not there, and what looks like something
// of the server's is an id (S-34).
func TestSecHostileIDs(t *testing.T) {
	f := start(t, everyone(), echo)
	for id, want := range map[string]int{
		"__proto__": 200, "constructor": 200, "info": 200, "%20": 200, "%F0%9F%98%80": 200, "null": 200,
		"%00": 404, "%ff": 404, "%0a": 404, "%7f": 404, "%c2%85": 404, strings.Repeat("a", 64<<10): 404, strings.Repeat("%41", 129): 404,
	} {
		if a := f.post("/0/"+id+"/xhr", ""); a.status != want {
			t.Errorf("%.40q: %d, want %d", id, a.status, want)
		}
		if a := f.post("/"+id+"/"+strings.TrimPrefix(path(), "/000/")+"/xhr", ""); a.status != want {
			t.Errorf("server %.40q: %d, want %d", id, a.status, want)
		}
	}
}

// TestSecPanics: what panics costs its own session, or request (S-34).
func TestSecPanics(t *testing.T) {
	c := everyone()
	c.Transport.Handshake.Hooks = []func(*http.Request, map[string]any) error{func(r *http.Request, _ map[string]any) error {
		if r.Header.Get("Panic") != "" {
			panic("hook")
		}
		return nil
	}}
	f := start(t, c, echo)
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	resp, err := client.Do(newRequest(t, t.Context(), "POST", f.base+"/0/a/xhr", "", "Panic", "yes"))
	if err == nil {
		resp.Body.Close()
		t.Errorf("%d", resp.StatusCode)
	}
	f.post("/0/a/xhr", "").want(t, 200, "o\n") // the id is free
	if n := f.Stats().Open; n != 1 {
		t.Errorf("%d sessions", n)
	}
}

// TestSecBodies: big ones are cut and deep ones refused (S-35).
func TestSecBodies(t *testing.T) {
	f := start(t, everyone(), echo)
	f.post("/0/a/xhr", "").want(t, 200, "o\n")
	many := "[" + strings.Repeat(`"",`, 1e4) + `""]`
	f.post("/0/a/xhr_send", many).want(t, 413, "Too many messages.\n")
	f.post("/0/a/xhr_send", "["+strings.Repeat(`"",`, 1e6)+`""]`).want(t, 413, "the body is larger than 1048576 octets\n")
	f.post("/0/a/xhr_send", strings.Repeat("[", 1e5)).want(t, 500, "Broken JSON encoding.\n")
	f.post("/0/a/xhr_send", `[`+strings.Repeat(`{"a":`, 1e4)).want(t, 500, "Broken JSON encoding.\n")
	for _, p := range []string{"/0/a/xhr_send", "/0/a/jsonp_send", "/0/b/xhr"} { // 100 MB, with and without a length
		for _, length := range []int64{100 << 20, -1} {
			var read atomic.Int64
			r := newRequest(t, t.Context(), "POST", f.base+p, "")
			r.Body = io.NopCloser(io.LimitReader(countReader{bytes.NewReader(bytes.Repeat([]byte("x"), 1<<20)), &read}, 100<<20))
			r.ContentLength = length
			resp, err := http.DefaultTransport.RoundTrip(r)
			if err == nil {
				resp.Body.Close()
				if resp.StatusCode != 413 {
					t.Errorf("%s of length %d: %d", p, length, resp.StatusCode)
				}
			}
			if n := read.Load(); n > 10<<20 {
				t.Errorf("%s of length %d: %d bytes were taken", p, length, n)
			}
		}
	}
	f.post("/0/a/xhr_send", `["still here"]`).want(t, 204, "")
	f.post("/0/a/xhr", "").want(t, 200, `a["still here"]`+"\n")

	ws := f.dial("/0/a/websocket")
	read(t, ws, "o")
	write(t, ws, "["+strings.Repeat(`"",`, 2e4)+`""]`)
	read(t, ws, `c[1002,"Broken JSON encoding."]`)
	ws = f.dial("/0/a/websocket")
	read(t, ws, "o")
	write(t, ws, `["`+strings.Repeat("x", 65<<10)+`"]`)
	read(t, ws, `c[1009,"message too large"]`)
	if _, _, err := ws.ReadMessage(); !websocket.IsCloseError(err, 1009) {
		t.Error(err)
	}
}

// countReader reads the same again and again and counts.
type countReader struct {
	*bytes.Reader
	n *atomic.Int64
}

func (c countReader) Read(p []byte) (int, error) {
	if c.Len() == 0 {
		c.Seek(0, io.SeekStart)
	}
	n, err := c.Reader.Read(p)
	c.n.Add(int64(n))
	return n, err
}

// TestSecCallback: nothing but a name comes back (S-45).
func TestSecCallback(t *testing.T) {
	f := start(t, everyone(), echo)
	for _, c := range []string{
		"alert(1)//", "a%0ab", "a%3Cscript%3E", "%27", "%22", "a%00", "\u00e9", "a%20b", "a;b", "a%2Cb", strings.Repeat("a", 65), "CWSMIKI0hCD0Up0IZUnnnnnnnn%3D",
	} {
		for _, end := range []string{"/jsonp?c=", "/htmlfile?c="} {
			a := f.get(path() + end + c)
			if a.status != 500 || strings.Contains(a.body, "script>") || a.header.Get("X-Content-Type-Options") != "nosniff" ||
				!strings.HasPrefix(a.header.Get("Content-Type"), "text/plain") {
				t.Errorf("%s%s: %d %q", end, c, a.status, a.body)
			}
		}
	}
	a := f.get(path() + "/jsonp?c=" + strings.Repeat("a", 64))
	if !strings.HasPrefix(a.body, "/**/a") || a.header.Get("X-Content-Type-Options") != "nosniff" ||
		a.header.Get("Content-Type") != "application/javascript; charset=UTF-8" {
		t.Errorf("%+v", a)
	}
}

// TestSecNoSniff: on every answer, refusals included.
func TestSecNoSniff(t *testing.T) {
	f := start(t, everyone(), echo)
	for _, p := range []string{"", "/info", "/iframe.html", "/nothing", "/a/b/jsonp", "/a/b/xhr", "/0/0/websocket"} {
		if a := f.get(p); a.header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: %v", p, a.header)
		}
	}
}

// TestSecEndedAreBounded: who makes sessions end cannot fill the memory.
func TestSecEndedAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := sockjs.New(everyone(), goAway)
		defer h.Close()
		do := func(id int) string {
			w := httptest.NewRecorder()
			h.ServeHTTP(w, httptest.NewRequest("POST", fmt.Sprintf("/base/0/%d/xhr", id), nil))
			synctest.Wait()
			return w.Body.String()
		}
		const bound = 4096
		for id := range bound + 10 {
			do(id)
			do(id)
		}
		if got := do(bound - 1); got != `c[3000,"Go away!"]`+"\n" {
			t.Errorf("one that is remembered: %q", got)
		}
		if got := do(bound + 5); got != "o\n" {
			t.Errorf("one too many: %q", got)
		}
		time.Sleep(10 * time.Second) // there is room again
		do(1)
		do(1)
		if got := do(1); got != `c[3000,"Go away!"]`+"\n" {
			t.Errorf("one that is remembered later: %q", got)
		}
	})
}
