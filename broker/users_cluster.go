package broker

import "maps"

// ClusterStats is a snapshot of a node of several that share a [Backplane].
type ClusterStats struct {
	// Nodes is how many others are known.
	Nodes int
	// Forwarded counts messages that the engine took for nodes that have the user.
	Forwarded uint64
	// Broadcast counts messages that were sent to all nodes, because none was known to
	// have the user.
	Broadcast uint64
	// Lost counts messages that came from other nodes and were given up, by the reason:
	// "gone" (the user had left, and nobody was known to have him), "moved" (they were
	// sent after him once, in vain), "full" (too many were to be), "engine" (it did not
	// take them), "closed" (this node was stopped).
	Lost map[string]uint64
	// Ignored counts what came from other nodes and made no sense.
	Ignored uint64
}

// join makes u one of several nodes.
func (u *Users) join(l *link) {
	u.cluster = &cluster{
		link: l, log: u.delivery.log, own: u.entry, all: u.entries, inbox: u.inbox, unknown: u.unknown,
	}
	u.cluster.start()
}

// entry returns what other nodes are told of a session of this one.
func (u *Users) entry(id string) (remote, bool) {
	us := u.connected(id)
	if us == nil {
		return remote{}, false
	}
	return us.told(), true
}

// entries returns what they are told of all.
func (u *Users) entries() []remote {
	var all []remote
	for _, id := range keys(u, u.sessions) {
		if s, ok := u.entry(id); ok {
			all = append(all, s)
		}
	}
	return all
}

func (us *userSession) told() remote {
	return remote{id: us.session.ID(), user: us.user, subscriptions: us.holds.all()}
}

// addCluster adds the other nodes to what u counts.
func (u *Users) addCluster(stats *UsersStats) {
	stats.Lost = make(map[string]uint64)
	if u.cluster == nil {
		return
	}
	for name := range u.cluster.users() {
		if !u.knows(name) {
			stats.Users++
		}
	}
	nodes, sessions := u.cluster.count()
	stats.Sessions += sessions
	stats.Nodes = nodes
	stats.Forwarded, stats.Broadcast = u.forwards.forwarded.Load(), u.forwards.broadcast.Load()
	stats.Ignored = u.cluster.ignored.Load()
	for why := range u.forwards.lost {
		if n := u.forwards.lost[why].Load(); n > 0 {
			stats.Lost[lossNames[why]] = n
		}
	}
}

// count returns how many other nodes there are, and sessions at them.
func (c *cluster) count() (nodes, sessions int) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	for p := range maps.Values(c.peers) {
		sessions += len(p.sessions)
	}
	return len(c.peers), sessions
}
