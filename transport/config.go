package transport

import (
	"log/slog"
	"net"
	"runtime"
	"time"

	"github.com/headrace/headrace/message"
)

// Config says how a [Server] treats its connections.
type Config struct {
	// Handshake says who may connect. Zero means pages of the same origin and
	// clients that are no browser.
	Handshake Handshake
	// MaxConnections is how many connections may be open at once; further ones
	// are answered 503. Zero means 65,536; a negative number means no limit.
	MaxConnections int
	// MaxPerAddress is how many of them may be of one address: the client's,
	// as Handshake.TrustedProxies tell it, and of IPv6 the first 64 bits. A
	// further handshake is answered 503, a further stream cut. Clients without
	// an address of IP, as on Unix sockets, are not counted. Zero means that
	// MaxConnections alone bounds it, for whole offices and mobile networks
	// share one address, and so does everybody behind a proxy that is not
	// trusted.
	MaxPerAddress int
	// MaxPerUser is how many of them may be of one user, by the Name of the
	// Principal: that of the handshake until the session of an [Exchange] is
	// connected, then its User. One too many is answered 503 in the handshake;
	// later it is told that it was refused, and closed. Zero means that
	// MaxConnections alone bounds it, for how many tabs and devices somebody
	// has is the application's to say.
	MaxPerUser int
	// OutboxBytes is how many bytes may wait for one client. Who lets more
	// pile up is cut. A single frame may be larger when nothing else waits.
	// Zero means 512 KiB.
	OutboxBytes int
	// DropOldest makes room for a client that is over its budget: the oldest
	// messages that wait for it are left out and it is not cut, for streams of
	// which the latest counts. Answers, errors and messages that have to be
	// acknowledged stay; who lets those pile up is cut. False means that nothing
	// is left out.
	DropOldest bool
	// WriteTimeout is how long a client may take nothing while something waits
	// for it. On connections that cannot be written without blocking (TLS,
	// pipes) it is how long one write of at most 16 KiB may take. Zero means
	// 10 s.
	WriteTimeout time.Duration
	// Drain says how Shutdown lets connections go. Zero means the defaults of
	// [DrainConfig].
	Drain DrainConfig
	// Flushers is how many goroutines write to the sockets. Zero means half of
	// GOMAXPROCS, at least one.
	Flushers int
	// Logger is told of refused origins, failed handshakes and panics of
	// protocols, and at debug level of everything that is refused, with the
	// reason. Zero means slog.Default().
	Logger *slog.Logger
}

func (c Config) withDefaults() Config {
	if c.MaxConnections == 0 {
		c.MaxConnections = 65536
	}
	if c.OutboxBytes <= 0 {
		c.OutboxBytes = 512 << 10
	}
	if c.WriteTimeout <= 0 {
		c.WriteTimeout = 10 * time.Second
	}
	c.Drain = c.Drain.withDefaults()
	if c.Flushers <= 0 {
		c.Flushers = max(1, runtime.GOMAXPROCS(0)/2)
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	return c
}

// WebSocketConfig says how one WebSocket endpoint behaves.
type WebSocketConfig struct {
	// Subprotocols are the server's subprotocols, the preferred one first,
	// compared without regard to case. A client that offers none of them is let
	// in without one; see [Conn.Subprotocol]. Zero means none.
	Subprotocols []string
	// Transport is the endpoint's name in message.SessionInfo. Empty means
	// "websocket".
	Transport string
	// Framing is the wire form of what is sent. Nil means FramingWebSocket.
	Framing *Framing
	// Goodbye returns the payload of a last message, which goes out right before
	// the close frame that tells the client of the same reason: for protocols
	// that say goodbye themselves. It may be called from any goroutine and must
	// not block. Nil means that there is none.
	Goodbye func(reason error) []byte
	// Compression lets clients compress what they send (RFC 7692). What is sent
	// to them is never compressed. False means that it is not negotiated.
	Compression bool
	// MessageBytes is the largest WebSocket message that is read, its
	// fragments counted together; of a compressed one neither what comes nor
	// what is in it may be larger. Zero means 64 KiB; a negative number means
	// no limit, but 16 MiB for what comes of a compressed one.
	MessageBytes int64
	// IdleTimeout is how long a client may be silent. After half of it the
	// client is pinged, and its pong counts, so only those are closed that are
	// gone; pings this often also keep proxies from closing. Zero means 50 s;
	// a negative duration means no pings and no limit.
	IdleTimeout time.Duration
}

func (c WebSocketConfig) withDefaults() WebSocketConfig {
	if c.Transport == "" {
		c.Transport = "websocket"
	}
	if c.Framing == nil {
		c.Framing = FramingWebSocket
	}
	if c.MessageBytes == 0 {
		c.MessageBytes = 64 << 10
	}
	if c.IdleTimeout == 0 {
		c.IdleTimeout = 50 * time.Second
	}
	return c
}

// StreamConfig says how [Server.Serve] treats what a listener accepts.
type StreamConfig struct {
	// Framing is the wire form of what is sent. Nil means FramingStream.
	Framing *Framing
	// HandshakeTimeout is how long a TLS handshake may take. Zero means 5 s.
	HandshakeTimeout time.Duration
	// Principal says who the client is, from its address or its certificate:
	// after a TLS handshake it is given the *tls.Conn. It must not read or
	// write. It is called on the connection's goroutine; nil and no error means
	// nobody yet, and an error ends the connection. Nil means that nobody is
	// known.
	Principal func(net.Conn) (message.Principal, error)
}

func (c StreamConfig) withDefaults() StreamConfig {
	if c.Framing == nil {
		c.Framing = FramingStream
	}
	if c.HandshakeTimeout <= 0 {
		c.HandshakeTimeout = 5 * time.Second
	}
	return c
}
