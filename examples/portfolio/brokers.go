package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/headrace/headrace"
	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/engines/nats"
	"github.com/headrace/headrace/examples/internal/embedded"
	"github.com/headrace/headrace/examples/internal/rabbitmq"
	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/stompadapter/relay"
)

// backing is what carries the messages of an exchange.
type backing struct {
	nodes []headrace.Config // of the nodes that are one exchange
	close func()            // ends what was started for them
}

// brokers are what -broker chooses from. The exchange is the same on each of them. They
// are told where RabbitMQ is.
var brokers = map[string]func(rabbit string) (*backing, error){
	"memory":   inMemory,
	"nats":     overNATS,
	"rabbitmq": byRabbitMQ,
}

// brokerNames are the names for the usage.
func brokerNames() string {
	return strings.Join(slices.Sorted(maps.Keys(brokers)), ", ")
}

func open(name, rabbit string) (*backing, error) {
	start, ok := brokers[name]
	if !ok {
		return nil, fmt.Errorf("-broker is one of %s", brokerNames())
	}
	return start(rabbit)
}

// inMemory is one node with its own broker.
func inMemory(string) (*backing, error) {
	return &backing{nodes: make([]headrace.Config, 1), close: func() {}}, nil
}

// overNATS is three nodes, which know nothing of each other but what goes over a NATS
// server. Prices are subscribed to by a pattern: so every node takes all of them.
func overNATS(string) (*backing, error) {
	url, stop, err := embedded.NATS()
	if err != nil {
		return nil, err
	}
	b := new(backing)
	var planes []*nats.Backplane
	b.close = func() {
		for _, plane := range planes {
			plane.Close()
		}
		stop()
	}
	for range 3 {
		plane, err := nats.Core(nats.Config{URL: url})
		if err != nil {
			b.close()
			return nil, errors.Join(errors.New("no connection to NATS"), err)
		}
		planes = append(planes, plane)
		b.nodes = append(b.nodes, headrace.Config{
			Backplane: plane,
			Rules:     []broker.Rule{{Prefix: "/topic", Everywhere: true}},
		})
	}
	return b, nil
}

// byRabbitMQ is one node that leaves all but the endpoints to RabbitMQ.
func byRabbitMQ(addr string) (*backing, error) {
	if err := rabbitmq.Check(context.Background(), addr); err != nil {
		return nil, err
	}
	config := headrace.Config{Relays: []headrace.Relay{{
		Prefixes: []string{"/topic", "/queue", "/user"},
		New: func(outbound message.RawHandler, events message.Handler[broker.Event]) broker.Broker {
			return relay.New(outbound, relay.Config{Address: addr, Events: events})
		},
	}}}
	return &backing{nodes: []headrace.Config{config}, close: func() {}}, nil
}
