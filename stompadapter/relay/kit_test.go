package relay_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/messagetest"
	"github.com/headrace/headrace/stompadapter/frame"
	"github.com/headrace/headrace/stompadapter/relay"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fake is a broker that a test tells what to answer.
type fake struct {
	t testing.TB

	mu     sync.Mutex
	down   error                        // what dialing fails with
	answer func(c *peer, f frame.Frame) // in place of what is usual
	hello  func(c *peer, f frame.Frame) // in place of CONNECTED
	silent bool                         // it has no heart-beats
	addrs  []string                     // that were dialed
	peers  []*peer
}

// peer is one connection, as the broker sees it.
type peer struct {
	*fake
	conn  net.Conn
	n     int
	ended chan struct{}

	mu     sync.Mutex
	beats  int // that came
	frames []frame.Frame
}

// dial is Config.Dial.
func (b *fake) dial(_ context.Context, addr string) (net.Conn, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.addrs = append(b.addrs, addr)
	if b.down != nil {
		return nil, b.down
	}
	ours, theirs := net.Pipe()
	p := &peer{fake: b, conn: theirs, n: len(b.peers), ended: make(chan struct{})}
	b.peers = append(b.peers, p)
	go p.serve()
	go p.beat()
	return ours, nil
}

// beat shows that the broker is alive.
func (p *peer) beat() {
	tick := time.NewTicker(9 * time.Second)
	defer tick.Stop()
	for {
		select {
		case <-p.ended:
			return
		case <-tick.C:
		}
		p.fake.mu.Lock()
		silent := p.silent
		p.fake.mu.Unlock()
		if !silent {
			p.say("\n")
		}
	}
}

func (p *peer) serve() {
	defer close(p.ended)
	defer p.conn.Close()
	d, buf := frame.NewDecoder(frame.Limits{}), make([]byte, 64<<10)
	for {
		n, err := p.conn.Read(buf)
		if err != nil {
			return
		}
		if string(buf[:n]) == "\n" {
			p.mu.Lock()
			p.beats++
			p.mu.Unlock()
		}
		for rest := buf[:n]; len(rest) > 0; {
			f, after, ok, err := d.Decode(rest)
			if rest = after; err != nil || !ok {
				break
			}
			if f.Command == frame.Connect {
				d.SetVersion(frame.V12)
			}
			p.take(f)
		}
	}
}

func (p *peer) take(f frame.Frame) {
	p.mu.Lock()
	p.frames = append(p.frames, f)
	p.mu.Unlock()
	p.fake.mu.Lock()
	answer, hello := p.answer, p.hello
	p.fake.mu.Unlock()
	switch {
	case f.Command == frame.Connect && hello != nil:
		hello(p, f)
	case f.Command == frame.Connect:
		p.say("CONNECTED\nversion:1.2\nheart-beat:10000,10000\n\n\x00")
	case answer != nil:
		answer(p, f)
	default:
		p.confirm(f)
	}
}

// confirm answers with the receipt that f asks for.
func (p *peer) confirm(f frame.Frame) {
	if id, ok := f.Header.Lookup(frame.HeaderReceipt); ok {
		p.say("RECEIPT\nreceipt-id:" + id + "\n\n\x00")
	}
}

// say writes. A relay that is gone does not hear it.
func (p *peer) say(text string) { _, _ = io.WriteString(p.conn, text) }

// got returns the frames of a command that came.
func (p *peer) got(command frame.Command) (all []frame.Frame) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, f := range p.frames {
		if f.Command == command {
			all = append(all, f)
		}
	}
	return all
}

// bodies returns those of the SENDs that came.
func (p *peer) bodies() string {
	var all []string
	for _, f := range p.got(frame.Send) {
		all = append(all, string(f.Body))
	}
	return strings.Join(all, " ")
}

// peer returns the connection of a number.
func (b *fake) peer(n int) *peer {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	if n >= len(b.peers) {
		b.t.Fatalf("%d connections were opened, want more than %d", len(b.peers), n)
	}
	return b.peers[n]
}

func (b *fake) opened() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.peers)
}

// set changes what the broker does from now on.
func (b *fake) set(change func(b *fake)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	change(b)
}

// stop lets the broker end; start lets it begin again.
func (b *fake) stop() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.down = errors.New("connection refused")
	for _, p := range b.peers {
		p.conn.Close()
	}
}

func (b *fake) start() { b.set(func(b *fake) { b.down = nil }) }

// site is a relay before a fake broker, in a bubble of time.
type site struct {
	*relay.Broker
	t      *testing.T
	fake   *fake
	events *events
}

// events are those that a relay told.
type events struct {
	mu  sync.Mutex
	all []broker.Event
}

func (e *events) Handle(_ context.Context, m message.Message[broker.Event]) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.all = append(e.all, m.Payload)
	return nil
}

// kinds returns the kinds of those that were told, with blanks between them.
func (e *events) kinds(which ...broker.EventKind) string {
	e.mu.Lock()
	defer e.mu.Unlock()
	var all []string
	for _, event := range e.all {
		for _, k := range which {
			if event.Kind == k {
				all = append(all, k.String())
			}
		}
	}
	return strings.Join(all, " ")
}

// availability is what was told of the broker.
func (e *events) availability() string { return e.kinds(broker.Available, broker.Unavailable) }

// deliver is an outbound handler.
func deliver(ctx context.Context, m message.Raw) error { return m.Session.Deliver(ctx, m) }

// bubble runs a test with a relay in virtual time.
func bubble(t *testing.T, c relay.Config, test func(s *site)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := &site{t: t, fake: &fake{t: t}, events: &events{}}
		c.Dial, c.Events = s.fake.dial, s.events
		c.Logger = slog.New(slog.NewTextHandler(t.Output(), nil))
		s.Broker = relay.New(message.HandlerFunc[[]byte](deliver), c)
		defer s.Close()
		synctest.Wait()
		test(s)
	})
}

// do sends m with a completion, and returns what that was told once nothing moves any
// more, or errPending.
func (s *site) do(m message.Raw) func() error {
	told := make(chan error, 1)
	m.Done = message.NewCompletion(message.Stored, func(err error) { told <- err })
	m.Done.Release(s.Handle(context.Background(), m))
	return func() error {
		synctest.Wait()
		select {
		case err := <-told:
			told <- err
			return err
		default:
			return errPending
		}
	}
}

var errPending = errors.New("nobody was told yet")

// want checks the outcome of what was done.
func (s *site) want(what string, got func() error, want error) {
	s.t.Helper()
	if err := got(); !errors.Is(err, want) {
		s.t.Errorf("%s: %v, want %v", what, err, want)
	}
}

func text(destination, text string) message.Raw {
	return message.Raw{Destination: destination, Payload: []byte(text)}
}

func (s *site) connect(options ...messagetest.ClientOption) *messagetest.Client {
	s.t.Helper()
	return messagetest.Connect(s.t, s, options...)
}

// pass lets time pass.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}
