package sockjs

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

func TestParseRoute(t *testing.T) {
	session := func(id, end string) *route { return &route{session: id, end: end} }
	for _, tt := range []struct {
		path string
		want *route
	}{
		{"", &route{}},
		{"/", &route{}},
		{"/info", &route{leaf: leafInfo}},
		{"/websocket", &route{leaf: leafRaw}},
		{"/iframe-1.2.html", &route{leaf: leafIframe}},
		{"/a/b/xhr", session("b", "xhr")},
		{"/_/_1/xhr", session("_1", "xhr")},
		{"/abcdefgh_i-j%20/abcdefg_i-j%20/xhr", session("abcdefg_i-j ", "xhr")},
		{"/a/" + strings.Repeat("x", 128) + "/xhr", session(strings.Repeat("x", 128), "xhr")},
		{"/a/__proto__/xhr", session("__proto__", "xhr")},
		{"//", nil}, {"///", nil}, {"a", nil}, {"/a", nil}, {"/a/b", nil}, {"/a/b/c/d", nil}, {"/a/b/xhr/", nil},
		{"//b/xhr", nil}, {"/a//xhr", nil}, {"/a./b/xhr", nil}, {"/a/b./xhr", nil}, {"/a/../xhr", nil}, {"/a/%2e%2e/xhr", nil},
		{"/a/b%2fc/xhr", nil}, {"/a/b%5cc/xhr", nil}, {"/a/b;x=y/xhr", nil}, {"/a/b%3bx/xhr", nil}, {"/a/%00/xhr", nil},
		{"/a/%ff/xhr", nil}, {"/a/%zz/xhr", nil}, {"/a/" + strings.Repeat("x", 129) + "/xhr", nil}, {"/a/%0d%0a/xhr", nil},
	} {
		got, ok := parseRoute(tt.path)
		if ok != (tt.want != nil) || ok && got != *tt.want {
			t.Errorf("%q: %+v, %v", tt.path, got, ok)
		}
	}
}

func TestBelow(t *testing.T) {
	for _, tt := range []struct {
		prefix, pattern, asked, path string
		want                         string // "-": none
	}{
		// A router's pattern, unstripped, stripped, and under a router that strips.
		{"", "/portfolio/", "/portfolio/0/a/xhr", "/portfolio/0/a/xhr", "/0/a/xhr"},
		{"", "POST shop.example/portfolio/", "/portfolio/0/a/xhr", "/portfolio/0/a/xhr", "/0/a/xhr"},
		{"", "/portfolio/", "/portfolio/0/a/xhr", "/0/a/xhr", "/0/a/xhr"},
		{"", "/portfolio/", "/api/portfolio/0/a/xhr", "/portfolio/0/a/xhr", "/0/a/xhr"},
		{"", "/api/portfolio/", "/api/portfolio/0/a/xhr", "/portfolio/0/a/xhr", "/0/a/xhr"},
		{"", "/portfolio/", "/portfolio/portfolio/a/xhr", "/portfolio/a/xhr", "/portfolio/a/xhr"},
		{"", "/portfolio", "/portfolio", "/portfolio", ""},
		{"", "/portfolio/", "/portfolio/", "/portfolio/", "/"},
		{"", "/{tenant}/portfolio/{rest...}", "/x/portfolio/info?t=1", "/x/portfolio/info", "/info"},
		{"", "/portfolio/*", "/portfolio/websocket", "/portfolio/websocket", "/websocket"},
		{"", "/portfolio/", "/rewritten", "/info", "/info"},
		{"", "/a/b/", "/a/b/c/d/e/xhr", "/a/b/c/d/e/xhr", "/c/d/e/xhr"},
		// A prefix that was said.
		{"/portfolio", "", "", "/portfolio/info", "/info"},
		{"/portfolio", "", "", "/portfolio", ""},
		{"/portfolio", "", "", "/portfolio2/info", "-"},
		{"/portfolio", "", "", "/info", "-"},
		{"/{t}/p", "/", "/x/p/info", "/x/p/info", "/info"},
		// Neither: the end tells.
		{"", "", "", "/0/a/xhr", "/0/a/xhr"},
		{"", "", "", "/portfolio/0/a/xhr", "/0/a/xhr"},
		{"", "", "", "/portfolio/0/a/websocket", "/0/a/websocket"},
		{"", "", "", "/portfolio/0/a/xhr_send", "/0/a/xhr_send"},
		{"", "", "", "/portfolio/0/a/jsonp_send", "/0/a/jsonp_send"},
		{"", "", "", "/portfolio/websocket", "/websocket"},
		{"", "", "", "/api/portfolio/websocket", "/websocket"},
		{"", "", "", "/api/v1/portfolio/websocket", "/websocket"},
		{"", "", "", "/api/portfolio/000/a/websocket", "/000/a/websocket"},
		{"", "", "", "/999/a/websocket", "/999/a/websocket"},
		{"", "", "", "/1000/a/websocket", "/websocket"},
		{"", "", "", "/api/portfolio/node7/a/xhr", "/node7/a/xhr"},
		{"", "/", "/portfolio/info", "/portfolio/info", "/info"},
		{"", "", "", "/a/b/c/iframe-1.html", "/iframe-1.html"},
		{"", "", "", "/portfolio", "/portfolio"},
		{"", "", "", "", ""},
	} {
		r := &http.Request{Pattern: tt.pattern, RequestURI: tt.asked, URL: &url.URL{Path: tt.path}}
		got, ok := below(r, tt.prefix)
		if ok != (tt.want != "-") || ok && got != tt.want {
			t.Errorf("prefix %q, pattern %q, asked %q, path %q: %q, %v; want %q", tt.prefix, tt.pattern, tt.asked, tt.path, got, ok, tt.want)
		}
	}
}

// FuzzURL: whatever is asked for, a session's id is harmless, and the request
// names it in the place where it belongs.
func FuzzURL(f *testing.F) {
	for _, s := range []string{"/", "/portfolio/0/a/xhr", "/portfolio/a/%2e%2e/xhr", "/portfolio//a/xhr", "/portfolio/websocket", "/portfolio/iframe-x.html", "/portfolio/a/b;c/xhr", "/portfolio/a/%00/xhr"} {
		f.Add(s, "", "")
		f.Add(s, "", "/portfolio/")
		f.Add(s, "/portfolio", "")
	}
	f.Fuzz(func(t *testing.T, target, prefix, pattern string) {
		u, err := url.ParseRequestURI(target)
		if err != nil || prefix != "" && prefix[0] != '/' {
			return
		}
		path, ok := below(&http.Request{URL: u, RequestURI: target, Pattern: pattern}, prefix)
		if !ok {
			return
		}
		rt, ok := parseRoute(path)
		if !ok || rt.session == "" {
			return
		}
		id := rt.session
		if len(id) > maxSegment || !utf8.ValidString(id) || strings.ContainsAny(id, `./\;`) || strings.ContainsFunc(id, unicode.IsControl) {
			t.Fatalf("%q: session %q", target, id)
		}
		segments := strings.Split(u.EscapedPath(), "/")
		if got, _ := url.PathUnescape(segments[len(segments)-2]); got != id || segments[len(segments)-1] != rt.end {
			t.Fatalf("%q: %+v", target, rt)
		}
	})
}
