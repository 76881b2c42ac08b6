package message

import (
	"context"
	"crypto/rand"
	"encoding/base32"
	"maps"
	"sync"
	"sync/atomic"
)

// Sink is the way to a session's client. Adapters implement it.
type Sink interface {
	// Deliver hands m to the client's outgoing queue and never blocks. It may
	// be called from any goroutine; messages go out in the order of the calls.
	// It returns an error when the session is closed or its queue is over its
	// bound.
	Deliver(ctx context.Context, m Raw) error
	// Close ends the connection. It is called once, by [Session.Close], from
	// any goroutine, and must not block. An authored [Error] as reason is
	// shown to the client; nil means an orderly end.
	Close(reason error)
}

// SessionInfo is what an adapter knows about a client when the session begins.
type SessionInfo struct {
	// Context is the parent of the session's context: it carries the values of
	// the handshake and ends when the adapter is closed. Nil means
	// context.Background().
	Context context.Context
	// Principal is who the transport says the client is. Nil, or one without a
	// name, means nobody yet.
	Principal Principal
	// Attributes are the session's first attributes; the map is copied. Nil
	// means none.
	Attributes map[string]any
	// Transport names the way the client came in, such as "websocket". Empty
	// means not told.
	Transport string
	// RemoteAddr is the client's address. Empty means not told.
	RemoteAddr string
	// Budget is how many bytes may wait for the client. Zero means 512 KiB.
	Budget int
}

// Session is one client's connection, for as long as it lasts. Its methods may
// be called from any goroutine.
type Session struct {
	id   string
	info SessionInfo
	sink Sink
	done chan struct{}

	leaving chan struct{}
	leave   sync.Once

	holding atomic.Int32 // len(holds)

	mu     sync.Mutex
	holds  map[string]*Hold // by subscription
	user   Principal
	attrs  map[string]any
	closed bool
	reason error
}

var idEncoding = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// NewSession returns a session that delivers to sink. Its id is 128 bits of
// crypto/rand in base32.
func NewSession(sink Sink, info SessionInfo) *Session {
	if info.Context == nil {
		info.Context = context.Background()
	}
	if info.Budget <= 0 {
		info.Budget = 512 << 10
	}
	var id [16]byte
	rand.Read(id[:]) // never fails since Go 1.24
	return &Session{
		id:      idEncoding.EncodeToString(id[:]),
		info:    info,
		sink:    sink,
		done:    make(chan struct{}),
		leaving: make(chan struct{}),
		user:    named(info.Principal),
		attrs:   maps.Clone(info.Attributes),
	}
}

// ID returns the session's id. It identifies, it never authorises.
func (s *Session) ID() string { return s.id }

// Context returns the context in which the session's messages are handled. It
// ends when the node is closed, not when the client leaves.
func (s *Session) Context() context.Context { return s.info.Context }

// Transport returns [SessionInfo.Transport].
func (s *Session) Transport() string { return s.info.Transport }

// RemoteAddr returns [SessionInfo.RemoteAddr].
func (s *Session) RemoteAddr() string { return s.info.RemoteAddr }

// User returns who the session belongs to, or nil.
func (s *Session) User() Principal {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.user
}

// SetUser says who the session belongs to: nil, or a principal without a name, is
// nobody. Interceptors that authenticate call it while they handle KindConnect, before
// the message goes on.
func (s *Session) SetUser(p Principal) {
	p = named(p)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.user = p
}

// named returns p, or nil when it has no name: whoever asks whether there is a user
// must not take it for one.
func named(p Principal) Principal {
	if p == nil || p.Name() == "" {
		return nil
	}
	return p
}

// Attribute returns the attribute of this name and whether there is one.
func (s *Session) Attribute(name string) (any, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	v, ok := s.attrs[name]
	return v, ok
}

// SetAttribute stores a value under name for as long as the session lasts.
func (s *Session) SetAttribute(name string, value any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.attrs == nil {
		s.attrs = make(map[string]any)
	}
	s.attrs[name] = value
}

// Deliver hands m to the client's outgoing queue, or to a [Hold]. It never
// blocks.
func (s *Session) Deliver(ctx context.Context, m Raw) error {
	if s.holding.Load() > 0 && m.Kind == KindData {
		if h := s.held(m.Subscription); h != nil {
			return h.deliver(ctx, m)
		}
	}
	return s.sink.Deliver(ctx, m)
}

// Waiter is implemented by a [Sink] that knows how much waits for its client.
type Waiter interface {
	// Waiting returns about how many bytes wait. It does not block.
	Waiting() int
}

// Busy reports whether so much waits for the client, half of
// [SessionInfo.Budget], that who can wait does. Sinks that are no [Waiter] never
// are.
func (s *Session) Busy() bool {
	w, ok := s.sink.(Waiter)
	return ok && w.Waiting() > s.info.Budget/2
}

// Close ends the session; the first call's reason counts and later calls do
// nothing. An authored [Error] is shown to the client; nil means an orderly
// end. It does not wait until the client is gone.
func (s *Session) Close(reason error) {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return
	}
	s.closed, s.reason = true, reason
	s.Leave()
	close(s.done)
	s.mu.Unlock()
	s.sink.Close(reason)
}

// Leave says that the session is about to end: its client said goodbye or the
// server drains, and what is under way is still answered. Adapters call it, as
// does Close; later calls do nothing.
func (s *Session) Leave() { s.leave.Do(func() { close(s.leaving) }) }

// Leaving is closed by [Session.Leave], so never after Done. What goes on for as
// long as its client wants it, as streams of replies do, ends then: the session
// waits for it.
func (s *Session) Leaving() <-chan struct{} { return s.leaving }

// Done is closed when the session has ended: everything that was under way is
// answered, or the connection is gone.
func (s *Session) Done() <-chan struct{} { return s.done }

// Reason returns why the session ended: nil while it lasts and after an
// orderly end.
func (s *Session) Reason() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.reason
}
