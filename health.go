package headrace

import (
	"encoding/json"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/channel"
)

// Health is what probes are told of a [Node].
type Health struct {
	// Live says that the node is not closed: a process whose node is not live has
	// to be started again.
	Live bool `json:"live"`
	// Ready says that clients may be sent to the node: Serve listens, nothing shuts
	// down, the brokers are available, each of Config.Relays too, and handlers are not
	// all blocked.
	Ready bool `json:"ready"`
	// Reasons are why the node is not ready: "starting", "draining", "closed",
	// "broker unavailable", "inbound blocked", "outbound blocked". Nil where it is.
	Reasons []string `json:"reasons,omitempty"`
}

// Health returns what probes are told. It costs no more than a snapshot of two
// channels. A channel is found blocked when calls that are 10 s or more apart see
// messages wait for a worker and none handled in between.
func (n *Node) Health() Health {
	h := Health{Live: true}
	switch n.life.phase.Load() {
	case phaseClosed:
		return Health{Reasons: []string{"closed"}}
	case phaseStarting:
		h.Reasons = append(h.Reasons, "starting")
	case phaseDraining:
		h.Reasons = append(h.Reasons, "draining")
	}
	if n.life.down.Load() > 0 {
		h.Reasons = append(h.Reasons, "broker unavailable")
	}
	if n.life.inbound.stands(n.Inbound.Stats()) {
		h.Reasons = append(h.Reasons, "inbound blocked")
	}
	if n.outgoing != nil && n.life.outbound.stands(n.outgoing.Stats()) {
		h.Reasons = append(h.Reasons, "outbound blocked")
	}
	h.Ready = len(h.Reasons) == 0
	return h
}

// Livez answers liveness probes, GET and HEAD: 200 while Health says Live, else 503,
// with Health as JSON.
func (n *Node) Livez() http.Handler {
	return n.probe(func(h Health) bool { return h.Live })
}

// Readyz answers readiness probes, GET and HEAD: 200 while Health says Ready, else 503,
// with Health as JSON. Once it was asked, Serve gives those who ask time to notice that
// the node is not ready any more: see Config.DrainDelay.
func (n *Node) Readyz() http.Handler {
	return n.probe(func(h Health) bool {
		n.life.probed.Store(true)
		return h.Ready
	})
}

func (n *Node) probe(well func(Health) bool) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "a probe is asked with GET", http.StatusMethodNotAllowed)
			return
		}
		h, status := n.Health(), http.StatusOK
		if !well(h) {
			status = http.StatusServiceUnavailable
		}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "no-store")
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(h) // who asked has gone otherwise
	})
}

// The phases of a node, in order.
const (
	phaseStarting int32 = iota
	phaseServing
	phaseDraining
	phaseClosed
)

// life is what Health goes by.
type life struct {
	phase             atomic.Int32
	probed            atomic.Bool  // somebody asks whether the node is ready
	down              atomic.Int32 // brokers that are unavailable, or not yet available
	inbound, outbound standstill
}

// enter begins a phase, unless a later one has begun.
func (l *life) enter(phase int32) {
	for now := l.phase.Load(); now < phase; now = l.phase.Load() {
		if l.phase.CompareAndSwap(now, phase) {
			return
		}
	}
}

// presence is whether one broker is there. It is not until it has said so.
type presence struct {
	life *life
	gone atomic.Bool
}

// awaits returns the presence of one broker more.
func (l *life) awaits() *presence {
	p := &presence{life: l}
	p.note(broker.Unavailable)
	return p
}

// note takes the kind of an event of the broker.
func (p *presence) note(k broker.EventKind) {
	switch k {
	case broker.Unavailable:
		if !p.gone.Swap(true) {
			p.life.down.Add(1)
		}
	case broker.Available:
		if p.gone.Swap(false) {
			p.life.down.Add(-1)
		}
	}
}

// blockedAfter is how long a channel stands still before it is taken for blocked.
const blockedAfter = 10 * time.Second

// standstill finds out whether a channel stands still.
type standstill struct {
	mu    sync.Mutex
	since time.Time // zero while it does not
	done  uint64
}

// stands takes a snapshot and reports whether nothing has moved for too long.
func (s *standstill) stands(now channel.Stats) bool {
	done := now.Handled + now.Failed + now.Dropped
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case now.Ready == 0:
		s.since = time.Time{}
	case s.since.IsZero() || s.done != done:
		s.since, s.done = time.Now(), done
	}
	return !s.since.IsZero() && time.Since(s.since) >= blockedAfter
}
