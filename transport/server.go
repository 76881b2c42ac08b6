package transport

import (
	"context"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/headrace/headrace/message"
)

// Server is what all endpoints of one adapter share: the handshake, the
// goroutines that write, the table of connections and its end. Its methods may
// be called from any goroutine.
type Server struct {
	config  Config
	origins originPolicy
	proxies trustedProxies
	began   time.Time
	ctx     context.Context // ends with Close
	cancel  context.CancelFunc

	refused  atomic.Uint64
	turn     atomic.Uint32
	flushers []*flusher
	flushing sync.WaitGroup // the flushers
	tasks    sync.WaitGroup // listeners, handshakes, readers, spills and closings

	mu         sync.Mutex
	started    bool
	draining   bool
	closed     bool
	admitted   int // connections, and handshakes that may become one
	perAddress shares[netip.Addr]
	perUser    shares[string]
	limited    Limited
	total      uint64
	conns      map[*Conn]struct{}
	listeners  map[net.Listener]struct{}
	ends       map[string]uint64 // by message.EndReason
	empty      chan struct{}     // closed when draining and nobody is admitted
}

// NewServer returns a server, which the caller ends with [Server.Shutdown] or
// [Server.Close]. It panics if an allowed origin is malformed.
func NewServer(c Config) *Server {
	s := &Server{
		config:     c.withDefaults(),
		origins:    newOriginPolicy(c.Handshake),
		proxies:    trustedProxies(c.Handshake.TrustedProxies),
		began:      time.Now(),
		perAddress: make(shares[netip.Addr]),
		perUser:    make(shares[string]),
		conns:      make(map[*Conn]struct{}),
		ends:       make(map[string]uint64),
		listeners:  make(map[net.Listener]struct{}),
		empty:      make(chan struct{}),
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	for range s.config.Flushers {
		s.flushers = append(s.flushers, newFlusher(s))
	}
	return s
}

// now is the time since the server began: a clock that fits an atomic.
func (s *Server) now() int64 { return int64(time.Since(s.began)) }

// deal returns the flusher of the next connection.
func (s *Server) deal() *flusher {
	return s.flushers[s.turn.Add(1)%uint32(len(s.flushers))]
}

// start starts the flushers with the first connection: a server that was made
// and never used needs no end.
func (s *Server) start() {
	if s.started {
		return
	}
	s.started = true
	for _, f := range s.flushers {
		s.flushing.Go(f.run)
	}
}

// add puts a connection into the table. One that comes while the server ends
// shares the fate of the others.
func (s *Server) add(c *Conn) {
	s.mu.Lock()
	s.conns[c] = struct{}{}
	s.total++
	draining, closed := s.draining, s.closed
	s.mu.Unlock()
	switch {
	case closed:
		c.drop(errCut, reset)
	case draining:
		c.drain(0)
	}
}

func (s *Server) remove(c *Conn, reason error) {
	why := message.EndReason(reason)
	s.mu.Lock()
	delete(s.conns, c)
	s.ends[why]++
	s.vacate(&c.place)
	s.mu.Unlock()
	s.tasks.Done()
}

// closeListeners lets the calls of Serve return. The lock is held.
func (s *Server) closeListeners() {
	for ln := range s.listeners {
		ln.Close()
	}
}

func (s *Server) isDraining() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.draining
}

// all returns the open connections.
func (s *Server) all() []*Conn {
	conns := make([]*Conn, 0, len(s.conns))
	for c := range s.conns {
		conns = append(conns, c)
	}
	return conns
}

// Close cuts all connections, ends the context of [Conn.Info] and joins all
// goroutines: it waits for Receive and Closed of every protocol to return, so
// it must not be called from them. Further calls wait as well.
func (s *Server) Close() {
	s.mu.Lock()
	if !s.draining && s.admitted == 0 {
		close(s.empty)
	}
	s.draining, s.closed = true, true
	s.closeListeners()
	conns := s.all()
	s.mu.Unlock()
	s.cancel()
	for _, c := range conns {
		c.drop(errCut, reset)
	}
	s.tasks.Wait()
	for _, f := range s.flushers {
		f.stop()
	}
	s.flushing.Wait()
}
