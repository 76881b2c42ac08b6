package transport

import (
	"net/http"
	"net/netip"

	"github.com/headrace/headrace/message"
)

// Handshake says who may connect and what is known about a client before its
// first message.
type Handshake struct {
	// AllowedOrigins are further origins whose pages may connect, each
	// "scheme://host" or "scheme://host:port"; "https://*.example.com" stands
	// for any one label in the place of the star. Nil means that only pages of
	// the request's own origin may.
	AllowedOrigins []string
	// NoOriginCheck lets pages of every origin connect, with the cookies of
	// whoever visits them. False means that origins are checked.
	NoOriginCheck bool
	// TrustedProxies are the networks whose word about the client's address,
	// scheme and host counts (Forwarded and X-Forwarded-For, -Proto, -Host).
	// Nil means nobody's.
	TrustedProxies []netip.Prefix
	// Principal says who the client is; nil and no error means nobody yet. An
	// error refuses the client, see Hooks. Nil means that nobody is known.
	Principal func(*http.Request) (message.Principal, error)
	// Hooks run in order after Principal. Each may add to the session's
	// attributes or refuse the client with an error: an authored
	// [message.Error] is answered with its text and the status of its code,
	// any other error with a bare 500. Nil means none.
	Hooks []func(r *http.Request, attributes map[string]any) error
}
