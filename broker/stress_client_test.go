package broker_test

import (
	"context"
	"math/rand/v2"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/headrace/headrace/message"
)

// csub is what a client knows of a subscription of his. An id is not used again.
type csub struct {
	id, dest, mode string
	under          []message.Raw  // way to him, or forgotten
	from, to       int64          // between which he has to hear all of a topic
	got            map[string]int // of a topic
}

// conn is a session with its client, who does one thing after another.
type conn struct {
	*message.Session
	s       *stress
	leaving atomic.Bool // its DISCONNECT is about to come

	mu     sync.Mutex
	whims  *rand.Rand
	gone   bool
	subs   []*csub // the living ones
	all    []*csub
	lastID int
}

// Deliver is the way out of the broker.
func (c *conn) Deliver(_ context.Context, m message.Raw) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case m.Kind == message.KindConnected:
		return nil
	case c.gone:
		return wayErrors[unreachable]
	case c.whims.IntN(50) == 0 && strings.HasPrefix(m.Destination, "/queue"):
		return wayErrors[refusing]
	}
	i := slices.IndexFunc(c.all, func(sub *csub) bool { return sub.id == m.Subscription })
	c.s.delivered(c, c.all[i], m)
	if m.Header.Get(message.HeaderAck) != "" {
		c.all[i].under = append(c.all[i].under, m)
	}
	return nil
}

func (c *conn) Close(err error) { c.s.fail("a session is cut: %v", err) }

// client connects, does something, and leaves, again and again.
func (s *stress) client(seed uint64) {
	r := rand.New(rand.NewPCG(seed, seed))
	for !s.stop.Load() {
		c := s.connect(r.Uint64())
		for range r.IntN(100) {
			c.act(r)
		}
		var both sync.WaitGroup
		if r.IntN(2) == 0 { // its end meets what it does
			both.Go(c.leave)
		}
		for range r.IntN(5) {
			c.act(r)
		}
		both.Wait()
		c.leave()
	}
}

func (s *stress) connect(seed uint64) *conn {
	c := &conn{s: s, whims: rand.New(rand.NewPCG(seed, seed))}
	c.Session = message.NewSession(c, message.SessionInfo{})
	s.do(message.Raw{Kind: message.KindConnect, Session: c.Session})
	return c
}

func (c *conn) leave() {
	c.leaving.Store(true)
	c.mu.Lock()
	c.s.unheard(c.subs)
	c.subs = nil
	c.mu.Unlock()
	c.s.do(message.Raw{Kind: message.KindDisconnect, Session: c.Session})
	c.mu.Lock()
	c.gone = true
	c.mu.Unlock()
}

// act does one of the things that clients do.
func (c *conn) act(r *rand.Rand) {
	switch r.IntN(12) {
	case 0, 1:
		modes := []string{"", "client", "client-individual"}
		c.subscribe(stressDestinations[r.IntN(len(stressDestinations))], modes[r.IntN(len(modes))])
	case 2:
		c.unsubscribe(r)
	default:
		c.settle(r)
		runtime.Gosched()
	}
}

func (c *conn) subscribe(dest, mode string) {
	c.mu.Lock()
	c.lastID++
	sub := &csub{id: strconv.Itoa(c.lastID), dest: dest, mode: mode, got: map[string]int{}}
	full := len(c.subs) == 3
	if !full {
		c.subs, c.all = append(c.subs, sub), append(c.all, sub)
	}
	c.mu.Unlock()
	if full {
		return
	}
	m := message.Raw{Kind: message.KindSubscribe, Session: c.Session, Subscription: sub.id, Destination: dest}
	if mode != "" {
		m.Header = m.Header.With(message.HeaderAckMode, mode)
	}
	err := c.s.do(m)
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	switch {
	case c.leaving.Load():
	case err != nil:
		c.s.fail("SUBSCRIBE: %v", err)
	case mode == "" && strings.HasPrefix(dest, "/topic"):
		sub.from = c.s.clock.Add(1)
		c.s.heard = append(c.s.heard, sub)
	}
}

func (c *conn) unsubscribe(r *rand.Rand) {
	c.mu.Lock()
	if len(c.subs) == 0 {
		c.mu.Unlock()
		return
	}
	i := r.IntN(len(c.subs))
	sub := c.subs[i]
	c.s.unheard(c.subs[i : i+1])
	c.subs = slices.Delete(c.subs, i, i+1)
	c.mu.Unlock()
	c.s.do(message.Raw{Kind: message.KindUnsubscribe, Session: c.Session, Subscription: sub.id})
}

// settle acknowledges something, or refuses it.
func (c *conn) settle(r *rand.Rand) {
	kind := message.KindAck
	if r.IntN(4) == 0 {
		kind = message.KindNack
	}
	these := c.choose(r)
	if len(these) == 0 {
		return
	}
	c.s.settling(these)
	ack := these[len(these)-1].Header.Get(message.HeaderAck)
	err := c.s.do(message.Raw{Kind: kind, Session: c.Session, Header: message.Header{}.With(message.HeaderAck, ack)})
	switch {
	case err == nil && kind == message.KindAck:
		c.s.settled(c, these)
	case err != nil && c.s.exact && !c.leaving.Load():
		c.s.fail("%s of %s: %v", kind, these[len(these)-1].Payload, err)
	}
}

// choose takes out what is to be settled together.
func (c *conn) choose(r *rand.Rand) []message.Raw {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.all) == 0 {
		return nil
	}
	sub := c.all[r.IntN(len(c.all))]
	if len(sub.under) == 0 {
		return nil
	}
	first := r.IntN(len(sub.under))
	last := first + 1
	if sub.mode == "client" {
		first = 0
	}
	these := slices.Clone(sub.under[first:last])
	sub.under = slices.Delete(sub.under, first, last)
	return these
}
