package transport

import (
	"net/http"
	"slices"
	"strings"
)

// Guard lets requests through that have one of the methods, a list such as
// "OPTIONS, GET", and come from a page that may connect, which it lets read the
// answer (Fetch, section 3.3) unless a filter before it has decided that. All
// others it answers, preflights among them, and returns false.
func (s *Server) Guard(w http.ResponseWriter, r *http.Request, methods string) bool {
	return s.guard(w, r, methods, s.Origin)
}

// GuardEmbedded is Guard for what only browsers ask for, a frame or a script that
// a page embeds: a request that tells nothing of its page is refused as well.
func (s *Server) GuardEmbedded(w http.ResponseWriter, r *http.Request, methods string) bool {
	return s.guard(w, r, methods, s.embedded)
}

func (s *Server) guard(w http.ResponseWriter, r *http.Request, methods string, admits func(http.ResponseWriter, *http.Request) bool) bool {
	h := w.Header()
	h.Add("Vary", "Origin")
	if !slices.Contains(strings.Split(methods, ", "), r.Method) {
		h.Set("Allow", methods)
		w.WriteHeader(http.StatusMethodNotAllowed)
		return false
	}
	if !admits(w, r) {
		return false
	}
	readable(h, r.Header.Get("Origin"))
	if r.Method != http.MethodOptions {
		return true
	}
	h.Set("Access-Control-Allow-Methods", methods)
	h.Set("Access-Control-Max-Age", "31536000")
	if asked := r.Header.Get("Access-Control-Request-Headers"); asked != "" {
		h.Set("Access-Control-Allow-Headers", asked)
	}
	w.WriteHeader(http.StatusNoContent)
	return false
}

// readable lets the page that asks read the answer. Its origin has passed the
// server's policy; only then is it named, and only who is named may send
// credentials.
func readable(h http.Header, origin string) {
	switch {
	case h.Get("Access-Control-Allow-Origin") != "":
	case origin == "":
		h.Set("Access-Control-Allow-Origin", "*")
	default:
		h.Set("Access-Control-Allow-Origin", origin)
		h.Set("Access-Control-Allow-Credentials", "true")
	}
}

// embedded is Origin for requests that must tell of their page.
func (s *Server) embedded(w http.ResponseWriter, r *http.Request) bool {
	if len(page(r)) == 0 && r.Header.Get("Sec-Fetch-Site") == "" {
		r = r.Clone(r.Context())
		r.Header.Set("Origin", "null")
	}
	return s.Origin(w, r)
}
