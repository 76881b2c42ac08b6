package transport

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// origin is where a page comes from (RFC 6454), as the Origin header tells it.
// Everything is in lower case; the port is empty only where the scheme has no
// default.
type origin struct {
	scheme, host, port string
}

var defaultPorts = map[string]string{"http": "80", "https": "443"}

const (
	letters = "abcdefghijklmnopqrstuvwxyz"
	digits  = "0123456789"
)

// parseOrigin parses "scheme://host" and "scheme://host:port" and nothing
// else: no user, no path, nothing outside ASCII, which browsers write as
// "xn--...".
func parseOrigin(s string) (o origin, ok bool) {
	for i := range len(s) {
		if s[i] >= 0x80 { // before ToLower, which makes a k of the Kelvin sign
			return o, false
		}
	}
	scheme, host, ok := strings.Cut(strings.ToLower(s), "://")
	if !ok || !only(scheme, letters+digits+"+-.") {
		return o, false
	}
	port := defaultPorts[scheme]
	if i := strings.LastIndexByte(host, ':'); i >= 0 && !strings.HasSuffix(host, "]") {
		n, err := strconv.ParseUint(host[i+1:], 10, 16)
		if err != nil || n == 0 {
			return o, false
		}
		host, port = host[:i], strconv.FormatUint(n, 10)
	}
	if v6, bracketed := strings.CutPrefix(host, "["); bracketed {
		v6, bracketed = strings.CutSuffix(v6, "]")
		ok = bracketed && only(v6, digits+"abcdef:.")
	} else {
		ok = only(host, letters+digits+"-._")
	}
	return origin{scheme, host, port}, ok
}

// only reports whether s has some of these characters and no others.
func only(s, characters string) bool {
	return s != "" && strings.Trim(s, characters) == ""
}

// String returns the origin as a browser writes it.
func (o origin) String() string {
	if o.port == defaultPorts[o.scheme] {
		return o.scheme + "://" + o.host
	}
	return o.scheme + "://" + o.host + ":" + o.port
}

// originPolicy says whose pages may connect.
type originPolicy struct {
	unchecked bool
	allowed   map[origin]bool
	wildcards map[origin]bool // their hosts without the first label
}

func newOriginPolicy(h Handshake) originPolicy {
	p := originPolicy{
		unchecked: h.NoOriginCheck,
		allowed:   make(map[origin]bool),
		wildcards: make(map[origin]bool),
	}
	for _, s := range h.AllowedOrigins {
		into, plain := p.allowed, s
		if strings.Contains(s, "://*.") {
			into, plain = p.wildcards, strings.Replace(s, "://*.", "://", 1)
		}
		o, ok := parseOrigin(plain)
		if !ok {
			panic(fmt.Sprintf("transport: allowed origin %q is not scheme://host or scheme://host:port "+
				"(names outside ASCII in their xn-- form, * for the first label only; NoOriginCheck allows all)", s))
		}
		into[o] = true
	}
	return p
}

// page returns where the page comes from that makes a request, as its Origin
// header has it. Browsers leave that out where a page embeds an image, a script
// or a frame, or goes on to another page, and send the cookies of whoever looks
// at it all the same: then Referer tells, and what comes from another site and
// does not say from which has the origin "null". It returns nothing for pages
// of the same origin, addresses that were typed, and clients that are no browser.
func page(r *http.Request) []string {
	origin, site := r.Header["Origin"], r.Header.Get("Sec-Fetch-Site")
	if len(origin) > 0 || site == "same-origin" || site == "none" {
		return origin
	}
	if from, err := url.Parse(r.Header.Get("Referer")); err == nil && from.Host != "" {
		return []string{from.Scheme + "://" + from.Host}
	}
	if site != "" {
		return []string{"null"}
	}
	return nil
}

// check returns nil if a page with this Origin header may connect. Anything but
// exactly one well-formed origin is refused, among them "null", which any page
// can have by means of a sandboxed frame.
func (p *originPolicy) check(header []string, c client) *originError {
	if p.unchecked || len(header) == 0 {
		return nil
	}
	refused := &originError{origin: strings.Join(header, ", "), host: c.host}
	if len(header) > 1 {
		return refused
	}
	o, ok := parseOrigin(header[0])
	if !ok {
		return refused
	}
	if own, ok := parseOrigin(c.scheme + "://" + c.host); ok && o == own || p.allows(o) {
		return nil
	}
	refused.allow = o.String()
	return refused
}

func (p *originPolicy) allows(o origin) bool {
	if p.allowed[o] {
		return true
	}
	label, parent, _ := strings.Cut(o.host, ".")
	return label != "" && p.wildcards[origin{o.scheme, parent, o.port}]
}

// originError tells the operator of a page that was refused.
type originError struct {
	origin string // as it came
	host   string // of the request
	allow  string // what would have to be allowed, or empty if nothing can be
}

// log writes one line, with the line of configuration that would let the page in.
func (e *originError) log(ctx context.Context, to *slog.Logger) {
	const longest = 256
	attrs := []slog.Attr{
		slog.String("origin", e.origin[:min(len(e.origin), longest)]),
		slog.String("host", e.host[:min(len(e.host), longest)]),
	}
	if e.allow != "" && len(e.allow) <= longest {
		line := fmt.Sprintf("Handshake: transport.Handshake{AllowedOrigins: []string{%q}}", e.allow)
		attrs = append(attrs, slog.String("allow", line))
	}
	to.LogAttrs(ctx, slog.LevelWarn, "transport: origin refused", attrs...)
}
