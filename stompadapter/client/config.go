package client

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"time"
	"unicode/utf8"

	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/message/codec"
	"github.com/headrace/headrace/stompadapter/frame"
)

// Config says where the server is and how to treat it.
type Config struct {
	// URL is where the server is: ws://host/path and wss://host/path for
	// WebSocket, tcp://host:61613 and tls://host:61614 for plain sockets, whose
	// ports may be left out. Credentials do not belong in it. There is no
	// default: empty means an error.
	URL string
	// Login is the user's name. Zero, with a zero Passcode, means that neither
	// is sent.
	Login string
	// Passcode is the user's password. It is never logged. Zero, with a zero
	// Login, means that neither is sent.
	Passcode string
	// Host is the virtual host; for RabbitMQ it is one of its own, mostly "/".
	// Zero means the host name of URL.
	Host string
	// Version is the highest version of STOMP to offer, for servers that speak a
	// later one badly. Zero means frame.V12.
	Version frame.Version
	// Header holds further headers for the CONNECT frame. Zero means none.
	Header message.Header
	// HTTPHeader is sent with the WebSocket handshake, such as Origin and
	// Authorization. Zero means none.
	HTTPHeader http.Header
	// Credentials is asked at each attempt to connect for credentials that are good
	// now, such as a token that was renewed, and waited for: ctx ends with
	// ConnectTimeout and when the client is closed. It runs once at a time. An error
	// or a panic is a failed attempt: the first is Dial's, later ones are logged, so
	// they must not quote secrets, and it is asked again. Zero (nil) means that
	// Login, Passcode, Header and HTTPHeader are all there is.
	Credentials func(ctx context.Context) (Credentials, error)
	// TLS configures wss and tls. Zero means that the server's certificate is
	// verified against the system's authorities and the host name of URL.
	TLS *tls.Config
	// Dial opens the network connection, below TLS and WebSocket, and is
	// called again for every reconnection. Zero means TCP to the host of URL,
	// for WebSocket through the proxy that the environment names.
	Dial func(ctx context.Context) (net.Conn, error)
	// ConnectTimeout bounds each attempt to connect, from Credentials to CONNECTED. Zero
	// means 10 s.
	ConnectTimeout time.Duration
	// Heartbeat is what the client offers. Zero means 10 s both ways.
	Heartbeat HeartbeatConfig
	// Reconnect says what happens when the connection is lost. Zero means that
	// the client connects again, after 100 ms at first and 30 s at last.
	Reconnect ReconnectConfig
	// MessageBytes is the largest WebSocket message that is sent; larger frames
	// go out in several, which servers put together again. Zero means 8 KiB,
	// which is what Tomcat reads and so most servers of Spring. A negative number
	// means a message for each frame, for servers that know nothing else, such as
	// ActiveMQ Classic. Other connections have no messages.
	MessageBytes int
	// Buffer is how many frames may wait to be written. While there is a
	// connection, senders wait for room; while there is none, they get
	// ErrBufferFull. Zero means 256.
	Buffer int
	// Limits bound the frames that the server sends. Zero means the defaults of
	// [frame.Limits], but 16 MiB for a Frame.
	Limits frame.Limits
	// Codecs encodes what is sent. Zero means the built-in codecs.
	Codecs *codec.Set
	// Logger is told of lost connections and failed handlers. Zero means
	// slog.Default().
	Logger *slog.Logger
}

// HeartbeatConfig says how often each side has to show that it is alive. The
// slower of client and server decides, for each direction (STOMP 1.2,
// "Heart-beating").
type HeartbeatConfig struct {
	// Send is the shortest period in which the client sends something. Zero
	// means 10 s; a negative duration means that it offers no heart-beats.
	Send time.Duration
	// Receive is the period in which the client wants to hear something. A
	// server that was silent for two of them is taken for dead. Zero means
	// 10 s; a negative duration means that the server may be silent.
	Receive time.Duration
}

// ReconnectConfig says how a lost connection is replaced. The delay doubles
// from attempt to attempt, and of each delay a random part of up to one half is
// left out, so that the clients of a server that restarts do not come at once. A
// server of this module that shuts down tells each client when to come back, which
// is the first delay then, but at most MaxDelay.
type ReconnectConfig struct {
	// Off ends the client with its first connection. Zero means that it
	// reconnects, until it is closed.
	Off bool
	// MinDelay is the first delay. Zero means 100 ms.
	MinDelay time.Duration
	// MaxDelay is the longest delay. Zero means 30 s.
	MaxDelay time.Duration
}

// check returns what is wrong with numbers that no client can work with.
func (c Config) check() error {
	switch {
	case c.Buffer < 0:
		return errors.New("client: Buffer is negative")
	case c.MessageBytes > 0 && c.MessageBytes < utf8.UTFMax:
		return errors.New("client: MessageBytes is less than a character")
	case c.ConnectTimeout < 0:
		return errors.New("client: ConnectTimeout is negative")
	case c.Reconnect.MinDelay < 0 || c.Reconnect.MaxDelay < 0:
		return errors.New("client: a delay of Reconnect is negative")
	case c.Version > frame.V12:
		return errors.New("client: Version is none of STOMP")
	}
	return nil
}

func (c Config) withDefaults() Config {
	c.Version = cmp.Or(c.Version, frame.V12)
	c.ConnectTimeout = cmp.Or(c.ConnectTimeout, 10*time.Second)
	c.Heartbeat.Send = max(0, cmp.Or(c.Heartbeat.Send, 10*time.Second))
	c.Heartbeat.Receive = max(0, cmp.Or(c.Heartbeat.Receive, 10*time.Second))
	c.Reconnect.MinDelay = cmp.Or(c.Reconnect.MinDelay, 100*time.Millisecond)
	c.Reconnect.MaxDelay = max(c.Reconnect.MinDelay, cmp.Or(c.Reconnect.MaxDelay, 30*time.Second))
	c.MessageBytes = cmp.Or(c.MessageBytes, 8<<10)
	c.Buffer = cmp.Or(c.Buffer, 256)
	c.Limits.Frame = cmp.Or(c.Limits.Frame, 16<<20)
	c.Logger = cmp.Or(c.Logger, slog.Default())
	return c
}
