package broker_test

import (
	"log/slog"
	"testing"
	"time"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/messagetest"
)

// conforming are the rules that the suite asks for.
func conforming() broker.Config {
	acks := broker.Acks{MaxDeliveries: 10, Backoff: 10 * time.Millisecond, MaxBackoff: 20 * time.Millisecond, DeadLetter: "/topic/dead"}
	return broker.Config{
		Rules: []broker.Rule{
			{Prefix: "/topic", Acks: acks},
			{Prefix: "/queue", Mode: broker.Queue, Acks: acks},
			{Prefix: "/history", History: broker.History{Messages: 500}},
			{Prefix: "/retain", Retain: true},
		},
		Logger: slog.New(slog.DiscardHandler),
	}
}

func TestConformance(t *testing.T) {
	config := conforming()
	features := broker.Features{
		Patterns: true, Ordered: true, Queues: true, Backlog: true, Acks: true, DeadLetters: true,
		History: true, Retain: true,
	}
	messagetest.Broker(t, features, func(t *testing.T, outbound message.RawHandler) broker.Broker {
		return broker.NewMemory(outbound, config)
	})
}

// TestConformanceOfNodes: with a backplane all brokers of one check are one. With topics
// that are everywhere they have patterns too.
func TestConformanceOfNodes(t *testing.T) {
	for name, everywhere := range map[string]bool{"by destination": false, "everywhere": true} {
		t.Run(name, func(t *testing.T) {
			config := conforming()
			config.Rules[0].Everywhere = everywhere
			features := messagetest.NewBackplane().Features()
			features.Acks, features.DeadLetters, features.History, features.Retain, features.Nodes = true, true, true, true, true
			features.Patterns = everywhere
			engine := messagetest.NewBackplane()
			messagetest.Broker(t, features, func(t *testing.T, outbound message.RawHandler) broker.Broker {
				config := config
				config.Backplane = engine
				return broker.NewMemory(outbound, config)
			})
		})
	}
}
