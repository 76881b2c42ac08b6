package broker_test

import (
	"log/slog"
	"testing"
	"time"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/messagetest"
)

func TestConformance(t *testing.T) {
	acks := broker.Acks{MaxDeliveries: 10, Backoff: 10 * time.Millisecond, MaxBackoff: 20 * time.Millisecond, DeadLetter: "/topic/dead"}
	config := broker.Config{
		Rules: []broker.Rule{
			{Prefix: "/topic", Acks: acks},
			{Prefix: "/queue", Mode: broker.Queue, Acks: acks},
			{Prefix: "/history", History: broker.History{Messages: 500}},
			{Prefix: "/retain", Retain: true},
		},
		Logger: slog.New(slog.DiscardHandler),
	}
	features := broker.Features{
		Patterns: true, Ordered: true, Queues: true, Backlog: true, Acks: true, DeadLetters: true,
		History: true, Retain: true,
	}
	messagetest.Broker(t, features, func(t *testing.T, outbound message.RawHandler) broker.Broker {
		return broker.NewMemory(outbound, config)
	})
}
