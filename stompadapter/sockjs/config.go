package sockjs

import (
	"cmp"
	"strings"
	"time"

	"github.com/headrace/headrace/transport"
)

// MountConfig says how one SockJS endpoint behaves. Who may connect, and how
// much may wait for whom, is said by the [transport.Config] of its server.
type MountConfig struct {
	// Prefix is the path below which the endpoint is mounted, as routers write
	// it: "/portfolio", "/{tenant}/portfolio". Empty means that the pattern of
	// the request tells (http.ServeMux and others set it), with or without
	// http.StripPrefix. Where there is none, as with gin, the end of the path
	// tells; that serves all but the greeting page, and sessions over WebSocket
	// whose server part is not the number below 1,000 that clients choose.
	Prefix string
	// NoWebSocket turns both WebSocket endpoints off, for servers behind
	// proxies that break them. False means that they are served.
	NoWebSocket bool
	// HTMLFile turns the htmlfile transport on, which only Internet Explorer
	// needs. False means that it is not found.
	HTMLFile bool
	// JSONP turns the jsonp transport on, for browsers without CORS.
	// False means that it is not found.
	JSONP bool
	// Cookies makes every session's answers set the cookie JSESSIONID, to
	// "dummy" or what the client sent, for load balancers that go by it.
	// False means that no cookie is set.
	Cookies bool
	// NoAddressCheck lets a session without a principal be continued from
	// another address than it began at. Whoever has a principal is always
	// known by it. False means that addresses are compared, without the port.
	NoAddressCheck bool
	// Heartbeat is how long nothing may be written before "h" is, so that
	// proxies do not close. Over WebSocket a heart-beat that the protocol has
	// agreed on, [transport.Conn.Heartbeat], takes its place; over HTTP one that
	// comes more often does, since something is written then. Zero means 25 s; a
	// negative duration means never.
	Heartbeat time.Duration
	// DisconnectDelay is how long a session lives while no request asks for its
	// messages, and how long a closed one is remembered. Zero means 5 s.
	DisconnectDelay time.Duration
	// StreamBytes is after how many bytes a streaming response ends, so that
	// browsers, which keep it all, can let go; the client then asks again. Zero
	// means 128 KiB.
	StreamBytes int
	// BodyBytes is the largest body of a request that sends messages. Zero
	// means 1 MiB.
	BodyBytes int64
	// MaxMessages is how many messages a client may send in one request or
	// WebSocket message. Zero means 10,000.
	MaxMessages int
	// ClientURL is where the iframe page finds the JavaScript client; it must
	// be the version that the pages use, and begin with "/" or "http".
	// Empty means the current 1.x on cdn.jsdelivr.net.
	ClientURL string
	// WebSocket says how both WebSocket endpoints behave; its Framing,
	// Transport and Goodbye are not used, for SockJS says what they are. Zero
	// means the zero WebSocketConfig.
	WebSocket transport.WebSocketConfig
}

func (c MountConfig) withDefaults() MountConfig {
	c.Heartbeat = max(0, cmp.Or(c.Heartbeat, 25*time.Second))
	if c.DisconnectDelay <= 0 {
		c.DisconnectDelay = 5 * time.Second
	}
	if c.StreamBytes <= 0 {
		c.StreamBytes = 128 << 10
	}
	if c.BodyBytes <= 0 {
		c.BodyBytes = 1 << 20
	}
	if c.MaxMessages <= 0 {
		c.MaxMessages = 10000
	}
	c.ClientURL = cmp.Or(c.ClientURL, "https://cdn.jsdelivr.net/npm/sockjs-client@1/dist/sockjs.min.js")
	if !strings.HasPrefix(c.ClientURL, "/") && !strings.HasPrefix(c.ClientURL, "http") {
		panic("sockjs: MountConfig.ClientURL must begin with / or http")
	}
	c.WebSocket.Framing, c.WebSocket.Transport, c.WebSocket.Goodbye = nil, "", nil
	if c.Prefix != "" {
		c.Prefix = "/" + strings.Trim(c.Prefix, "/")
	}
	return c
}
