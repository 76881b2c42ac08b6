package sockjs

import (
	"net/http"
	"time"
)

const (
	textPlain  = "text/plain; charset=UTF-8"
	textHTML   = "text/html; charset=UTF-8"
	javascript = "application/javascript; charset=UTF-8"
	jsonType   = "application/json; charset=UTF-8"

	year = 365 * 24 * time.Hour
)

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
