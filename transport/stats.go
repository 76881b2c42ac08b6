package transport

import "maps"

// Stats is a snapshot of a server's counters.
type Stats struct {
	// Open is how many connections there are now.
	Open int
	// Total is how many connections were opened.
	Total uint64
	// Refused is how many requests and accepted connections were refused before
	// they became one of ours, for whatever reason.
	Refused uint64
	// Limited is how many clients were refused because a limit was reached.
	Limited Limited
	// Closed is how many connections ended, by [message.EndReason]: "client" for an
	// orderly end, "send_limit" and "buffer_limit" for slow consumers, "drain" for
	// those that Shutdown let go and "shutdown" for those that it did not.
	Closed map[string]uint64
	// Received and Sent are how many requests came and how many frames were written,
	// by what their protocol calls them: [Request.Name], [NewNamedFrame] and
	// [Dialect]'s Encode say it. Of each, the first 31 names have a number of their
	// own, further ones are "other". Nil means none.
	Received, Sent map[string]uint64
	// Frames is how many frames were written, with those that have no name:
	// heart-beats and what only the transport has to say.
	Frames uint64
	// Bytes is how many bytes were written, without the handshakes.
	Bytes uint64
	// Dropped is how many messages were left out by Config.DropOldest.
	Dropped uint64
	// QueuedBytes is how many bytes wait for clients now.
	QueuedBytes int
}

// AdapterStats is a snapshot of an adapter's counters, over all of its endpoints.
type AdapterStats struct {
	// Name says what the adapter speaks, such as "json".
	Name string
	// ExchangeStats counts sessions, refused messages and encoded ones.
	ExchangeStats
	// Transport counts connections and bytes.
	Transport Stats
}

// Limited counts the clients that were refused because a limit of [Config] was
// reached. All are in Stats.Refused, but those that MaxPerUser refused when
// they said who they are over a connection that was open.
type Limited struct {
	// Connections is how many MaxConnections refused.
	Connections uint64
	// PerAddress is how many MaxPerAddress refused.
	PerAddress uint64
	// PerUser is how many MaxPerUser refused.
	PerUser uint64
}

// Stats returns a snapshot of the counters. It locks each connection for a
// moment.
func (s *Server) Stats() Stats {
	s.mu.Lock()
	conns := s.all()
	st := Stats{Open: len(conns), Total: s.total, Limited: s.limited, Closed: maps.Clone(s.ends)}
	s.mu.Unlock()
	st.Refused = s.refused.Load()
	for _, f := range s.flushers {
		f.received.into(&st.Received)
		f.sent.into(&st.Sent)
		st.Frames += f.frames.Load()
		st.Bytes += f.bytes.Load()
		st.Dropped += f.dropped.Load()
	}
	for _, c := range conns {
		c.out.mu.Lock()
		st.QueuedBytes += c.out.bytes
		c.out.mu.Unlock()
	}
	return st
}
