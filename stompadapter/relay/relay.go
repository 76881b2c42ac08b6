package relay

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/stompadapter/frame"
)

// Broker is a [broker.Broker] that lets another one do the work. Make one with [New].
// Its methods may be called from any goroutine.
type Broker struct {
	config   Config
	outbound message.RawHandler
	system   *system
	ctx      context.Context // ends with Close
	cancel   context.CancelFunc
	running  sync.WaitGroup // connections
	leaving  atomic.Int64   // sessions that say goodbye
	dials    chan struct{}  // filled by clients' connections that are opened
	ackIDs   string         // begins what deliveries are acknowledged by
	counts   counts

	mu       sync.RWMutex
	closed   bool
	sessions map[*message.Session]*session
	byID     map[string]*session
	byUser   map[string][]*session
}

var _ broker.Broker = (*Broker)(nil)

// counts are those of Stats.
type counts struct {
	connections, reconnects, sent, resent, delivered, failed, refused, lost, unresolved atomic.Uint64
	open                                                                                atomic.Int64
}

// New returns a relay that delivers to outbound, and begins to connect. It panics when
// a login or passcode of c cannot be sent, or a subscription has no handler. Close ends
// it.
func New(outbound message.RawHandler, c Config) *Broker {
	if outbound == nil {
		panic("relay: the outbound handler is nil")
	}
	c = c.withDefaults()
	for _, user := range [][2]string{{c.SystemLogin, c.SystemPasscode}, {c.ClientLogin, c.ClientPasscode}} {
		if _, _, err := c.hello(user[0], user[1]); err != nil {
			panic("relay: CONNECT: " + err.Error())
		}
	}
	b := &Broker{
		config:   c,
		outbound: outbound,
		dials:    make(chan struct{}, c.MaxDials),
		ackIDs:   "relay-" + newName() + ".",
		sessions: make(map[*message.Session]*session),
		byID:     make(map[string]*session),
		byUser:   make(map[string][]*session),
	}
	b.ctx, b.cancel = context.WithCancel(context.Background())
	b.system = newSystem(b)
	for destination, handler := range c.Subscriptions {
		if handler == nil {
			panic("relay: the subscription to " + destination + " has no handler")
		}
		b.system.subscribe(&listener{destination: destination, handler: handler})
	}
	b.running.Go(b.system.run)
	return b
}

// Features says what the broker can do through the relay.
func (b *Broker) Features() broker.Features { return b.config.Dialect.features() }

// Handle takes a message of any kind. What a session sends goes over a connection of
// its own, which is opened for KindConnect; what has no session goes over the relay's.
// The message's Done is told when the broker has confirmed it. Handle does not wait for
// that, nor for connections, but where too much waits already, as long as ctx and
// Config.SendTimeout last. A message without a session and without a Done is taken over:
// what becomes of it is counted, and logged when it is lost.
func (b *Broker) Handle(ctx context.Context, m message.Raw) error {
	if m.Kind == message.KindDisconnect && m.Session != nil {
		b.disconnect(ctx, m)
		return nil
	}
	switch {
	case b.isClosed():
		return errClosed
	case m.Kind == message.KindData && b.isUsers(m.Destination):
		return b.sendToUser(ctx, m)
	case m.Kind == message.KindData && m.Session == nil:
		return b.system.send(ctx, m)
	case m.Session == nil:
		return errNoSession
	case m.Kind == message.KindConnect:
		return b.connect(ctx, m)
	}
	s := b.session(m.Session)
	if s == nil {
		return errNotConnected
	}
	switch m.Kind {
	case message.KindData:
		return s.send(ctx, m)
	case message.KindSubscribe:
		return s.subscribe(ctx, m)
	case message.KindUnsubscribe:
		return s.unsubscribe(ctx, m)
	case message.KindAck, message.KindNack:
		return s.settle(ctx, m)
	case message.KindBegin, message.KindCommit, message.KindAbort:
		return s.transaction(ctx, m)
	}
	return errUnsupported(m.Kind)
}

func (b *Broker) isClosed() bool {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.closed
}

// begin runs f, which Close and running wait for, unless the relay is closed.
func (b *Broker) begin(f func(), running *sync.WaitGroup) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return false
	}
	b.running.Add(1)
	running.Go(func() {
		defer b.running.Done()
		f()
	})
	return true
}

func (b *Broker) session(s *message.Session) *session {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.sessions[s]
}

func (b *Broker) connect(ctx context.Context, m message.Raw) error {
	b.tell(ctx, broker.Event{Kind: broker.Connect, Session: m.Session})
	if b.system.isAway() {
		return ErrAway
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.closed:
		return errClosed
	case b.sessions[m.Session] != nil:
		return errConnected
	}
	s := newSession(b, m)
	b.sessions[m.Session], b.byID[m.Session.ID()] = s, s
	if s.user != "" {
		b.byUser[s.user] = append(b.byUser[s.user], s)
	}
	m.Done.Hold()
	b.running.Go(func() { s.run(m) })
	return nil
}

// disconnect says goodbye for a session.
func (b *Broker) disconnect(ctx context.Context, m message.Raw) {
	s := b.forget(m.Session)
	if s == nil {
		return
	}
	m.Done.Hold()
	s.leave(m.Done)
	b.tell(ctx, broker.Event{Kind: broker.Disconnected, Session: m.Session, Reason: m.Session.Reason()})
}

func (b *Broker) forget(of *message.Session) *session {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.sessions[of]
	if s == nil {
		return nil
	}
	delete(b.sessions, of)
	delete(b.byID, of.ID())
	b.byUser[s.user] = slices.DeleteFunc(b.byUser[s.user], func(o *session) bool { return o == s })
	if len(b.byUser[s.user]) == 0 {
		delete(b.byUser, s.user)
	}
	return s
}

// Shutdown refuses what comes later, waits until the broker has confirmed what the
// application sent, and what sessions did that say goodbye, as long as ctx lasts, and
// closes the relay. It returns ctx's error if something was not confirmed.
func (b *Broker) Shutdown(ctx context.Context) error {
	b.mu.Lock()
	b.closed = true
	b.mu.Unlock()
	defer b.Close()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		if n, _ := b.system.link.waiting(); n == 0 && b.leaving.Load() == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
		}
	}
}

// Close ends all connections. What the broker has not confirmed is given up: who waits
// for it is told, and how much it was is counted and logged. It returns when no
// goroutine of the relay runs any more, so neither handlers nor outbound may call it.
func (b *Broker) Close() {
	b.mu.Lock()
	b.closed = true
	b.mu.Unlock()
	b.cancel()
	b.running.Wait()
}

// Stats returns a snapshot.
func (b *Broker) Stats() broker.RelayStats {
	b.mu.RLock()
	sessions := len(b.sessions)
	b.mu.RUnlock()
	frames, bytes := b.system.link.waiting()
	c := &b.counts
	return broker.RelayStats{
		Name:         b.config.Dialect.name(),
		Available:    b.system.isUp(),
		Sessions:     sessions,
		Open:         int(c.open.Load()),
		Connections:  c.connections.Load(),
		Reconnects:   c.reconnects.Load(),
		Waiting:      frames,
		WaitingBytes: bytes,
		Sent:         c.sent.Load(),
		Resent:       c.resent.Load(),
		Delivered:    c.delivered.Load(),
		Failed:       c.failed.Load(),
		Refused:      c.refused.Load(),
		Lost:         c.lost.Load(),
		Unresolved:   c.unresolved.Load(),
	}
}

// tell hands over an event.
func (b *Broker) tell(ctx context.Context, e broker.Event) {
	broker.Tell(ctx, b.config.Events, b.config.Logger, e)
}

// deliver hands m to the outbound handler. A panic there is an error of this delivery.
func (b *Broker) deliver(ctx context.Context, m message.Raw) (err error) {
	defer func() {
		if err != nil {
			b.counts.failed.Add(1)
		} else {
			b.counts.delivered.Add(1)
		}
	}()
	defer message.Recover(&err)
	return b.outbound.Handle(ctx, m)
}

// logFailure logs what nobody else is told of.
func (b *Broker) logFailure(ctx context.Context, what string, err error) {
	if !errors.Is(err, errClosed) {
		b.config.Logger.ErrorContext(ctx, "relay: "+what, "error", err)
	}
}

// own are headers that are the protocol's or the relay's and not a message's.
var own = []string{
	frame.HeaderDestination, frame.HeaderContentLength, frame.HeaderReceipt, frame.HeaderSubscription,
	frame.HeaderLogin, frame.HeaderPasscode,
}

// passing returns the fields that go on in a frame: none of own, of more, nor what only
// the server's rooms may set.
func passing(h message.Header, more ...string) []message.Field {
	fields := make([]message.Field, 0, h.Len()+4)
	for name, value := range h.All() {
		if !message.Reserved(name) && !slices.Contains(own, name) && !slices.Contains(more, name) {
			fields = append(fields, message.Field{Name: name, Value: value})
		}
	}
	return fields
}

// persistent makes the broker keep a message when it ends.
const persistent = "persistent"

// sendFrame makes a SEND of a message. It is persistent unless it says otherwise.
func sendFrame(m message.Raw, more ...message.Field) frame.Frame {
	fields := append([]message.Field{{Name: frame.HeaderDestination, Value: m.Destination}}, passing(m.Header, frame.HeaderAck)...)
	if _, ok := m.Header.Lookup(persistent); !ok {
		fields = append(fields, message.Field{Name: persistent, Value: "true"})
	}
	return frame.Frame{Command: frame.Send, Header: message.NewHeader(append(fields, more...)...), Body: m.Payload}
}

// check returns what keeps f from being written, so that its sender is told at once.
func check(f frame.Frame) error {
	_, err := frame.Append(nil, frame.V12, frame.Frame{Command: f.Command, Header: f.Header})
	return err
}

// isUsers reports whether a destination is below the prefix of users'.
func (b *Broker) isUsers(destination string) bool {
	rest, ok := strings.CutPrefix(destination, b.config.UserPrefix)
	return ok && strings.HasPrefix(rest, "/")
}
