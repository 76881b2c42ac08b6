package auth

import (
	"context"
	"net/http"

	"github.com/headrace/headrace/message"
)

// Cookie takes the value of a cookie, such as the id of an HTTP session, and asks lookup
// whom it belongs to. Look ids up by a hash or in a database: a comparison with one
// after the other tells by its time how much of one was guessed. Cookies ride along
// with whatever page connects, so the check of origins must stay on. Two cookies of
// the name are refused: one of them may be another site's. It panics when name is
// empty or lookup nil.
func Cookie(name string, lookup func(ctx context.Context, value string) (message.Principal, error)) func(*http.Request) (message.Principal, error) {
	if name == "" || lookup == nil {
		panic("auth: Cookie needs a name and a function")
	}
	return func(r *http.Request) (message.Principal, error) {
		value, err := cookie(r, name)
		if err != nil {
			return nil, err
		}
		p, err := lookup(r.Context(), value)
		return checked(p, err, "")
	}
}

// Remember is a hook for [transport.Handshake.Hooks] that keeps the value of a cookie
// as an attribute of the session, under the cookie's name. It is how a keep-alive
// knows which HTTP session to keep. It refuses nobody. It panics when name is empty.
func Remember(name string) func(r *http.Request, attributes map[string]any) error {
	if name == "" {
		panic("auth: Remember needs a name")
	}
	return func(r *http.Request, attributes map[string]any) error {
		if value, err := cookie(r, name); err == nil {
			attributes[name] = value
		}
		return nil
	}
}

// cookie returns the value of the one cookie of a name.
func cookie(r *http.Request, name string) (string, error) {
	cookies := r.CookiesNamed(name)
	switch {
	case len(cookies) > 1:
		return "", refuse(errAmbiguous, "")
	case len(cookies) == 0 || cookies[0].Value == "":
		return "", refuse(errMissing, "")
	}
	return cookies[0].Value, nil
}
