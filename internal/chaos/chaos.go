// Package chaos stands between clients and a server, and spoils what they say to each
// other.
package chaos

import (
	"context"
	"net"
	"sync"
	"testing"
	"time"
)

// Direction is one way through a proxy, or both.
type Direction uint8

// The directions.
const (
	// ToServer is what clients say.
	ToServer Direction = 1 << iota
	// ToClient is what the server says.
	ToClient
	// Both are both.
	Both = ToServer | ToClient
)

// Proxy passes connections on to a server. Its methods may be called from any goroutine;
// what they say holds for the connections that are and for those to come, until Heal.
type Proxy struct {
	listener net.Listener
	running  sync.WaitGroup

	mu       sync.Mutex
	server   string
	closed   bool
	state    state
	changed  chan struct{} // closed when state is another one
	links    map[*link]struct{}
	accepted int
	broken   int
	lost     int
}

// state is what is done to connections.
type state struct {
	paused    bool
	refused   bool
	blackhole Direction
	delay     time.Duration
}

// link is a connection and its other half.
type link struct {
	client, server *net.TCPConn
	cut            int64 // octets of the server that still pass, if not negative
	counted        bool  // among those that were broken
}

// New listens on a free port of the loopback interface until the test ends.
func New(t testing.TB, server string) *Proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{server: server, listener: l, changed: make(chan struct{}), links: make(map[*link]struct{})}
	p.running.Go(p.accept)
	t.Cleanup(p.close)
	return p
}

// Addr is where clients connect.
func (p *Proxy) Addr() string { return p.listener.Addr().String() }

// Accepted is how many connections clients made.
func (p *Proxy) Accepted() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.accepted
}

// Broken is how many connections were broken, by Reset, CutAfter or the server.
func (p *Proxy) Broken() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.broken
}

// Lost is how many octets black holes took.
func (p *Proxy) Lost() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.lost
}

// Pause lets nothing through: octets wait, and so does who sends too many.
func (p *Proxy) Pause() { p.set(func(s *state) { s.paused = true }) }

// Blackhole takes what is said in a direction, and passes nothing on.
func (p *Proxy) Blackhole(d Direction) { p.set(func(s *state) { s.blackhole = d }) }

// Delay passes on what is said that much later, in either direction.
func (p *Proxy) Delay(d time.Duration) { p.set(func(s *state) { s.delay = d }) }

// Refuse breaks connections as soon as they are made.
func (p *Proxy) Refuse() { p.set(func(s *state) { s.refused = true }) }

// Heal spoils nothing more. What a black hole took stays lost.
func (p *Proxy) Heal() { p.set(func(s *state) { *s = state{} }) }

// Redirect passes connections that come from now on to another server.
func (p *Proxy) Redirect(server string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.server = server
}

func (p *Proxy) set(change func(*state)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change(&p.state)
	close(p.changed)
	p.changed = make(chan struct{})
}

// Reset breaks all connections at once, as a machine that was started anew does.
func (p *Proxy) Reset() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for l := range p.links {
		p.count(l)
		l.reset()
	}
}

// count counts a connection that is broken, once. The lock is held.
func (p *Proxy) count(l *link) {
	if !l.counted {
		l.counted = true
		p.broken++
	}
}

// CutAfter breaks each connection of now after n more octets of the server, wherever
// that is in a message.
func (p *Proxy) CutAfter(n int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for l := range p.links {
		l.cut = n
	}
}

func (p *Proxy) accept() {
	for {
		conn, err := p.listener.Accept()
		if err != nil {
			return // it is closed
		}
		p.running.Go(func() { p.serve(conn.(*net.TCPConn)) })
	}
}

// serve is a connection, from its beginning to its end.
func (p *Proxy) serve(client *net.TCPConn) {
	p.mu.Lock()
	p.accepted++
	refused, addr := p.closed || p.state.refused, p.server
	p.mu.Unlock()
	l := &link{client: client, cut: -1}
	if refused {
		l.reset()
		return
	}
	server, err := net.Dial("tcp", addr)
	if err != nil {
		l.reset() // as the server itself would
		return
	}
	l.server = server.(*net.TCPConn)
	p.mu.Lock()
	if p.closed {
		l.reset()
	}
	p.links[l] = struct{}{}
	p.mu.Unlock()
	ctx, cancel := context.WithCancel(context.Background())
	stop := context.AfterFunc(ctx, l.reset)
	var pumps sync.WaitGroup
	pumps.Go(func() { defer cancel(); p.pump(ctx, l, ToServer, l.client, l.server) })
	pumps.Go(func() { defer cancel(); p.pump(ctx, l, ToClient, l.server, l.client) })
	pumps.Wait()
	stop()
	p.mu.Lock()
	delete(p.links, l)
	p.count(l)
	p.mu.Unlock()
	l.reset()
}

// reset closes both halves without a goodbye.
func (l *link) reset() {
	for _, c := range []*net.TCPConn{l.client, l.server} {
		if c != nil {
			_ = c.SetLinger(0) // it may be closed
			_ = c.Close()
		}
	}
}

// pump passes on what one half says, until either is gone.
func (p *Proxy) pump(ctx context.Context, l *link, d Direction, from, to *net.TCPConn) {
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		if n > 0 && !p.pass(ctx, l, d, to, buffer[:n]) || err != nil {
			return
		}
	}
}

// pass writes octets, as far as the state of the proxy lets them through. It returns
// false when the connection is broken.
func (p *Proxy) pass(ctx context.Context, l *link, d Direction, to *net.TCPConn, octets []byte) bool {
	read := time.Now()
	for {
		p.mu.Lock()
		s, changed, cut := p.state, p.changed, int64(-1)
		if d == ToClient {
			cut = l.cut
		}
		left := s.delay - time.Since(read)
		free := !s.paused && left <= 0
		if free && cut >= 0 {
			octets = octets[:min(int64(len(octets)), cut)]
			l.cut -= int64(len(octets))
		}
		swallowed := free && s.blackhole&d != 0
		if swallowed {
			p.lost += len(octets)
		}
		p.mu.Unlock()
		if swallowed {
			return true
		}
		if free {
			_, err := to.Write(octets)
			return err == nil && (cut < 0 || cut > int64(len(octets)))
		}
		if s.paused {
			left = time.Hour
		}
		timer := time.NewTimer(left)
		select {
		case <-timer.C:
		case <-changed:
		case <-ctx.Done():
			timer.Stop()
			return false
		}
		timer.Stop()
	}
}

func (p *Proxy) close() {
	p.listener.Close()
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.Heal()
	p.Reset()
	p.running.Wait()
}
