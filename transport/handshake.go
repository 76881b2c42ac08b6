package transport

import (
	"errors"
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
	// pages of the request's own origin may. Where a browser sends no Origin
	// header, as for what a page embeds, Sec-Fetch-Site and Referer tell where
	// the page is from. Clients that send none of these, which are no browsers,
	// are let in.
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
	// error refuses the client as an error of Hooks does; one with a method
	// Challenges() []string says what WWW-Authenticate tells the client where
	// the status is 401. Package auth makes such functions. Nil means that
	// nobody is known.
	Principal func(*http.Request) (message.Principal, error)
	// Hooks run in order after Principal, on the request's goroutine. Each may
	// add to the session's attributes, or refuse the client with an error: an
	// authored [message.Error] is answered with its text and the status of its
	// code, any other error with a bare 500. Nil means none.
	Hooks []func(r *http.Request, attributes map[string]any) error
}

// Origin checks the origin of a request's page and the size of its header, and
// nothing else: for requests that make no connection and tell nothing about
// anybody, such as preflights. A request that is refused is answered, logged
// and counted, and false returned.
func (s *Server) Origin(w http.ResponseWriter, r *http.Request) bool {
	_, ok := s.screen(w, r)
	return ok
}

// Identify checks a request as Origin does and tells who sent it: principal,
// address and the values of its context. It is for the further requests of a
// connection that [Server.Carry] has made: no hooks are called, and there are
// no attributes. A request that is refused is answered, and false returned.
func (s *Server) Identify(w http.ResponseWriter, r *http.Request) (message.SessionInfo, bool) {
	client, ok := s.screen(w, r)
	if !ok {
		return message.SessionInfo{}, false
	}
	info, err := s.identify(r, client)
	if err != nil {
		s.Refuse(w, r, err)
	}
	return info, err == nil
}

// admit is the whole handshake. It answers a request that is refused; whoever
// gets true has a place that must be released.
func (s *Server) admit(w http.ResponseWriter, r *http.Request) (info message.SessionInfo, p place, ok bool) {
	client, ok := s.screen(w, r)
	if !ok {
		return info, p, false
	}
	p, err := s.reserve(client.addr)
	if err != nil {
		s.Refuse(w, r, err)
		return info, p, false
	}
	admitted := false
	defer func() {
		if !admitted { // a hook refused, or panicked
			s.release(&p)
		}
	}()
	info, err = s.identify(r, client)
	if err == nil {
		err = s.claim(&p, info.Principal)
	}
	if err == nil {
		info.Attributes, err = s.attributes(r)
	}
	if err != nil {
		s.Refuse(w, r, err)
		return info, p, false
	}
	admitted = true
	return info, p, true
}

// screen answers what is refused unread.
func (s *Server) screen(w http.ResponseWriter, r *http.Request) (c client, ok bool) {
	if oversized(r.Header) {
		s.refuse(w, r, http.StatusRequestHeaderFieldsTooLarge, "request header too large")
		return c, false
	}
	c = s.proxies.client(r)
	if err := s.origins.check(page(r), c); err != nil {
		err.log(r.Context(), s.config.Logger)
		s.refuse(w, r, http.StatusForbidden, "origin not allowed")
		return c, false
	}
	return c, true
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

// identify finds out who sent a request.
func (s *Server) identify(r *http.Request, c client) (info message.SessionInfo, err error) {
	info.Context = detach.Context(r.Context(), s.ctx)
	info.RemoteAddr = c.addr
	if principal := s.config.Handshake.Principal; principal != nil {
		info.Principal, err = principal(r)
	}
	return info, err
}

// attributes asks the hooks.
func (s *Server) attributes(r *http.Request) (map[string]any, error) {
	attributes := make(map[string]any)
	for _, hook := range s.config.Handshake.Hooks {
		if err := hook(r, attributes); err != nil {
			return nil, err
		}
	}
	return attributes, nil
}

// refuse answers a request that becomes no connection.
func (s *Server) refuse(w http.ResponseWriter, r *http.Request, status int, text string) {
	s.refused.Add(1)
	s.config.Logger.DebugContext(r.Context(), "transport: handshake refused", "remote", r.RemoteAddr, "status", status, "reason", text)
	http.Error(w, text, status)
}

// Refuse answers a request with what a client may know of err, the text of an
// authored [message.Error] and the status of its code, and counts it. The cause
// goes to the log; the request's header, which holds secrets, does not.
func (s *Server) Refuse(w http.ResponseWriter, r *http.Request, err error) {
	public := message.Public(err)
	if public.Code == message.CodeInternal {
		s.config.Logger.ErrorContext(r.Context(), "transport: request failed", "error", err)
	}
	if c, ok := errors.AsType[challenger](err); ok && public.Code == message.CodeUnauthenticated {
		for _, challenge := range c.Challenges() {
			w.Header().Add("WWW-Authenticate", challenge)
		}
	}
	s.refuse(w, r, status(public.Code), public.Message)
}

// challenger is an error that tells the client how to log in (RFC 9110, section 11.6.1).
type challenger interface {
	error
	Challenges() []string
}

// status is the HTTP status of a refused request.
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
