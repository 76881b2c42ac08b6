package sockjs

import (
	"net/http"
	"time"

	"github.com/headrace/headrace/transport"
)

// receive answers a request that asks for a session's messages, and begins the
// session if there is none of this id.
func (e *endpoint) receive(w http.ResponseWriter, r *http.Request, id string, t *wrapping) {
	name := ""
	if t.callback {
		var problem string
		if name, problem = callback(r); problem != "" {
			http.Error(w, problem, http.StatusInternalServerError)
			return
		}
	}
	// The body means nothing, but as long as it is unread nobody notices that
	// the client has gone.
	if _, err := transport.ReadBody(w, r, 1<<10); err != nil {
		e.server.Refuse(w, r, err)
		return
	}
	e.dress(w, r)
	s, instead, ok := e.enter(w, r, id, t)
	if !ok {
		return
	}
	w.Header().Set("Content-Type", t.contentType)
	w.Header().Set("X-Accel-Buffering", "no") // nginx would keep the frames back
	rc := &receiver{session: s, wrapping: t, callback: name, w: w, r: r}
	if instead != nil {
		rc.answer(instead)
		return
	}
	farewell := interrupted // should anything panic
	defer func() { s.detach(farewell) }()
	farewell = rc.run()
}

// dress sets the headers of every answer that concerns a session.
func (e *endpoint) dress(w http.ResponseWriter, r *http.Request) {
	notCached(w)
	if e.config.Cookies {
		sessionCookie(w, r)
	}
}

// enter finds or begins the session. The caller is its receiver, unless there
// is a frame to answer with instead; without ok the answer is given.
func (e *endpoint) enter(w http.ResponseWriter, r *http.Request, id string, t *wrapping) (s *httpSession, instead []byte, ok bool) {
	for r.Context().Err() == nil {
		s, fresh := e.sessions.join(id, e)
		switch {
		case fresh:
			return s, nil, s.begin(w, r, t.name)
		case !s.await(r): // its handshake was refused: perhaps ours is not
		case !s.admits(w, r):
			return nil, nil, false
		default:
			return s, s.attach(), true
		}
	}
	return nil, nil, false
}

// receiver is a request that receives.
type receiver struct {
	*wrapping
	session  *httpSession
	callback string
	w        http.ResponseWriter
	r        *http.Request
	written  int // bytes of frames
}

// run writes what waits and waits for more, until the response is full, the
// client has gone or the session has ended. It returns the close frame of a
// session that has.
func (rc *receiver) run() (farewell []byte) {
	s := rc.session
	rc.begin()
	var frame []byte
	if !s.opened {
		s.opened = true
		frame = openFrame
	}
	for !rc.full() {
		if frame == nil {
			elements, last, reason := s.conn.Next()
			switch {
			case len(elements) > 0:
				frame = appendArray(nil, elements)
			case last:
				farewell = goodbye(reason)
				rc.tell(rc.wrap(farewell, rc.callback)) // the connection may be closed already
				return farewell
			default:
				var ok bool
				if frame, ok = rc.wait(); !ok {
					return interrupted
				}
			}
		}
		if frame != nil && rc.write(frame) != nil {
			return interrupted
		}
		frame = nil
	}
	return nil
}

// full reports whether the client has to ask again.
func (rc *receiver) full() bool {
	return rc.written > 0 && rc.poll || rc.written >= rc.session.endpoint.config.StreamBytes
}

func (rc *receiver) write(frame []byte) error {
	p := rc.wrap(frame, rc.callback)
	rc.written += len(p)
	return rc.session.conn.Write(rc.w, p)
}

// wait waits until something may wait, or returns a heart-beat when that takes
// too long. It is not ok when the client has gone.
func (rc *receiver) wait() (frame []byte, ok bool) {
	var quiet <-chan time.Time
	if d := rc.session.endpoint.config.Heartbeat; d > 0 {
		quiet = time.After(d)
	}
	select {
	case <-rc.session.wake:
		return nil, true
	case <-quiet:
		return heartbeatFrame, true
	case <-rc.r.Context().Done():
		return nil, false
	}
}

// answer writes a frame that ends the response.
func (rc *receiver) answer(frame []byte) {
	rc.begin()
	rc.tell(rc.wrap(frame, rc.callback))
}

// begin writes what responses of this transport begin with.
func (rc *receiver) begin() {
	if rc.prelude != nil {
		rc.tell([]byte(rc.prelude(rc.callback)))
	}
}

// tellTime is how long a client may take for what is little.
const tellTime = 10 * time.Second

// tell writes what is not the connection's.
func (rc *receiver) tell(p []byte) {
	to := http.NewResponseController(rc.w)
	to.SetWriteDeadline(time.Now().Add(tellTime)) // where there is no deadline to set, nothing blocks either
	rc.w.Write(p)
	to.Flush()
	to.SetWriteDeadline(time.Time{})
}
