package sockjs

import (
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/transport"
)

// httpSession is a session of the HTTP transports: one connection, carried by
// one request after the other that receives, and by those that send. It is not
// Carried.Listen that serves them: there a later request takes over, here it is
// turned away, and responses end when they are full.
//
//	begin ──► attached ◄──attach── waiting ──expire──► forgotten
//	              │ └────detach────►  ▲                    ▲
//	              └──────finish──► ended ──────expire──────┘
type httpSession struct {
	id       string // of the URL
	endpoint *endpoint
	wake     chan struct{} // holds one sign that something waits
	ready    chan struct{} // closed when the handshake is over

	// Set before ready is closed.
	conn  *transport.Carried // nil if the client was refused
	owner owner

	opened bool // "o" is written; the receiver's

	mu       sync.Mutex
	attached bool   // a request receives
	farewell []byte // the close frame, once the session has ended
	timer    *time.Timer
	until    time.Time // when a session without a receiver expires
}

func newHTTPSession(id string, e *endpoint) *httpSession {
	s := &httpSession{
		id:       id,
		endpoint: e,
		wake:     make(chan struct{}, 1),
		ready:    make(chan struct{}),
		attached: true,
	}
	s.timer = time.AfterFunc(time.Hour, s.expire)
	s.timer.Stop()
	return s
}

// owner is who may continue a session.
type owner struct {
	known bool   // by a principal
	name  string // of the principal; or else the address, without the port
}

func (e *endpoint) ownerOf(i message.SessionInfo) owner {
	switch {
	case i.Principal != nil:
		return owner{known: true, name: i.Principal.Name()}
	case e.config.NoAddressCheck:
		return owner{}
	}
	host, _, err := net.SplitHostPort(i.RemoteAddr)
	if err != nil {
		host = i.RemoteAddr // behind a proxy there is no port
	}
	return owner{name: host}
}

// begin makes the connection of the first request. A client that is refused
// has its answer.
func (s *httpSession) begin(w http.ResponseWriter, r *http.Request, transportName string) (ok bool) {
	e := s.endpoint
	defer func() {
		if !ok { // or open panicked
			e.sessions.remove(s, false)
		}
		close(s.ready)
	}()
	s.conn, ok = e.server.Carry(w, r, transport.CarryConfig{
		Transport: transportName,
		Framing:   framingHTTP,
		Wake:      s.signal,
	}, e.open)
	if ok {
		s.owner = e.ownerOf(s.conn.Info())
	}
	return ok
}

// signal wakes the request that receives, or will.
func (s *httpSession) signal() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// await waits for the end of the handshake and reports whether there is a
// connection.
func (s *httpSession) await(r *http.Request) bool {
	select {
	case <-s.ready:
		return s.conn != nil
	case <-r.Context().Done():
		return false
	}
}

// admits lets the owner of the session in. Anyone else is answered as if there
// were no session.
func (s *httpSession) admits(w http.ResponseWriter, r *http.Request) bool {
	info, ok := s.endpoint.server.Identify(w, r)
	if !ok {
		return false
	}
	if s.endpoint.ownerOf(info) != s.owner {
		http.NotFound(w, r)
		return false
	}
	return true
}

// attach makes the caller the one that receives, or returns the frame that it
// must answer with instead.
func (s *httpSession) attach() (instead []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.farewell != nil:
		return s.farewell
	case s.attached:
		return stillOpen
	}
	s.attached = true
	s.timer.Stop()
	return nil
}

// detach lets another request receive, or with a farewell nobody any more. The
// protocol may be busy: the session does not wait for it to take notice, the
// server's Close does.
func (s *httpSession) detach(farewell []byte) {
	s.mu.Lock()
	s.attached = false
	s.farewell = farewell
	s.until = time.Now().Add(s.endpoint.config.DisconnectDelay)
	s.timer.Reset(s.endpoint.config.DisconnectDelay)
	s.mu.Unlock()
	if farewell != nil {
		s.endpoint.sessions.end(s)
		go s.conn.Gone(transport.ErrLost)
	}
}

// expire forgets a session for which nobody has come.
func (s *httpSession) expire() {
	s.mu.Lock()
	if s.attached || time.Now().Before(s.until) { // somebody came just now
		s.mu.Unlock()
		return
	}
	ended := s.farewell != nil
	if !ended {
		s.farewell = interrupted // for whom found it before it was forgotten
	}
	s.mu.Unlock()
	s.endpoint.sessions.remove(s, ended)
	s.conn.Gone(transport.ErrLost)
}

// ended reports whether the client was told that the session has ended.
func (s *httpSession) ended() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.farewell != nil
}
