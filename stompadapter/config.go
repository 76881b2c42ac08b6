package stompadapter

import (
	"cmp"
	"log/slog"
	"time"

	"github.com/headrace/headrace/stompadapter/frame"
	"github.com/headrace/headrace/stompadapter/sockjs"
	"github.com/headrace/headrace/transport"
)

// Config says how an [Adapter] treats its clients.
type Config struct {
	// Transport says who may connect and how much may wait for a client. Zero
	// means the defaults of [transport.Config]; its Logger is Logger unless it
	// has one of its own.
	Transport transport.Config
	// WebSocket says how WebSocket connections are read; Subprotocols, Framing and
	// Goodbye are the adapter's and must be zero. Zero means the defaults of [transport.WebSocketConfig],
	// but a MessageBytes of Limits.Frame where that is larger: a client may
	// put a frame into one WebSocket message. A MessageBytes that is set is
	// kept; frames that are larger then have to come in several messages.
	WebSocket transport.WebSocketConfig
	// SockJS says how endpoints of [Adapter.SockJS] behave; its WebSocket is the
	// adapter's. Zero means the defaults of [sockjs.MountConfig].
	SockJS sockjs.MountConfig
	// TCP says how connections of [Adapter.ServeTCP] are treated; Framing is the
	// adapter's and must be nil. Zero means the defaults of
	// [transport.StreamConfig].
	TCP transport.StreamConfig
	// Limits bound the frames that clients send. Zero means the defaults of
	// [frame.Limits].
	Limits frame.Limits
	// Lenient takes what clients are known to send although the specification
	// forbids it; package frame has the list. Zero means that it is refused.
	Lenient bool
	// Heartbeat is what the server offers. Zero means 10 s both ways.
	Heartbeat HeartbeatConfig
	// LoginTimeout is how long a client has from opening the connection to
	// being connected. Zero means 10 s.
	LoginTimeout time.Duration
	// MaxSubscriptions is how many subscriptions a session may have at once.
	// Zero means 128.
	MaxSubscriptions int
	// MaxPending is how many frames of a session may be under way at once, held
	// ones not counted. A client that has sent more is not read from until
	// the oldest is done. Zero means 1,024.
	MaxPending int
	// Server is the server header of CONNECTED: a name, or name/version. Zero
	// means "headrace".
	Server string
	// Logger is told of refused frames and failed messages. Zero means
	// slog.Default().
	Logger *slog.Logger
}

// HeartbeatConfig says how often each side has to show that it is alive. The
// slower of server and client decides, for each direction (STOMP 1.2,
// "Heart-beating").
type HeartbeatConfig struct {
	// Send is the shortest period in which the server sends something. Zero
	// means 10 s; a negative duration means that it offers no heart-beats.
	Send time.Duration
	// Receive is the period in which the server wants to hear something. A
	// client that was silent for three of them is closed. Zero means 10 s; a
	// negative duration means that clients may be silent.
	Receive time.Duration
}

// checked returns c with every zero replaced by its default. It panics when a
// limit is negative, nobody could use such an adapter, and when something is set
// that makes it no STOMP any more. The exchange checks its own.
func (c Config) checked() Config {
	frame.NewDecoder(c.Limits) // panics here rather than at the first client
	if c.MaxSubscriptions < 0 {
		panic("stompadapter: Config.MaxSubscriptions is negative")
	}
	if ws := c.WebSocket; ws.Subprotocols != nil || ws.Framing != nil || ws.Goodbye != nil || c.TCP.Framing != nil {
		panic("stompadapter: Config.WebSocket and Config.TCP: Subprotocols, Framing and Goodbye are the adapter's")
	}
	c.Logger = cmp.Or(c.Logger, slog.Default())
	c.Transport.Logger = cmp.Or(c.Transport.Logger, c.Logger)
	c.WebSocket.Subprotocols = []string{"v12.stomp", "v11.stomp", "v10.stomp"}
	if c.WebSocket.MessageBytes == 0 && c.Limits.Frame > 64<<10 {
		c.WebSocket.MessageBytes = int64(c.Limits.Frame)
	}
	c.SockJS.WebSocket = c.WebSocket
	c.Heartbeat.Send = max(0, cmp.Or(c.Heartbeat.Send, 10*time.Second))
	c.Heartbeat.Receive = max(0, cmp.Or(c.Heartbeat.Receive, 10*time.Second))
	c.MaxSubscriptions = cmp.Or(c.MaxSubscriptions, 128)
	c.Server = cmp.Or(c.Server, "headrace")
	return c
}
