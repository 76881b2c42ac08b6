package relay_test

import (
	"log/slog"
	"testing"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/internal/proc"
	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/messagetest"
	"github.com/headrace/headrace/stompadapter/relay"
)

// features are those of all brokers, but for selectors.
var features = broker.Features{
	Patterns: true, Ordered: true, Queues: true, Backlog: true, Acks: true, Durable: true, Nodes: true,
}

func TestRabbitMQ(t *testing.T) {
	rabbit := proc.StartRabbitMQ(t)
	t.Run("conformance", func(t *testing.T) {
		messagetest.Broker(t, features, func(t *testing.T, outbound message.RawHandler) broker.Broker {
			return relay.New(outbound, relay.Config{Address: rabbit.STOMP, Logger: slog.New(slog.DiscardHandler)})
		})
	})
}

func TestActiveMQ(t *testing.T) {
	active := proc.StartActiveMQ(t)
	t.Run("conformance", func(t *testing.T) {
		features := features
		features.Selectors = true
		messagetest.Broker(t, features, func(t *testing.T, outbound message.RawHandler) broker.Broker {
			return relay.New(outbound, relay.Config{Address: active.STOMP, Dialect: relay.ActiveMQ, Logger: slog.New(slog.DiscardHandler)})
		})
	})
}
