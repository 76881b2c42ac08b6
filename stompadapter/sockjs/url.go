package sockjs

import (
	"net/http"
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"
)

// The pages and endpoints right below the base.
const (
	leafGreeting = ""
	leafInfo     = "info"
	leafIframe   = "iframe.html"
	leafRaw      = "websocket"
)

// The last segments of sessions' URLs that do not name one of transports.
const (
	endWebSocket = "websocket"
	endXHRSend   = "xhr_send"
	endJSONPSend = "jsonp_send"
)

// route is what a URL below the base says.
type route struct {
	leaf    string // of a static URL, if session is empty
	session string // decoded
	end     string // the last segment of a session's URL
}

// maxSegment is how many bytes of a server or session id are believed: 16
// times what clients send.
const maxSegment = 128

// parseRoute parses an escaped path below the base. The server's part of a
// session's URL is for load balancers: it is checked and forgotten.
func parseRoute(path string) (rt route, ok bool) {
	if path == "" || path == "/" {
		return route{leaf: leafGreeting}, true
	}
	if path[0] != '/' {
		return rt, false
	}
	segments := strings.SplitN(path[1:], "/", 4)
	switch len(segments) {
	case 1:
		rt.leaf, ok = parseLeaf(segments[0])
		return rt, ok
	case 3:
		_, ok := parseSegment(segments[0])
		session, ok2 := parseSegment(segments[1])
		return route{session: session, end: segments[2]}, ok && ok2
	}
	return rt, false
}

// parseLeaf knows the one iframe page by all the names that clients give it to
// get past caches.
func parseLeaf(s string) (leaf string, ok bool) {
	switch s {
	case leafInfo, leafRaw, leafIframe:
		return s, true
	}
	ok = strings.HasPrefix(s, "iframe-") && strings.HasSuffix(s, ".html") && !strings.ContainsAny(s, "%;")
	return leafIframe, ok
}

// parseSegment decodes a server or session id. What could mean something else
// to a proxy or a file system is refused, encoded or not.
func parseSegment(escaped string) (s string, ok bool) {
	s, err := url.PathUnescape(escaped)
	if err != nil || s == "" || len(s) > maxSegment || !utf8.ValidString(s) ||
		strings.ContainsAny(s, `./\;`) || strings.ContainsFunc(s, unicode.IsControl) {
		return "", false
	}
	return s, true
}

// below returns the escaped path of r below the base, which is prefix, or the
// pattern of the router that led here, or the path as it is if something has
// stripped the base from it. Where no router says, the end of the path tells.
func below(r *http.Request, prefix string) (path string, ok bool) {
	path = r.URL.EscapedPath()
	if prefix != "" {
		return cutPattern(path, prefix)
	}
	_, pattern, _ := strings.Cut(r.Pattern, "/") // behind method and host
	if r.Pattern == "" || pattern == "" {
		return ending(path), true
	}
	// Patterns match what the client asked for, but where a router inside a
	// StripPrefix led here they match what that left.
	if asked, err := url.ParseRequestURI(r.RequestURI); err == nil {
		if rest, ok := cutPattern(asked.EscapedPath(), "/"+pattern); ok {
			return rest, true
		}
	}
	if rest, ok := cutPattern(path, "/"+pattern); ok {
		return rest, true
	}
	return path, true
}

// cutPattern removes from path the segments that pattern names. A pattern is
// literal but for {name}, which stands for one segment, and what ends it: a
// slash, {name...}, {$} or *.
func cutPattern(path, pattern string) (rest string, ok bool) {
	for {
		switch {
		case pattern == "", pattern == "/", pattern == "/*", pattern == "/{$}",
			strings.HasPrefix(pattern, "/{") && strings.HasSuffix(pattern, "...}") && strings.Count(pattern, "/") == 1:
			return path, path == "" || path[0] == '/'
		case path == "" || path[0] != '/' || pattern[0] != '/':
			return "", false
		}
		want, have := segment(pattern), segment(path)
		if want != have && !(strings.HasPrefix(want, "/{") && len(have) > 1) {
			return "", false
		}
		pattern, path = pattern[len(want):], path[len(have):]
	}
}

// segment returns the first segment of a path with the slash before it.
func segment(path string) string {
	if i := strings.IndexByte(path[1:], '/'); i >= 0 {
		return path[:i+1]
	}
	return path
}

// ending returns the part of path that is below the base as far as the end of
// path tells. "/x/y/websocket" may be WebSocket without SockJS below the base
// "/x/y", or a session's at the root: it is taken for a session's if x is what
// clients choose for the server's part.
func ending(path string) string {
	var ends []int // where the last three segments begin, from the right
	for i := len(path) - 1; i >= 0 && len(ends) < 3; i-- {
		if path[i] == '/' {
			ends = append(ends, i)
		}
	}
	if len(ends) == 0 {
		return path
	}
	last := path[ends[0]+1:]
	if len(ends) == 3 && endsSession(last) && (last != leafRaw || serverNumber(path[ends[2]+1:ends[1]])) {
		return path[ends[2]:]
	}
	if _, ok := parseLeaf(last); ok {
		return path[ends[0]:]
	}
	return path
}

// serverNumber reports whether s is what sockjs-client and others choose for
// the server's part of a URL: a number below 1,000.
func serverNumber(s string) bool {
	return len(s) > 0 && len(s) <= 3 && strings.Trim(s, "0123456789") == ""
}

// endsSession reports whether a session's URL may end so.
func endsSession(last string) bool {
	switch last {
	case endWebSocket, endXHRSend, endJSONPSend:
		return true
	}
	return transports[last] != nil
}
