package sockjs

import (
	"net/http"
	"net/url"
	"strings"
	"time"
)

const (
	textPlain  = "text/plain; charset=UTF-8"
	textHTML   = "text/html; charset=UTF-8"
	javascript = "application/javascript; charset=UTF-8"
	jsonType   = "application/json; charset=UTF-8"

	year = 365 * 24 * time.Hour
)

// cors lets the page that asks read the answer. Its origin has passed the
// server's policy; only then is it named, and only who is named may send
// credentials. A filter before us that has decided is left alone.
func cors(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Add("Vary", "Origin")
	if h.Get("Access-Control-Allow-Origin") != "" {
		return
	}
	origin := r.Header.Get("Origin")
	if origin == "" {
		h.Set("Access-Control-Allow-Origin", "*")
		return
	}
	h.Set("Access-Control-Allow-Origin", origin)
	h.Set("Access-Control-Allow-Credentials", "true")
}

// preflight answers OPTIONS (Fetch, section 4.8).
func preflight(w http.ResponseWriter, r *http.Request, methods string) {
	cors(w, r)
	cached(w)
	h := w.Header()
	h.Set("Access-Control-Allow-Methods", methods)
	h.Set("Access-Control-Max-Age", "31536000")
	if asked := r.Header.Get("Access-Control-Request-Headers"); asked != "" {
		h.Set("Access-Control-Allow-Headers", asked)
	}
	w.WriteHeader(http.StatusNoContent)
}

func cached(w http.ResponseWriter) {
	w.Header().Set("Cache-Control", "public, max-age=31536000")
	w.Header().Set("Expires", time.Now().Add(year).UTC().Format(http.TimeFormat))
}

func notCached(w http.ResponseWriter) {
	w.Header().Set("Cache-Control", "no-store, no-cache, no-transform, must-revalidate, max-age=0")
}

// methodNotAllowed answers with nothing but the methods that are.
func methodNotAllowed(w http.ResponseWriter, methods string) {
	w.Header().Set("Allow", methods)
	w.WriteHeader(http.StatusMethodNotAllowed)
}

// sessionCookie gives back the cookie that keeps a client on its server.
func sessionCookie(w http.ResponseWriter, r *http.Request) {
	const name = "JSESSIONID"
	value := "dummy"
	if c, err := r.Cookie(name); err == nil {
		value = c.Value
	}
	http.SetCookie(w, &http.Cookie{Name: name, Value: value, Path: "/", HttpOnly: true, Secure: r.TLS != nil})
}

// withOrigin returns a request with an Origin header for what browsers ask
// for without one, scripts and frames. A page of another site that embeds our
// iframe page, or a jsonp script, acts with the cookies of whoever looks at it
// and must pass the same policy. Where nothing tells the page's origin it is
// "null", which is refused unless all origins are let in.
func withOrigin(r *http.Request) *http.Request {
	site := r.Header.Get("Sec-Fetch-Site")
	if r.Header.Get("Origin") != "" || site == "same-origin" || site == "none" {
		return r
	}
	origin := "null"
	if page, err := url.Parse(r.Header.Get("Referer")); err == nil && page.Host != "" {
		origin = page.Scheme + "://" + page.Host
	}
	marked := *r
	marked.Header = r.Header.Clone()
	marked.Header.Set("Origin", origin)
	return &marked
}

// allows reports whether a list of methods has this one.
func allows(methods, method string) bool {
	for m := range strings.SplitSeq(methods, ", ") {
		if m == method {
			return true
		}
	}
	return false
}
