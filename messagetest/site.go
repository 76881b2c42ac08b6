package messagetest

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/headrace/headrace/message"
)

// patience is how long the suite waits for what must happen.
const patience = 10 * time.Second

// factory serves adapters, each for one check.
type factory func(t *testing.T, inbound message.RawHandler) AdapterServer

// site is an adapter between its clients and the suite.
type site struct {
	AdapterServer
	*application
	t          *testing.T
	goroutines int // before there was an adapter
	ended      bool
}

// serve starts an adapter in front of an application that treats what it gets
// as on says; nil stands for accept.
func (f factory) serve(t *testing.T, on func(ctx context.Context, m message.Raw) error) *site {
	t.Helper()
	s := &site{application: &application{on: on}, t: t, goroutines: runtime.NumGoroutine()}
	s.AdapterServer = f(t, s.application)
	t.Cleanup(s.end)
	return s
}

// end closes the adapter, after which nothing of it may be left.
func (s *site) end() {
	s.t.Helper()
	if s.ended {
		return
	}
	s.ended = true
	s.Close()
	s.eventually("all goroutines have ended", func() bool { return runtime.NumGoroutine() <= s.goroutines })
}

// wantKinds ends the adapter and compares all that the application saw.
func (s *site) wantKinds(want string) {
	s.t.Helper()
	s.end()
	if got := s.kinds(); got != want {
		s.t.Errorf("the application saw %q, want %q", got, want)
	}
}

func (s *site) eventually(what string, ok func() bool) {
	s.t.Helper()
	eventually(s.t, what, ok)
}

// eventually waits for what nobody tells of.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); !ok(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("never happened: %s", what)
		}
	}
}

// peer is a client that fails its test when something goes wrong.
type peer struct {
	AdapterClient
	t *testing.T
}

func (s *site) dial() peer {
	s.t.Helper()
	p := peer{s.Dial(s.t), s.t}
	s.t.Cleanup(p.Cut)
	return p
}

// connect dials and logs in.
func (s *site) connect() peer {
	s.t.Helper()
	p := s.dial()
	p.must(p.Connect(message.Header{}))
	p.want(ReceivedConnected)
	return p
}

func (p peer) must(err error) {
	p.t.Helper()
	if err != nil {
		p.t.Fatal(err)
	}
}

// send sends a small text.
func (p peer) send(destination, receipt string) {
	p.t.Helper()
	p.must(p.Send(destination, message.Header{}, []byte("text"), receipt))
}

func (p peer) want(kind ReceivedKind) Received {
	p.t.Helper()
	r, err := p.Next()
	if err != nil || r.Kind != kind {
		p.t.Fatalf("received %+v, %v, want %s", r, err, kind)
	}
	return r
}

func (p peer) wantReceipts(want ...string) {
	p.t.Helper()
	for _, receipt := range want {
		if r := p.want(ReceivedReceipt); r.Receipt != receipt {
			p.t.Fatalf("receipt %q, want %q of %q", r.Receipt, receipt, want)
		}
	}
}

// wantEnd reads the end of the connection and closes the client's side, for
// which adapters wait a while.
func (p peer) wantEnd() {
	p.t.Helper()
	p.must(ended(p.AdapterClient))
	p.Cut()
}

// ended returns nil when the connection ends. An error that took as long as the
// client waits for anything tells of one that was left open.
func ended(c AdapterClient) error {
	began := time.Now()
	r, err := c.Next()
	switch {
	case err == nil:
		return fmt.Errorf("received %+v, want the end of the connection", r)
	case time.Since(began) >= patience:
		return fmt.Errorf("the connection is open after %v", patience)
	}
	return nil
}

// application is the suite's side of an adapter: it notes all that it gets.
type application struct {
	on func(ctx context.Context, m message.Raw) error

	mu   sync.Mutex
	seen []message.Raw
}

// Handle notes m and does with it what the check says.
func (a *application) Handle(ctx context.Context, m message.Raw) error {
	a.mu.Lock()
	a.seen = append(a.seen, m)
	a.mu.Unlock()
	if a.on != nil {
		return a.on(ctx, m)
	}
	return accept(ctx, m)
}

// accept answers KindConnect, as a broker does.
func accept(ctx context.Context, m message.Raw) error {
	if m.Kind == message.KindConnect {
		return m.Session.Deliver(ctx, message.Raw{Kind: message.KindConnected, Session: m.Session})
	}
	return nil
}

func (a *application) messages() []message.Raw {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.seen)
}

// of returns the messages of a kind.
func (a *application) of(k message.Kind) []message.Raw {
	return slices.DeleteFunc(a.messages(), func(m message.Raw) bool { return m.Kind != k })
}

// kinds returns what was seen, such as "connect data disconnect".
func (a *application) kinds() string {
	var kinds []string
	for _, m := range a.messages() {
		kinds = append(kinds, m.Kind.String())
	}
	return strings.Join(kinds, " ")
}

// holder takes messages over and lets the check say how they end.
type holder struct {
	mu   sync.Mutex
	held []message.Raw
}

// handle accepts connections and takes everything else but goodbyes over.
func (h *holder) handle(ctx context.Context, m message.Raw) error {
	if m.Kind == message.KindConnect || m.Kind == message.KindDisconnect {
		return accept(ctx, m)
	}
	m.Done.Hold()
	h.mu.Lock()
	defer h.mu.Unlock()
	h.held = append(h.held, m)
	return nil
}

func (h *holder) len() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.held)
}
