package broker

// UsersStats is a snapshot of [Users].
type UsersStats struct {
	// Users is how many users have a session, at this node or at others; one who has
	// sessions at several counts once.
	Users int
	// Sessions is how many sessions are connected, anonymous ones and those of other
	// nodes counted.
	Sessions int
	// Delivered counts deliveries that the outbound handler took.
	Delivered uint64
	// Failed counts deliveries that it did not take.
	Failed uint64
	// Unresolved counts messages for which no session had a subscription.
	Unresolved uint64
	// ClusterStats are those of a node among others.
	ClusterStats
	// QueueStats are those of the subscriptions that acknowledge.
	QueueStats
}

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

// Stats returns a snapshot.
func (u *Users) Stats() UsersStats {
	u.mu.RLock()
	stats := UsersStats{
		Users:      len(u.users),
		Sessions:   len(u.sessions),
		Delivered:  u.delivery.delivered.Load(),
		Failed:     u.delivery.failed.Load(),
		Unresolved: u.unresolved.Load(),
	}
	u.mu.RUnlock()
	stats.QueueStats = u.store.stats()
	u.addCluster(&stats)
	return stats
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
	for _, p := range c.peers {
		sessions += len(p.sessions)
	}
	return len(c.peers), sessions
}
