// Package kafka joins nodes by Kafka.
package kafka

import (
	"log/slog"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Config says how a backplane reaches Kafka.
type Config struct {
	// Brokers are the addresses of some servers of the cluster. Zero (nil) means
	// 127.0.0.1:9092.
	Brokers []string
	// Options are more of the client's: TLS, credentials. Zero (nil) means none.
	Options []kgo.Opt
	// Prefix begins the names of Kafka's topics and groups. All nodes of an application
	// have the same, and no other does; it has letters, digits, ".", "_" and "-". Zero
	// (empty) means "headrace".
	Prefix string
	// Topic names, after Prefix, the topic of Kafka that has the messages of a
	// destination: many destinations share one, in which their name is the key. It is
	// given what is published and subscribed to, among it what nodes tell each other. Zero
	// (nil) means the destination's first segment: /topic/a and /topic/b.c share one.
	Topic func(destination string) string
	// Partitions is how many a topic of Kafka has when it is made. The number must not be
	// changed while nodes run. Zero means 12.
	Partitions int32
	// Replicas is how many servers have a topic that is made. Zero means what the
	// cluster says.
	Replicas int16
	// InFlight is how many messages of a group a subscription has at once. Zero means
	// 256.
	InFlight int
	// Logger is told of servers that are away. Zero (nil) means slog.Default() at the
	// time.
	Logger *slog.Logger
}

func (c Config) withDefaults() Config {
	if c.Brokers == nil {
		c.Brokers = []string{"127.0.0.1:9092"}
	}
	if c.Prefix == "" {
		c.Prefix = "headrace"
	}
	if c.Topic == nil {
		c.Topic = firstSegment
	}
	if c.Partitions == 0 {
		c.Partitions = 12
	}
	if c.Replicas == 0 {
		c.Replicas = -1
	}
	if c.InFlight == 0 {
		c.InFlight = 256
	}
	return c
}

func (c Config) logger() *slog.Logger {
	if c.Logger != nil {
		return c.Logger
	}
	return slog.Default()
}

// options are those of every client.
func (c Config) options(more ...kgo.Opt) []kgo.Opt {
	own := []kgo.Opt{kgo.SeedBrokers(c.Brokers...), kgo.ClientID("headrace"), kgo.DisableClientMetrics()}
	return append(append(own, c.Options...), more...)
}
