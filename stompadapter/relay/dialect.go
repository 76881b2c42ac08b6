package relay

import (
	"strconv"
	"strings"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/stompadapter/frame"
)

// Dialect is what a broker makes of what STOMP leaves open.
type Dialect uint8

// The brokers that the relay knows.
const (
	// RabbitMQ is RabbitMQ with its STOMP plugin. Topics have "." between their words
	// and the wildcards "*" and "#".
	RabbitMQ Dialect = iota
	// ActiveMQ is ActiveMQ Classic. Topics have "." between their words and the
	// wildcards "*" and ">". It has no refusals that bring a message back, so the
	// relay keeps what is unsettled and delivers it again itself, up to 10 times; then
	// it is the broker's dead letter. User destinations are not served; those of
	// [broker.Users] are.
	ActiveMQ
)

// name is that of Stats.
func (d Dialect) name() string {
	if d == ActiveMQ {
		return "activemq"
	}
	return "rabbitmq"
}

// features says what a broker can do through the relay.
func (d Dialect) features() broker.Features {
	return broker.Features{
		Patterns: true, Ordered: true, Queues: true, Backlog: true, Acks: true, Durable: true, Nodes: true,
		Selectors: d == ActiveMQ,
	}
}

// prefetch is the header that says how many deliveries may be unsettled: what h asks for,
// and most at most.
func (c *Config) prefetch(h message.Header) message.Field {
	field := c.Dialect.prefetch(c.Prefetch)
	if n, err := strconv.Atoi(h.Get(field.Name)); err == nil && 0 < n && n < c.Prefetch {
		return c.Dialect.prefetch(n)
	}
	return field
}

func (d Dialect) prefetch(n int) message.Field {
	name := "prefetch-count"
	if d == ActiveMQ {
		name = "activemq.prefetchSize"
	}
	return message.Field{Name: name, Value: strconv.Itoa(n)}
}

// harmless reports whether an ERROR frame ends nothing. RabbitMQ sends one, and goes on, for
// a message that was on its way to a subscription when that ended.
func (d Dialect) harmless(f frame.Frame) bool {
	return d == RabbitMQ && f.Header.Get(frame.HeaderMessage) == "Subscription not found"
}

// forced reports whether an ERROR frame is about no frame of ours: an operator, or the end of
// RabbitMQ, closes connections, with the code 320 of AMQP, whichever part of it learns that first.
func (d Dialect) forced(f frame.Frame) bool {
	switch f.Header.Get(frame.HeaderMessage) {
	case "connection_forced":
		return d == RabbitMQ
	case "AMQP channel died", "AMQP connection died":
		body := strings.Join(strings.Fields(string(f.Body)), "")
		return d == RabbitMQ && strings.Contains(body, "{server_initiated_close,320,")
	}
	return false
}

// ownQueue are the headers by which RabbitMQ makes a queue that ends with its
// connection.
var ownQueue = []message.Field{
	{Name: "exclusive", Value: "true"},
	{Name: "auto-delete", Value: "true"},
	{Name: "durable", Value: "false"},
}
