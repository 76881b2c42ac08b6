package sockjs_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/headrace/headrace/stompadapter/sockjs"
)

func TestGreeting(t *testing.T) {
	f := start(t, everyone(), echo)
	for _, p := range []string{"", "/"} {
		a := f.get(p)
		a.want(t, 200, "Welcome to SockJS!\n")
		if a.header.Get("Content-Type") != "text/plain; charset=UTF-8" || a.header.Get("Set-Cookie") != "" {
			t.Errorf("%q: %v", p, a.header)
		}
	}
}

func TestNotFound(t *testing.T) {
	f := start(t, everyone(), echo)
	for _, p := range []string{
		"/a", "/a.html", "//", "///", "/a/a", "/a/a/", "/a/",
		"/iframe.htm", "/iframe", "/IFRAME.HTML", "/IFRAME", "/iframe.HTML", "/iframe.xml", "/iframe-/.html", "/iframe-%2f.html",
		"/info/", "/a/b/xhr/", "/a/b/c/xhr", "/a/b/nothing",
	} {
		if a := f.get(p); a.status != 404 {
			t.Errorf("GET %s: %d", p, a.status)
		}
		if a := f.post(p, ""); a.status != 404 {
			t.Errorf("POST %s: %d", p, a.status)
		}
	}
}

func TestIframe(t *testing.T) {
	f := start(t, everyone(), echo)
	var tag string
	for _, p := range []string{
		"/iframe.html", "/iframe-a.html", "/iframe-.html", "/iframe-0.1.2.html", "/iframe-0.1.2abc-dirty.2144.html",
		"/iframe-a.html?t=1234", "/iframe-0.1.2.html?t=123414",
	} {
		a := f.get(p)
		a.want(t, 200, `<!DOCTYPE html>
<html>
<head>
  <meta http-equiv="X-UA-Compatible" content="IE=edge" />
  <meta http-equiv="Content-Type" content="text/html; charset=UTF-8" />
  <script src="https://cdn.jsdelivr.net/npm/sockjs-client@1/dist/sockjs.min.js"></script>
  <script>
    document.domain = document.domain;
    SockJS.bootstrap_iframe();
  </script>
</head>
<body>
  <h2>Don't panic!</h2>
  <p>This is a SockJS hidden iframe. It's used for cross domain magic.</p>
</body>
</html>`)
		f.checkCached(a)
		h := a.header
		if h.Get("Content-Type") != "text/html; charset=UTF-8" || h.Get("Last-Modified") != "" || h.Get("Set-Cookie") != "" || h.Get("ETag") == "" {
			t.Errorf("%s: %v", p, h)
		}
		if tag != "" && tag != h.Get("ETag") {
			t.Errorf("ETag %q, then %q", tag, h.Get("ETag"))
		}
		tag = h.Get("ETag")
	}
	a := f.get("/iframe.html", "If-None-Match", tag)
	a.want(t, 304, "")
	if a.header.Get("Content-Type") != "" {
		t.Errorf("%v", a.header)
	}
	if a := f.get("/iframe.html", "If-None-Match", `"other"`); a.status != 200 {
		t.Errorf("%d for another tag", a.status)
	}
}

func TestClientURL(t *testing.T) {
	c := everyone()
	c.ClientURL = `/sockjs.js?a="&b`
	f := start(t, c, echo)
	if a := f.get("/iframe.html"); !strings.Contains(a.body, `<script src="/sockjs.js?a=&#34;&amp;b"></script>`) {
		t.Error(a.body)
	}
	defer func() {
		if recover() == nil {
			t.Error("a URL that begins with neither / nor http was taken")
		}
	}()
	c.ClientURL = "javascript:x"
	sockjs.New(c, echo)
}

func TestInfo(t *testing.T) {
	f := start(t, everyone(), echo)
	a := f.get("/info", "Origin", "test")
	f.checkHeader(a, "application/json; charset=UTF-8", "test")
	f.checkHeader(f.get("/info"), "application/json; charset=UTF-8", "")
	if got := f.get("/info", "Origin", "null").header.Get("Access-Control-Allow-Origin"); got != "null" {
		t.Errorf("allowed origin %q", got)
	}
	type info struct {
		WebSocket    bool     `json:"websocket"`
		CookieNeeded bool     `json:"cookie_needed"`
		Origins      []string `json:"origins"`
		Entropy      *uint32  `json:"entropy"`
	}
	seen := make(map[uint32]bool)
	for range 100 {
		var i info
		if err := json.Unmarshal([]byte(f.get("/info").body), &i); err != nil {
			t.Fatal(err)
		}
		if !i.WebSocket || i.CookieNeeded || len(i.Origins) != 1 || i.Origins[0] != "*:*" || i.Entropy == nil {
			t.Fatalf("%+v", i)
		}
		seen[*i.Entropy] = true
	}
	if len(seen) < 99 {
		t.Errorf("%d different entropies of 100", len(seen))
	}
}
