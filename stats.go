package headrace

import (
	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/channel"
)

// Stats is a snapshot of a [Node].
type Stats struct {
	// Inbound is the channel that takes what clients send.
	Inbound channel.Stats
	// Broker is the embedded broker.
	Broker broker.MemoryStats
	// Users are the users and their sessions.
	Users broker.UsersStats
	// Unroutable counts messages whose destination no prefix claims.
	Unroutable uint64
}

// Stats returns a snapshot of the node's parts.
func (n *Node) Stats() Stats {
	return Stats{
		Inbound:    n.Inbound.Stats(),
		Broker:     n.Broker.Stats(),
		Users:      n.Users.Stats(),
		Unroutable: n.split.unroutable.Load(),
	}
}
