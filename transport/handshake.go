package transport

import (
	"net/http"
	"net/netip"

	"github.com/headrace/headrace/internal/detach"
	"github.com/headrace/headrace/message"
)

// Handshake says who may connect and what is known about a client before its
// first message.
type Handshake struct {
	// AllowedOrigins are further origins whose pages may connect, each
	// "scheme://host" or "scheme://host:port"; "https://*.example.com" stands
	// for exactly one label in the place of the star. Nil means that only
	// pages of the request's own origin may. Clients that send no Origin
	// header, as every browser does, are let in.
	AllowedOrigins []string
	// NoOriginCheck lets pages of every origin connect, with the cookies of
	// whoever visits them. False means that origins are checked.
	NoOriginCheck bool
	// TrustedProxies are the networks whose word about the client's address,
	// scheme and host counts: Forwarded (RFC 7239) and X-Forwarded-For, -Proto
	// and -Host. Where both kinds speak and differ, neither counts: a proxy
	// that writes one lets the client's other one through. Nil means that
	// nobody's word counts.
	TrustedProxies []netip.Prefix
	// Principal says who the client is; nil and no error means nobody yet. An
	// error refuses the client as an error of Hooks does. Nil means that
	// nobody is known.
	Principal func(*http.Request) (message.Principal, error)
	// Hooks run in order after Principal, on the request's goroutine. Each may
	// add to the session's attributes, or refuse the client with an error: an
	// authored [message.Error] is answered with its text and the status of its
	// code, any other error with a bare 500. Nil means none.
	Hooks []func(r *http.Request, attributes map[string]any) error
}

// admit decides about a request. It answers one that is refused; whoever gets
// true has a place that must be released.
func (s *Server) admit(w http.ResponseWriter, r *http.Request) (info message.SessionInfo, ok bool) {
	if oversized(r.Header) {
		s.refuse(w, http.StatusRequestHeaderFieldsTooLarge, "request header too large")
		return info, false
	}
	client := s.proxies.client(r)
	if err := s.origins.check(r.Header["Origin"], client); err != nil {
		err.log(r.Context(), s.config.Logger)
		s.refuse(w, http.StatusForbidden, "origin not allowed")
		return info, false
	}
	if err := s.reserve(); err != nil {
		s.refuseError(w, r, err)
		return info, false
	}
	placed := true
	defer func() {
		if placed && !ok { // a hook refused, or panicked
			s.release()
		}
	}()
	info, err := s.identify(r)
	if err != nil {
		s.refuseError(w, r, err)
		return info, false
	}
	info.RemoteAddr = client.addr
	return info, true
}

// Limits of a handshake's header: what is larger is refused unread.
const (
	maxHeaderFields = 128
	maxHeaderBytes  = 32 << 10
)

func oversized(h http.Header) bool {
	fields, bytes := 0, 0
	for name, values := range h {
		fields += len(values)
		for _, v := range values {
			bytes += len(name) + len(v)
		}
	}
	return fields > maxHeaderFields || bytes > maxHeaderBytes
}

// identify asks the principal function and the hooks.
func (s *Server) identify(r *http.Request) (info message.SessionInfo, err error) {
	h := &s.config.Handshake
	info.Context = detach.Context(r.Context(), s.ctx)
	info.Attributes = make(map[string]any)
	if h.Principal != nil {
		if info.Principal, err = h.Principal(r); err != nil {
			return info, err
		}
	}
	for _, hook := range h.Hooks {
		if err := hook(r, info.Attributes); err != nil {
			return info, err
		}
	}
	return info, nil
}

func (s *Server) refuse(w http.ResponseWriter, status int, text string) {
	s.refused.Add(1)
	http.Error(w, text, status)
}

// refuseError answers with what a client may know of err. The cause goes to
// the log; the request's header, which holds secrets, does not.
func (s *Server) refuseError(w http.ResponseWriter, r *http.Request, err error) {
	public := message.Public(err)
	if public.Code == message.CodeInternal {
		s.config.Logger.ErrorContext(r.Context(), "transport: handshake failed", "error", err)
	}
	s.refuse(w, status(public.Code), public.Message)
}

// status is the HTTP status of a refused handshake.
func status(code message.Code) int {
	switch code {
	case message.CodeInvalid:
		return http.StatusBadRequest
	case message.CodeUnauthenticated:
		return http.StatusUnauthorized
	case message.CodeDenied:
		return http.StatusForbidden
	case message.CodeNotFound:
		return http.StatusNotFound
	case message.CodeConflict:
		return http.StatusConflict
	case message.CodeTooLarge:
		return http.StatusRequestEntityTooLarge
	case message.CodeFull, message.CodeUnavailable:
		return http.StatusServiceUnavailable
	case message.CodeTimeout:
		return http.StatusGatewayTimeout
	}
	return http.StatusInternalServerError
}
