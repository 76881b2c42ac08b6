package headrace

import (
	"context"
	"log/slog"
	"strconv"
	"sync"
	"time"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/channel"
	"github.com/headrace/headrace/handler"
	"github.com/headrace/headrace/transport"
)

// Stats is a snapshot of a [Node]. What went through Outbound is counted by Broker and
// Users; with Config.UnorderedOutbound they count what the workers took.
type Stats struct {
	// Inbound is the channel that takes what clients send.
	Inbound channel.Stats
	// Outbound are the workers of Config.UnorderedOutbound, who alone learn what the
	// Gate refuses. Zero without them.
	Outbound channel.Stats
	// Router is the router.
	Router handler.RouterStats
	// Broker is the embedded broker.
	Broker broker.MemoryStats
	// Users are the users and their sessions.
	Users broker.UsersStats
	// Transactions are those of clients.
	Transactions broker.TransactionsStats
	// Relays are those of Config.Relays, in that order, that have a method
	// Stats() broker.RelayStats.
	Relays []broker.RelayStats
	// Unroutable counts messages whose destination no prefix claims.
	Unroutable uint64
	// Adapters are the adapters that Serve was given, in that order, of those
	// that have a method Stats() transport.AdapterStats. Before Serve it is nil.
	Adapters []transport.AdapterStats
}

// Stats returns a snapshot of the node's parts.
func (n *Node) Stats() Stats {
	s := Stats{
		Inbound:      n.Inbound.Stats(),
		Router:       n.Router.Stats(),
		Broker:       n.Broker.Stats(),
		Users:        n.Users.Stats(),
		Transactions: n.Transactions.Stats(),
		Unroutable:   n.split.unroutable.Load(),
	}
	if n.outgoing != nil {
		s.Outbound = n.outgoing.Stats()
	}
	for _, r := range n.Relays {
		if counting, ok := r.(interface{ Stats() broker.RelayStats }); ok {
			s.Relays = append(s.Relays, counting.Stats())
		}
	}
	if adapters := n.adapters.Load(); adapters != nil {
		for _, a := range *adapters {
			if counting, ok := a.(interface{ Stats() transport.AdapterStats }); ok {
				s.Adapters = append(s.Adapters, counting.Stats())
			}
		}
	}
	return s
}

// firstStats is when the first snapshot is logged, so that whoever starts a server
// need not wait long.
const firstStats = time.Minute

// watch makes the adapters known to Stats, and logs it as Config.LogStats says
// until stop is called, which waits for the goroutine that does.
func (n *Node) watch(ctx context.Context, adapters []Adapter) (stop func()) {
	n.adapters.Store(&adapters)
	every := n.split.config.LogStats
	if every <= 0 {
		return func() {}
	}
	done := make(chan struct{})
	var logging sync.WaitGroup
	logging.Go(func() {
		next := time.NewTimer(min(firstStats, every))
		defer next.Stop()
		for {
			select {
			case <-done:
				return
			case <-next.C:
				next.Reset(every)
				n.split.config.logger().LogAttrs(ctx, slog.LevelInfo, "stats", n.Stats().attrs()...)
			}
		}
	})
	return func() {
		close(done)
		logging.Wait()
	}
}

// attrs returns all that s counts, for a log.
func (s Stats) attrs() []slog.Attr {
	return []slog.Attr{
		slog.Group("inbound", append(channelArgs(s.Inbound), "unroutable", s.Unroutable)...),
		slog.Group("outbound", channelArgs(s.Outbound)...),
		slog.Group("router",
			"routes", s.Router.Routes,
			"unroutable", s.Router.Unroutable),
		slog.Group("broker",
			"sessions", s.Broker.Sessions,
			"subscriptions", s.Broker.Subscriptions,
			"published", s.Broker.Published,
			"delivered", s.Broker.Delivered,
			"failed", s.Broker.Failed,
			"topics", s.Broker.Topics,
			"joined", s.Broker.Joined,
			"arrived", s.Broker.Arrived,
			queueGroup(s.Broker.QueueStats)),
		slog.Group("users",
			"users", s.Users.Users,
			"sessions", s.Users.Sessions,
			"delivered", s.Users.Delivered,
			"failed", s.Users.Failed,
			"unresolved", s.Users.Unresolved,
			clusterGroup(s.Users.ClusterStats),
			queueGroup(s.Users.QueueStats)),
		slog.Group("transactions",
			"open", s.Transactions.Open,
			"messages", s.Transactions.Messages,
			"bytes", s.Transactions.Bytes,
			"committed", s.Transactions.Committed,
			"partial", s.Transactions.Partial,
			"refused", s.Transactions.Refused,
			"aborted", s.Transactions.Aborted,
			"overflowed", s.Transactions.Overflowed,
			"abandoned", s.Transactions.Abandoned),
		named("relays", s.Relays, func(r broker.RelayStats) (string, slog.Value) { return r.Name, relayValue(r) }),
		named("adapters", s.Adapters, func(a transport.AdapterStats) (string, slog.Value) { return a.Name, adapterValue(a) }),
	}
}

// named is a group of what has names, with a number behind one that was used before.
func named[T any](group string, all []T, show func(T) (name string, value slog.Value)) slog.Attr {
	attrs, used := make([]slog.Attr, len(all)), map[string]bool{}
	for i, one := range all {
		name, value := show(one)
		key := name
		if used[name] {
			key += strconv.Itoa(i)
		}
		used[name] = true
		attrs[i] = slog.Attr{Key: key, Value: value}
	}
	return slog.Attr{Key: group, Value: slog.GroupValue(attrs...)}
}

func channelArgs(c channel.Stats) []any {
	return []any{
		"underway", c.UnderWay,
		"ready", c.Ready,
		"workers", c.Workers,
		"handled", c.Handled,
		"failed", c.Failed,
		"panicked", c.Panicked,
		"dropped", c.Dropped,
		"rejected", c.Rejected,
	}
}

func clusterGroup(c broker.ClusterStats) slog.Attr {
	return slog.Group("cluster",
		"nodes", c.Nodes,
		"forwarded", c.Forwarded,
		"broadcast", c.Broadcast,
		"ignored", c.Ignored,
		counts("lost", c.Lost))
}

// counts is a group of what is counted by reasons or names.
func counts(name string, all map[string]uint64) slog.Attr {
	attrs := make([]slog.Attr, 0, len(all))
	for what, count := range all {
		attrs = append(attrs, slog.Uint64(what, count))
	}
	return slog.Attr{Key: name, Value: slog.GroupValue(attrs...)}
}

func queueGroup(q broker.QueueStats) slog.Attr {
	return slog.Group("queues",
		"queues", q.Queues,
		"bytes", q.Bytes,
		"redelivered", q.Redelivered,
		"expired", q.Expired,
		"dead", q.DeadLetters,
		counts("dropped", q.Dropped))
}

func relayValue(r broker.RelayStats) slog.Value {
	return slog.GroupValue(
		slog.Bool("available", r.Available),
		slog.Int("sessions", r.Sessions),
		slog.Int("open", r.Open),
		slog.Uint64("connections", r.Connections),
		slog.Uint64("reconnects", r.Reconnects),
		slog.Int("waiting", r.Waiting),
		slog.Int("bytes", r.WaitingBytes),
		slog.Uint64("sent", r.Sent),
		slog.Uint64("resent", r.Resent),
		slog.Uint64("delivered", r.Delivered),
		slog.Uint64("failed", r.Failed),
		slog.Uint64("refused", r.Refused),
		slog.Uint64("lost", r.Lost),
		slog.Uint64("unresolved", r.Unresolved))
}

func adapterValue(a transport.AdapterStats) slog.Value {
	return slog.GroupValue(
		slog.Int("sessions", a.Sessions),
		slog.Uint64("refused", a.Refused),
		slog.Uint64("encodings", a.Encodings),
		slog.Group("transport",
			"open", a.Transport.Open,
			"total", a.Transport.Total,
			"refused", a.Transport.Refused,
			slog.Group("limited",
				"connections", a.Transport.Limited.Connections,
				"address", a.Transport.Limited.PerAddress,
				"user", a.Transport.Limited.PerUser),
			counts("closed", a.Transport.Closed),
			counts("received", a.Transport.Received),
			counts("sent", a.Transport.Sent),
			"frames", a.Transport.Frames,
			"bytes", a.Transport.Bytes,
			"dropped", a.Transport.Dropped,
			"queued", a.Transport.QueuedBytes))
}
