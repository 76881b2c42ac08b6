package transport

import (
	"cmp"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/headrace/headrace/message"
)

// Exchange is what adapters have in common beyond their connections: it makes
// message sessions of clients, whatever they speak. What the protocols differ
// in is the matter of a [Dialect].
//
//	client ─► Conn ─► Dialect.Read ─► state ─► ledger ─────► inbound
//	client ◄─ Conn ◄─ Dialect.Receipt, Refuse ◄┘ (in order)
//	client ◄─ Conn ◄─ frame cache ◄─ Dialect.Encode ◄─────── Session.Deliver
//
// A session begins with one [message.KindConnect] and ends, however it ends,
// with one [message.KindDisconnect], the last that inbound sees of it. What the
// client sends before [message.KindConnected] came back is held, up to 8 KiB in
// which each request counts for 128 octets more than it has, and dropped when
// the connection is refused. Subscriptions to a destination of more than 255
// octets are refused, and NUL in destinations, ids and headers, which not every
// protocol can pass on. Requests go to inbound one at a
// time in their order, on the goroutine that reads the connection, and are
// answered in that order too, whatever the order in which they are done. A
// panic of inbound is an error of its request.
//
// An Exchange needs no end: its sessions end with the [Server]. Its methods may
// be called from any goroutine.
type Exchange struct {
	inbound message.RawHandler
	config  ExchangeConfig
	frames  frameCache

	sessions atomic.Int64
	refused  atomic.Uint64
}

// ExchangeConfig says how an [Exchange] treats its sessions.
type ExchangeConfig struct {
	// First says what has to come first, for clients that begin with something
	// else. Zero means "the first request must open the session".
	First string
	// Tolerant lets a session go on after a request of it was refused or
	// failed. Zero means that the refusal ends it. It ends all the same when
	// the connection is refused and when a request is Broken.
	Tolerant bool
	// LoginTimeout is how long a client has from opening the connection to
	// being connected. Zero means 10 s.
	LoginTimeout time.Duration
	// MaxPending is how many requests of a session may be under way at once,
	// held ones not counted. A client that has sent more is not read from until
	// the oldest is done, or a write shows that the client is gone: nobody looks
	// whether it left meanwhile. Zero means 1,024.
	MaxPending int
	// Logger is told of refused requests and failed messages: at debug level of
	// drops, of what was authored for the client without a cause and of what it
	// sent being wrong (CodeInvalid, CodeTooLarge), at info level where that ends
	// the session and of logins that take too long; at warn level of other refusals
	// that have a cause, such as credentials that could not be checked; at error
	// level of all else. Zero means slog.Default().
	Logger *slog.Logger
}

// Dialect is the protocol of one connection, as far as it differs from others.
// Connected, Receipt and Refuse tell the client something, with [Conn.Send];
// they are called one at a time, from any goroutine, must not block and must
// not call the session.
type Dialect interface {
	// Read takes p up to the end of a request. With ok, rest is what follows it
	// in p; without, p is used up and the request goes on in the next call. The
	// request keeps nothing of p. Read is called one at a time and never again
	// after a Broken request.
	Read(p []byte) (r Request, rest []byte, ok bool)
	// Version tells forms of the protocol apart that encode messages
	// differently. It may change until Read has returned the request that
	// begins the session. Any goroutine may call it.
	Version() uint8
	// Encode returns what a message of KindData or KindError looks like to
	// clients of this Version, and the name that it is counted by, as that of
	// [NewNamedFrame]. Clients of one framing and version share it, so
	// it must depend on nothing but these two and the message's kind,
	// destination, subscription, header and payload. Any goroutine may call it;
	// like the three below it must not call the session.
	Encode(m message.Raw) (name string, octets []byte, err error)
	// Connected tells the client that its session has begun. An error ends the
	// session.
	Connected(s *message.Session) error
	// Receipt tells the client that r, and all before it, was handled; it is
	// called when r asked for it, also for the request that began the session.
	// An error ends the session.
	Receipt(r Request) error
	// Refuse tells the client why r was refused or failed: what
	// [message.Public] says of err. r is zero when it was none of its requests,
	// but the time or the server's own wish, that ends the session.
	Refuse(r Request, err error)
}

// Request is something that a client asks for. Of the Message, [Dialect.Receipt]
// and [Dialect.Refuse] are given the kind alone.
type Request struct {
	// Name is what the protocol calls it, for log and refusals, and for [Stats],
	// which counts by it unless it is "".
	Name string
	// Message is what becomes of it; Session and Done are set by the Exchange.
	// The kind decides when it may come: KindConnect begins the session and
	// KindDisconnect, which inbound does not see, ends it.
	Message message.Raw
	// Receipt is what the answer has to echo.
	Receipt string
	// WantsReceipt says that the client asked for a receipt, which may be "".
	WantsReceipt bool
	// Err is why the request cannot be taken, or nil. It is refused in its
	// turn.
	Err error
	// Broken says that Err leaves nothing to be read after this request. The
	// session ends with it.
	Broken bool
}

// NewExchange returns an exchange that sends what clients ask for to inbound.
// It panics when inbound is nil or a limit of c is negative.
func NewExchange(inbound message.RawHandler, c ExchangeConfig) *Exchange {
	switch {
	case inbound == nil:
		panic("transport: inbound is nil")
	case c.LoginTimeout < 0:
		panic("transport: LoginTimeout is negative")
	case c.MaxPending < 0:
		panic("transport: MaxPending is negative")
	}
	c.First = cmp.Or(c.First, "the first request must open the session")
	c.LoginTimeout = cmp.Or(c.LoginTimeout, 10*time.Second)
	c.MaxPending = cmp.Or(c.MaxPending, 1024)
	c.Logger = cmp.Or(c.Logger, slog.Default())
	return &Exchange{inbound: inbound, config: c}
}

// Open puts a session onto c, whose client speaks d. It is called once for a
// connection, when that opens; the result is the connection's protocol.
func (x *Exchange) Open(c *Conn, d Dialect) Protocol {
	s := &session{exchange: x, conn: c, dialect: d}
	s.changed.L = &s.mu
	s.session = message.NewSession(s, c.Info())
	s.mu.Lock() // the timer may fire before it is stored
	defer s.mu.Unlock()
	s.login = time.AfterFunc(x.config.LoginTimeout, s.loginExpired)
	return s
}

// ExchangeStats is a snapshot of an exchange's counters.
type ExchangeStats struct {
	// Sessions is how many sessions have begun and not ended.
	Sessions int
	// Refused is how many requests were refused or failed, vetoes included.
	Refused uint64
	// Encodings is how often a message was encoded for delivery. It stays far
	// below the number of deliveries as long as broadcasts share their frames.
	Encodings uint64
}

// Stats returns a snapshot.
func (x *Exchange) Stats() ExchangeStats {
	return ExchangeStats{
		Sessions:  int(x.sessions.Load()),
		Refused:   x.refused.Load(),
		Encodings: x.frames.encodings.Load(),
	}
}
