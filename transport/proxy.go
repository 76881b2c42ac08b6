package transport

import (
	"net/http"
	"net/netip"
	"strings"
)

// client is how a request looks from the client's side of all proxies.
type client struct {
	addr   string // "address:port", or the address alone behind a proxy
	scheme string // "http" or "https"
	host   string // "name" or "name:port"
}

// trustedProxies are the networks whose forwarding headers count.
type trustedProxies []netip.Prefix

// client returns what the connection says of r, and what the proxy says if it
// is a trusted one.
func (t trustedProxies) client(r *http.Request) client {
	c := client{addr: r.RemoteAddr, scheme: "http", host: r.Host}
	if r.TLS != nil {
		c.scheme = "https"
	}
	if peer, ok := parseAddr(r.RemoteAddr); !ok || !t.contain(peer) {
		return c
	}
	x, f := t.legacy(r.Header), t.standard(r.Header)
	agreed(&c.addr, x.addr, f.addr)
	agreed(&c.scheme, pageScheme(x.scheme), pageScheme(f.scheme))
	agreed(&c.host, x.host, f.host)
	return c
}

// pageScheme returns the scheme of the pages that a proxy speaks of. For a
// WebSocket handshake some say ws and wss, which no page's origin has.
func pageScheme(s string) string {
	switch s = strings.ToLower(s); s {
	case "ws":
		return "http"
	case "wss":
		return "https"
	}
	return s
}

// agreed sets s to what one of two says, if the other does not contradict.
func agreed(s *string, a, b string) {
	switch {
	case a == "":
		a = b
	case b != "" && a != b:
		return
	}
	if a != "" {
		*s = a
	}
}

// legacy reads the X-Forwarded headers. Of several values the last counts, the
// one the nearest proxy wrote.
func (t trustedProxies) legacy(h http.Header) client {
	hops := list(h, "X-Forwarded-For")
	return client{
		addr:   t.outermost(hops),
		scheme: last(list(h, "X-Forwarded-Proto")),
		host:   last(list(h, "X-Forwarded-Host")),
	}
}

// standard reads the Forwarded header (RFC 7239).
func (t trustedProxies) standard(h http.Header) client {
	var c client
	var hops []string
	for _, element := range list(h, "Forwarded") {
		c.scheme, c.host = "", ""
		for pair := range strings.SplitSeq(element, ";") {
			name, value, _ := strings.Cut(strings.TrimSpace(pair), "=")
			value = strings.Trim(value, `"`)
			switch strings.ToLower(name) {
			case "for":
				hops = append(hops, value)
			case "proto":
				c.scheme = value
			case "host":
				c.host = value
			}
		}
	}
	c.addr = t.outermost(hops)
	return c
}

// outermost returns the last hop that is not a trusted proxy: what is before it
// came from a stranger. It returns "" if there is none that can be believed.
func (t trustedProxies) outermost(hops []string) string {
	addr := ""
	for i := len(hops) - 1; i >= 0; i-- {
		hop, ok := parseAddr(hops[i])
		if !ok {
			break
		}
		addr = hop.String()
		if !t.contain(hop) {
			break
		}
	}
	return addr
}

func (t trustedProxies) contain(a netip.Addr) bool {
	for _, p := range t {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// parseAddr parses an address with or without brackets and port.
func parseAddr(s string) (netip.Addr, bool) {
	if ap, err := netip.ParseAddrPort(s); err == nil {
		return ap.Addr().Unmap(), true
	}
	a, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(s, "["), "]"))
	return a.Unmap(), err == nil
}

// list returns the elements of a header that may have several lines.
func list(h http.Header, name string) []string {
	var elements []string
	for _, line := range h[name] {
		for e := range strings.SplitSeq(line, ",") {
			elements = append(elements, strings.TrimSpace(e))
		}
	}
	return elements
}

func last(s []string) string {
	if len(s) == 0 {
		return ""
	}
	return s[len(s)-1]
}
