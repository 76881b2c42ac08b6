package relay

import (
	"strings"

	"github.com/headrace/headrace/message"
)

// allowed refuses what reaches further at the broker than the destination says, by which
// policies decide: headers by which queues are made, named and led on, and spellings that
// hide a wildcard or another destination.
func (c *Config) allowed(m message.Raw) error {
	if c.Dialect.hides(m) {
		return errSpelling
	}
	if c.QueueHeaders {
		return nil
	}
	for name := range m.Header.All() {
		if c.Dialect.makesQueues(name) {
			return message.Errorf(message.CodeDenied, "clients do not say %.40q to the message broker", name)
		}
	}
	return nil
}

// hides reports whether a destination is not what it looks like: RabbitMQ decodes
// percents, ActiveMQ has several with commas between them, cuts off what is behind "?", and
// trims the name and the whole.
func (d Dialect) hides(m message.Raw) bool {
	if d == ActiveMQ {
		return strings.ContainsAny(m.Destination, ",?") || hasMargins(m.Destination)
	}
	return m.Kind == message.KindSubscribe &&
		(strings.Contains(m.Destination, "%23") || strings.Contains(strings.ToLower(m.Destination), "%2a"))
}

// hasMargins reports whether a part of a destination begins or ends with what Java trims.
func hasMargins(destination string) bool {
	for part := range strings.SplitSeq(destination, "/") {
		if part != "" && (part[0] <= ' ' || part[len(part)-1] <= ' ') {
			return true
		}
	}
	return false
}

// makesQueues reports whether a header is about the queue, or about who gets its messages.
func (d Dialect) makesQueues(name string) bool {
	if d == ActiveMQ {
		return strings.HasPrefix(name, "activemq.") && name != d.prefetch(0).Name || name == "durable-subscription-name"
	}
	switch name {
	case "durable", "auto-delete", "exclusive", "x-expires", "x-message-ttl", "x-overflow", "x-single-active-consumer", "x-priority":
		return true
	}
	for _, prefix := range []string{"x-queue-", "x-dead-letter-", "x-max-", "x-stream-"} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}
