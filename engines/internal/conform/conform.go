// Package conform asks of a broker over an engine what is asked of every broker.
package conform

import (
	"log/slog"
	"testing"
	"time"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/messagetest"
)

// Backplane is one that is closed.
type Backplane interface {
	broker.Backplane
	// Close ends it.
	Close()
}

// node is a broker with its own backplane.
type node struct {
	*broker.Memory
	backplane Backplane
}

// Close closes both.
func (n node) Close() {
	n.Memory.Close()
	n.backplane.Close()
}

// Broker runs messagetest.Broker on nodes that connect joins.
func Broker(t *testing.T, engine broker.Features, connect func(t *testing.T) Backplane) {
	acks := broker.Acks{MaxDeliveries: 10, Backoff: 10 * time.Millisecond, MaxBackoff: 20 * time.Millisecond, DeadLetter: "/topic/dead"}
	config := broker.Config{
		Rules: []broker.Rule{
			{Prefix: "/topic", Acks: acks},
			{Prefix: "/queue", Mode: broker.Queue, Acks: acks},
			{Prefix: "/history", History: broker.History{Messages: 500}},
			{Prefix: "/retain", Retain: true},
		},
		Logger: slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn})),
	}
	features := engine
	features.Acks, features.DeadLetters, features.History, features.Retain, features.Nodes = true, true, true, true, true
	messagetest.Broker(t, features, func(t *testing.T, outbound message.RawHandler) broker.Broker {
		config := config
		backplane := connect(t)
		config.Backplane = backplane
		return node{broker.NewMemory(outbound, config), backplane}
	})
}
