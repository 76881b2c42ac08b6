package relay

import (
	"cmp"
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"strings"
	"time"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/stompadapter/frame"
)

// Config says where the broker is and how to treat it.
type Config struct {
	// Address is the host and port at which the broker speaks STOMP. Zero means
	// 127.0.0.1:61613.
	Address string
	// Resolve returns the address to dial. It is called at each attempt, so that
	// after the end of one broker the next one is tried. Zero (nil) means Address.
	Resolve func(ctx context.Context) (addr string, err error)
	// Dial opens a network connection to an address, below TLS. Zero (nil) means TCP.
	Dial func(ctx context.Context, addr string) (net.Conn, error)
	// TLS configures the connections. Its ServerName may be left out: it is the host
	// of the address. Zero (nil) means that nothing is encrypted.
	TLS *tls.Config
	// Dialect says which broker it is. Zero means RabbitMQ.
	Dialect Dialect
	// VirtualHost is the broker's, for all connections. Zero means that none is named,
	// and the broker takes its default one.
	VirtualHost string
	// SystemLogin is the user of the connection for what the application sends. Zero
	// means guest.
	SystemLogin string
	// SystemPasscode is its password. Zero means guest.
	SystemPasscode string
	// ClientLogin is the user of the clients' connections. Zero means guest.
	ClientLogin string
	// ClientPasscode is its password. Zero means guest.
	ClientPasscode string
	// ForwardCredentials takes a client's own login and passcode for its connection
	// where it has sent both. Zero means that they go to nobody.
	ForwardCredentials bool
	// QueueHeaders lets clients say how the broker makes, names and leads on its queues
	// (durable, x-queue-name, x-dead-letter-exchange, activemq.exclusive and the like). By
	// these one reaches queues of other destinations than the one that a policy sees, and
	// leaves some behind. Zero means that such frames are refused.
	QueueHeaders bool
	// Heartbeat is what each connection offers the broker. Zero means 10 s both ways.
	Heartbeat HeartbeatConfig
	// ConnectTimeout bounds each attempt to connect, up to CONNECTED. Zero means 10 s.
	ConnectTimeout time.Duration
	// ReconnectDelay is the longest time between two attempts to connect; a random part
	// of up to one half is left out. Zero means 5 s.
	ReconnectDelay time.Duration
	// Reattach gives a client whose connection is lost another one, with its
	// subscriptions, and sends again what was not confirmed; its transactions are lost.
	// Its session ends when the broker does not let it in any more. Zero means that it
	// ends with the connection.
	Reattach bool
	// ReattachTimeout is how long what a client has sent waits at most where its connection
	// is lost: then all of it is refused, as is what it sends further, until there is
	// another one. Zero means 1 min.
	ReattachTimeout time.Duration
	// MaxDials is how many connections of clients may be opened at once; others wait.
	// Zero means 16.
	MaxDials int
	// MaxSubscriptions is how many subscriptions one session may hold. Zero means 128,
	// -1 means any number.
	MaxSubscriptions int
	// Prefetch is how many deliveries to a subscription may be unsettled; it may ask for
	// fewer. Zero means 64.
	Prefetch int
	// WindowFrames is how many messages of the application may wait for the broker's
	// word that it has them. Zero means 10,000.
	WindowFrames int
	// WindowBytes is how many bytes these may take. Zero means 16 MiB.
	WindowBytes int
	// SessionFrames is how many frames of one client may wait for the broker. Zero means
	// 1,024.
	SessionFrames int
	// SessionBytes is how many bytes these may take. Zero means 1 MiB.
	SessionBytes int
	// SendTimeout is how long a sender waits where as much waits already as may. Zero
	// means 10 s.
	SendTimeout time.Duration
	// Limits bound the frames that the broker sends. Zero means the defaults of
	// [frame.Limits], but 16 MiB for a Frame.
	Limits frame.Limits
	// UserPrefix begins the destinations of users. Zero means "/user".
	UserPrefix string
	// Sessions returns the ids of the sessions that a user has on all nodes, or that of the
	// one session whose id the name is, from any goroutine, as [broker.Users.SessionsOf]
	// does. Zero (nil) means that the relay knows of its own sessions alone.
	Sessions func(name string) []string
	// Subscriptions are those of the application: what comes from a destination of the
	// broker goes to the handler, one message at a time, on the goroutine that reads,
	// which waits for it. They are made on each new connection. Zero (nil) means none.
	Subscriptions map[string]message.RawHandler
	// Events is told what sessions do, and when the broker comes and goes. Zero (nil)
	// means nobody.
	Events message.Handler[broker.Event]
	// Logger is told of lost connections and of failures that nobody waits for. Zero
	// (nil) means slog.Default().
	Logger *slog.Logger
}

// HeartbeatConfig says how often each side has to show that it is alive. The slower
// of relay and broker decides, for each direction.
type HeartbeatConfig struct {
	// Send is the shortest period in which the relay sends something. Zero means 10 s;
	// a negative duration means that it offers no heart-beats.
	Send time.Duration
	// Receive is the period in which the relay wants to hear something. A broker that
	// was silent for two of them is taken for dead. Zero means 10 s; a negative duration
	// means that it may be silent.
	Receive time.Duration
}

const guest = "guest"

func (c Config) withDefaults() Config {
	if c.Resolve == nil {
		addr := cmp.Or(c.Address, "127.0.0.1:61613")
		c.Resolve = func(context.Context) (string, error) { return addr, nil }
	}
	if c.Dial == nil {
		c.Dial = func(ctx context.Context, addr string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "tcp", addr)
		}
	}
	c.SystemLogin = cmp.Or(c.SystemLogin, guest)
	c.SystemPasscode = cmp.Or(c.SystemPasscode, guest)
	c.ClientLogin = cmp.Or(c.ClientLogin, guest)
	c.ClientPasscode = cmp.Or(c.ClientPasscode, guest)
	c.Heartbeat.Send = max(0, cmp.Or(c.Heartbeat.Send, 10*time.Second))
	c.Heartbeat.Receive = max(0, cmp.Or(c.Heartbeat.Receive, 10*time.Second))
	c.ConnectTimeout = cmp.Or(c.ConnectTimeout, 10*time.Second)
	c.ReconnectDelay = cmp.Or(c.ReconnectDelay, 5*time.Second)
	c.ReattachTimeout = cmp.Or(c.ReattachTimeout, time.Minute)
	c.MaxDials = cmp.Or(c.MaxDials, 16)
	c.MaxSubscriptions = cmp.Or(c.MaxSubscriptions, 128)
	c.Prefetch = cmp.Or(c.Prefetch, 64)
	c.WindowFrames = cmp.Or(c.WindowFrames, 10_000)
	c.WindowBytes = cmp.Or(c.WindowBytes, 16<<20)
	c.SessionFrames = cmp.Or(c.SessionFrames, 1024)
	c.SessionBytes = cmp.Or(c.SessionBytes, 1<<20)
	c.SendTimeout = cmp.Or(c.SendTimeout, 10*time.Second)
	c.Limits.Frame = cmp.Or(c.Limits.Frame, 16<<20)
	c.UserPrefix = strings.TrimRight(cmp.Or(c.UserPrefix, "/user"), "/.")
	c.Logger = cmp.Or(c.Logger, slog.Default())
	return c
}
