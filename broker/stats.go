package broker

// QueueStats is a snapshot of queues: those of destinations whose consumers compete,
// and those that subscriptions have which acknowledge what they get from a topic.
type QueueStats struct {
	// Queues is how many there are.
	Queues int
	// Bytes is about how much memory the messages take that wait, are not settled,
	// or are kept as a history.
	Bytes int64
	// Redelivered counts deliveries that were refused, or expired, and are made
	// again.
	Redelivered uint64
	// Expired counts deliveries that were not settled in time.
	Expired uint64
	// DeadLetters counts messages that were refused too often.
	DeadLetters uint64
	// Dropped counts messages that were given up, by the reason: "dead" (a dead
	// letter that has no place), "gone" (their subscription has ended), "vetoed"
	// (by an interceptor of the way out), "full" (their subscription's session was
	// ended, because too much waited for it), "closed" (the broker was), "unkept" (they
	// were delivered, but their topic has no room to keep them, nor what it had kept,
	// for there must be no gap).
	Dropped map[string]uint64
}

func (s *store) stats() QueueStats {
	stats := QueueStats{
		Bytes:       s.bytes.Load(),
		Redelivered: s.redelivered.Load(),
		Expired:     s.expired.Load(),
		DeadLetters: s.deadLetters.Load(),
		Dropped:     make(map[string]uint64),
	}
	for why := range s.dropped {
		if n := s.dropped[why].Load(); n > 0 {
			stats.Dropped[dropNames[why]] = n
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	stats.Queues = len(s.all)
	return stats
}
