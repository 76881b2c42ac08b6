package sockjs

import "sync"

// maxEnded is how many sessions that have ended are remembered. Those that live
// are bounded by the places of the server.
const maxEnded = 4096

// table finds the sessions of one endpoint's HTTP transports by the ids in
// their URLs, which clients choose.
type table struct {
	mu       sync.Mutex
	sessions map[string]*httpSession
	ended    int // of them
}

// get returns the session of this id, or nil.
func (t *table) get(id string) *httpSession {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.sessions[id]
}

// join returns the session of this id; fresh is true if it did not exist, and
// the caller has to begin it.
func (t *table) join(id string, e *endpoint) (s *httpSession, fresh bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if s := t.sessions[id]; s != nil {
		return s, false
	}
	s = newHTTPSession(id, e)
	t.sessions[id] = s
	return s, true
}

// end counts s among those that have ended. With too many of them it is
// forgotten at once: whoever asks for it begins a new one.
func (t *table) end(s *httpSession) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ended == maxEnded {
		delete(t.sessions, s.id)
		return
	}
	t.ended++
}

// remove forgets s.
func (t *table) remove(s *httpSession, ended bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.sessions[s.id] != s {
		return // end has forgotten it
	}
	delete(t.sessions, s.id)
	if ended {
		t.ended--
	}
}
