package sockjs_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/headrace/headrace/stompadapter/sockjs"
)

const uncached = "no-store, no-cache, no-transform, must-revalidate, max-age=0"

// checkHeader checks what all answers of a session have in common.
func (f *fixture) checkHeader(a answer, contentType, origin string) {
	f.t.Helper()
	credentials := "true"
	if origin == "" {
		origin, credentials = "*", ""
	}
	for name, want := range map[string]string{
		"Content-Type":                     contentType,
		"Cache-Control":                    uncached,
		"Expires":                          "",
		"Last-Modified":                    "",
		"Set-Cookie":                       "",
		"Access-Control-Allow-Origin":      origin,
		"Access-Control-Allow-Credentials": credentials,
		"X-Content-Type-Options":           "nosniff",
		"Vary":                             "Origin",
	} {
		if got := a.header.Get(name); got != want {
			f.t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

var longAge = regexp.MustCompile(`max-age=[1-9][0-9]{6}`)

func (f *fixture) checkCached(a answer) {
	f.t.Helper()
	if c := a.header.Get("Cache-Control"); !strings.Contains(c, "public") || !longAge.MatchString(c) || a.header.Get("Expires") == "" {
		f.t.Errorf("not cached: %v", a.header)
	}
}

func TestPreflight(t *testing.T) {
	f := start(t, everyone(), echo)
	for p, methods := range map[string][]string{
		"/info":                  {"OPTIONS", "GET"},
		"/abc/abc/xhr":           {"OPTIONS", "POST"},
		"/abc/abc/xhr_send":      {"OPTIONS", "POST"},
		"/abc/abc/xhr_streaming": {"OPTIONS", "POST"},
		"/abc/abc/eventsource":   {"OPTIONS", "GET"},
	} {
		for _, origin := range []string{"test", "null"} {
			a := f.do("OPTIONS", p, "", "Origin", origin, "Access-Control-Request-Method", methods[1])
			a.want(t, 204, "")
			f.checkCached(a)
			h := a.header
			if age, _ := strconv.Atoi(h.Get("Access-Control-Max-Age")); age < 1000001 {
				t.Errorf("max age %d", age)
			}
			for _, m := range methods {
				if !strings.Contains(h.Get("Access-Control-Allow-Methods"), m) {
					t.Errorf("%s: %s is not allowed", p, m)
				}
			}
			if h.Get("Access-Control-Allow-Origin") != origin || h.Get("Access-Control-Allow-Credentials") != "true" || h.Get("Access-Control-Allow-Headers") != "" {
				t.Errorf("%s: %v", p, h)
			}
		}
	}
	for _, asked := range []string{"a, b, c", ""} {
		a := f.do("OPTIONS", "/a/b/xhr", "", "Origin", "test", "Access-Control-Request-Headers", asked)
		if got, sent := a.header["Access-Control-Allow-Headers"]; strings.Join(got, "") != asked || sent != (asked != "") {
			t.Errorf("asked for %q, got %q", asked, got)
		}
	}
}

func TestMethods(t *testing.T) {
	f := start(t, everyone(), echo)
	for p, allowed := range map[string]string{
		"":                  "GET",
		"/iframe.html":      "GET",
		"/info":             "OPTIONS, GET",
		"/a/b/xhr":          "OPTIONS, POST",
		"/a/b/xhr_send":     "OPTIONS, POST",
		"/a/b/eventsource":  "OPTIONS, GET",
		"/a/b/htmlfile?c=c": "GET",
		"/a/b/jsonp?c=c":    "GET",
		"/a/b/jsonp_send":   "POST",
		"/a/b/websocket":    "GET",
	} {
		a := f.do("PUT", p, "")
		if a.status != 405 || a.header.Get("Allow") != allowed || a.body != "" || a.header.Get("Content-Type") != "" {
			t.Errorf("PUT %s: %+v", p, a)
		}
	}
}

func TestCookies(t *testing.T) {
	c := everyone()
	c.Cookies = true
	f := start(t, c, echo)
	info := f.get("/info")
	if !strings.Contains(info.body, `"cookie_needed":true`) {
		t.Error(info.body)
	}
	for _, p := range []string{"/info", "", "/iframe.html"} {
		if a := f.get(p); a.header.Get("Set-Cookie") != "" {
			t.Errorf("%q sets %q", p, a.header.Get("Set-Cookie"))
		}
	}
	p := path()
	for _, tt := range []struct{ method, path, body string }{
		{"POST", p + "/xhr", ""},
		{"POST", p + "/xhr_send", "[]"},
		{"POST", p + "/jsonp_send", "[]"},
		{"POST", path() + "/xhr_streaming", ""},
		{"GET", path() + "/eventsource", ""},
		{"GET", path() + "/htmlfile?c=c", ""},
		{"GET", path() + "/jsonp?c=c", ""},
	} {
		resp := f.open(t.Context(), tt.method, tt.path, tt.body)
		if got := resp.Header.Get("Set-Cookie"); !strings.HasPrefix(got, "JSESSIONID=dummy; Path=/") {
			t.Errorf("%s: %q", tt.path, got)
		}
	}
	a := f.post(path()+"/xhr", "", "Cookie", "JSESSIONID=abcdef")
	if got := a.header.Get("Set-Cookie"); !strings.HasPrefix(got, "JSESSIONID=abcdef; Path=/") {
		t.Error(got)
	}
}

// TestCORSOfAFilter: what was decided before us stays.
func TestCORSOfAFilter(t *testing.T) {
	h := sockjs.New(everyone(), echo)
	defer h.Close()
	w := httptest.NewRecorder()
	w.Header().Set("Access-Control-Allow-Origin", "https://shop.example")
	r := httptest.NewRequest("GET", "/base/info", nil)
	r.Header.Set("Origin", "test")
	h.ServeHTTP(w, r)
	if got := w.Header()["Access-Control-Allow-Origin"]; len(got) != 1 || got[0] != "https://shop.example" || w.Header().Get("Access-Control-Allow-Credentials") != "" {
		t.Errorf("%v", w.Header())
	}
}

// raw sends a request as it is and returns the response, its body unread, and
// the connection.
func (f *fixture) raw(request string) (*http.Response, *bufio.Reader, net.Conn) {
	f.t.Helper()
	host := strings.TrimSuffix(strings.TrimPrefix(f.base, "http://"), "/base")
	nc, err := net.Dial("tcp", host)
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { nc.Close() })
	fmt.Fprint(nc, strings.ReplaceAll(request, "\n", "\r\n"))
	br := bufio.NewReader(nc)
	resp, err := http.ReadResponse(br, nil)
	if err != nil {
		f.t.Fatal(err)
	}
	return resp, br, nc
}

func TestHTTP10(t *testing.T) {
	f := start(t, everyone(), goAway)
	resp, _, _ := f.raw("GET /base HTTP/1.0\nConnection: Keep-Alive\n\n")
	if resp.StatusCode != 200 || resp.ContentLength != 19 && !resp.Close || resp.TransferEncoding != nil {
		t.Errorf("%+v", resp)
	}
	resp, _, _ = f.raw("POST /base/a/b/xhr_streaming HTTP/1.0\nConnection: Keep-Alive\n\n")
	if resp.TransferEncoding != nil || resp.Header.Get("Content-Length") != "" {
		t.Errorf("%+v", resp)
	}
	if b, err := io.ReadAll(resp.Body); string(b) != xhrPrelude+"o\n"+`c[3000,"Go away!"]`+"\n" || err != nil {
		t.Errorf("%q, %v", b, err)
	}
}

// TestHTTP11: each frame is a chunk of its own, and the connection serves on.
func TestHTTP11(t *testing.T) {
	f := start(t, everyone(), goAway)
	request := "POST /base/a/b/xhr_streaming HTTP/1.1\nHost: x\nContent-Length: 0\n\n"
	resp, br, nc := f.raw(request)
	if resp.Header.Get("Content-Length") != "" || len(resp.TransferEncoding) != 1 || resp.TransferEncoding[0] != "chunked" {
		t.Errorf("%+v", resp)
	}
	if n, _ := resp.Body.Read(make([]byte, 1)); n != 1 { // ReadResponse shows no chunks: look at the next response
		t.Error("no body")
	}
	io.Copy(io.Discard, resp.Body)
	fmt.Fprint(nc, strings.ReplaceAll(request, "\n", "\r\n"))
	for {
		line, err := br.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		if line == "\r\n" {
			break
		}
	}
	closed := `c[3000,"Go away!"]` + "\n"
	for _, want := range []string{xhrPrelude, closed, ""} {
		size, _ := br.ReadString('\n')
		n, err := strconv.ParseInt(strings.TrimSpace(size), 16, 32)
		chunk := make([]byte, n+2)
		io.ReadFull(br, chunk)
		if string(chunk) != want+"\r\n" || err != nil {
			t.Errorf("chunk %.50q, %v, want %.50q", chunk, err, want)
		}
	}
}

// TestNoContentLength: a POST without one has no body.
func TestNoContentLength(t *testing.T) {
	f := start(t, everyone(), echo)
	resp, _, _ := f.raw("POST /base/a/b/xhr HTTP/1.1\nHost: x\n\n")
	if b, _ := io.ReadAll(resp.Body); string(b) != "o\n" {
		t.Errorf("%q", b)
	}
	resp, _, _ = f.raw("POST /base/a/b/xhr_send HTTP/1.1\nHost: x\n\n")
	if b, _ := io.ReadAll(resp.Body); resp.StatusCode != 500 || string(b) != "Payload expected.\n" {
		t.Errorf("%d %q", resp.StatusCode, b)
	}
}

func TestProxiesDoNotBuffer(t *testing.T) {
	f := start(t, everyone(), echo)
	s := f.stream("GET", path()+"/eventsource")
	if s.resp.Header.Get("X-Accel-Buffering") != "no" || !strings.Contains(s.resp.Header.Get("Cache-Control"), "no-transform") {
		t.Errorf("%v", s.resp.Header)
	}
}
