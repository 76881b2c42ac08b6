package broker

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Topics of a [Backplane] that are no destinations.
const (
	topicRegistry = "registry" // what nodes tell each other of their sessions
	topicUsers    = "users"    // messages for users that nobody is known to have
	topicNode     = "node."    // and the id of a node: what is for it alone
)

const (
	peerLife      = 30 * time.Second // without a word
	snapshotEvery = 10 * time.Second
	maxPeers      = 1024
	maxParts      = 1024 // of one notice
)

// cluster is what [Users] knows of the sessions of other nodes, and how those learn of
// its own. Nodes tell what has changed by deltas; a node that missed one asks for a
// snapshot, as does one that is new; and a node that is not heard of any more is gone.
type cluster struct {
	link    *link
	log     func() *slog.Logger
	own     func(id string) (remote, bool) // a session of this node
	all     func() []remote                // all of them
	inbox   func(context.Context, Envelope) error
	unknown func(context.Context, Envelope) error
	ignored atomic.Uint64 // what makes no sense

	tells   teller
	errands chan errand
	stop    context.CancelFunc
	working sync.WaitGroup

	// What the others are told last is in this; it ends with impatient.
	leaving   context.Context
	impatient context.CancelFunc

	mu       sync.RWMutex
	peers    map[string]*peer
	gathered map[string]*gathered
}

// gathered are the parts that have come of what a node tells.
type gathered struct {
	notice
	begun time.Time
}

// start joins the other nodes, on goroutines of its own.
func (c *cluster) start() {
	c.peers, c.gathered = make(map[string]*peer), make(map[string]*gathered)
	c.errands = make(chan errand, maxErrands)
	c.tells.init()
	ctx, cancel := context.WithCancel(context.Background())
	c.stop = cancel
	c.leaving, c.impatient = context.WithCancel(context.Background())
	c.working.Go(func() { c.tell(ctx) })
	c.working.Go(func() { c.run(ctx) })
}

// close leaves the other nodes.
func (c *cluster) close() {
	defer c.impatient()
	c.stop()
	c.working.Wait()
}

// changed is told of each session of this node that came, went, or has other
// subscriptions. It never blocks.
func (c *cluster) changed(id string) {
	if c != nil {
		c.tells.changed(id)
	}
}

// hear takes a notice of another node.
func (c *cluster) hear(_ context.Context, e Envelope) error {
	n, err := parseNotice(e.Payload)
	if err != nil || e.Origin == "" || e.Origin == c.link.node || len(e.Origin) > nameLimit {
		c.ignored.Add(1)
		return nil
	}
	switch n.kind {
	case noticeAsk:
		if n.subject == "" || n.subject == c.link.node {
			c.tells.asked()
		}
	case noticeLeave:
		c.leave(e.Origin, n.life)
	case noticeDelta, noticeSnapshot:
		c.learn(e.Origin, &n)
	default:
		c.ignored.Add(1)
	}
	return nil
}

func (c *cluster) leave(node, life string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if p := c.peers[node]; p != nil && p.life == life {
		delete(c.peers, node)
	}
}

// learn takes a delta or a snapshot, unless all that it says is known. After a gap it
// asks for a snapshot.
func (c *cluster) learn(node string, n *notice) {
	known, ok := c.touch(node, n.life)
	switch {
	case ok && n.number <= known:
		return
	case n.kind == noticeDelta && n.number != known+1: // known is 0 of who is new
		c.tells.ask(node)
		return
	}
	if n = c.gather(node, n); n == nil {
		return
	}
	if n.kind == noticeSnapshot || !ok {
		p := &peer{life: n.life, heard: time.Now(), sessions: make(map[string]*remote), users: make(map[string][]*remote)}
		p.take(n) // nobody waits for it meanwhile
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.peers[node] == nil && len(c.peers) >= maxPeers {
			c.ignored.Add(1)
			return
		}
		c.peers[node] = p
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if p := c.peers[node]; p != nil { // it has not expired just now
		p.take(n)
	}
}

// touch notes that a node was heard of, and returns the number of its last delta. It is
// false if nothing is known of this life of the node.
func (c *cluster) touch(node, life string) (number uint64, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	p := c.peers[node]
	if p == nil || p.life != life {
		return 0, false
	}
	p.heard = time.Now()
	return p.number, true
}

// gather returns a notice with all its parts, or nil as long as some are missing.
func (c *cluster) gather(node string, n *notice) *notice {
	if n.part == 0 && !n.more {
		return n
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	g := c.gathered[node]
	switch {
	case n.part == 0 && (g != nil || len(c.gathered) < maxPeers):
		c.gathered[node] = &gathered{notice: *n, begun: time.Now()}
		return nil
	case g == nil || g.kind != n.kind || g.life != n.life || g.number != n.number || g.part+1 != n.part || n.part >= maxParts:
		delete(c.gathered, node)
		c.tells.ask(node)
		return nil
	}
	g.part = n.part
	g.sessions, g.gone = append(g.sessions, n.sessions...), append(g.gone, n.gone...)
	if n.more {
		return nil
	}
	delete(c.gathered, node)
	return &g.notice
}

// expire forgets the nodes that were not heard of for long.
func (c *cluster) expire() {
	var gone []string
	c.mu.Lock()
	for node, p := range c.peers {
		if time.Since(p.heard) >= peerLife {
			delete(c.peers, node)
			gone = append(gone, node)
		}
	}
	maps.DeleteFunc(c.gathered, func(_ string, g *gathered) bool { return time.Since(g.begun) >= peerLife })
	c.mu.Unlock()
	for _, node := range gone {
		c.log().Warn("a node is not heard of any more", "node", node)
	}
}

// session returns a session of another node, and the node.
func (c *cluster) session(id string) (s *remote, node string) {
	if c == nil {
		return nil, ""
	}
	c.mu.RLock()
	defer c.mu.RUnlock()
	for node, p := range c.peers {
		if s = p.sessions[id]; s != nil {
			return s, node
		}
	}
	return nil, ""
}

// holders returns the other nodes that have sessions of a user.
func (c *cluster) holders(user string) (nodes []string) {
	if c == nil {
		return nil
	}
	c.mu.RLock()
	defer c.mu.RUnlock()
	for node, p := range c.peers {
		if len(p.users[user]) > 0 {
			nodes = append(nodes, node)
		}
	}
	return nodes
}

// views returns what is known of a user's sessions at other nodes.
func (c *cluster) views(user string) (all []SessionView) {
	if c == nil {
		return nil
	}
	c.mu.RLock()
	defer c.mu.RUnlock()
	for node, p := range c.peers {
		for _, s := range p.users[user] {
			all = append(all, s.view(node))
		}
	}
	slices.SortStableFunc(all, func(a, b SessionView) int { return strings.Compare(a.Node, b.Node) })
	return all
}

// users returns the names of those who have sessions at other nodes.
func (c *cluster) users() map[string]struct{} {
	if c == nil {
		return nil
	}
	c.mu.RLock()
	defer c.mu.RUnlock()
	all := make(map[string]struct{})
	for _, p := range c.peers {
		for name := range p.users {
			all[name] = struct{}{}
		}
	}
	return all
}

// ids returns those of all sessions at other nodes.
func (c *cluster) ids() (all []string) {
	if c == nil {
		return nil
	}
	c.mu.RLock()
	defer c.mu.RUnlock()
	for _, p := range c.peers {
		all = slices.AppendSeq(all, maps.Keys(p.sessions))
	}
	return all
}
