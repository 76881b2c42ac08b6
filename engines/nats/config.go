// Package nats joins nodes by NATS: [Core] by its core alone, at most once;
// [JetStream] by a stream that it keeps, at least once.
package nats

import (
	"log/slog"
	"time"

	natsgo "github.com/nats-io/nats.go"
)

// Config says how a backplane reaches NATS.
type Config struct {
	// URL has the servers, separated by commas. Zero (empty) means
	// nats://127.0.0.1:4222.
	URL string
	// Options are more of the client's: names, credentials, TLS. Those that say how it
	// connects again, and what it tells of that, are ours. Zero (nil) means none.
	Options []natsgo.Option
	// Prefix begins all subjects, and the names of groups. All nodes of an application
	// have the same, and no other does; it is a token, or several with dots. Zero
	// (empty) means "headrace".
	Prefix string
	// InFlight is how many messages of a group a subscription has at once. Zero means
	// 256.
	InFlight int
	// Logger is told of connections that are lost, and of subscriptions that are made
	// again. Zero (nil) means slog.Default() at the time.
	Logger *slog.Logger

	// What follows is for JetStream alone.

	// Stream is the name of the stream, which is made where there is none; one that is
	// there stays as it is. Zero (empty) means Prefix, with "_" for what stream names
	// cannot have.
	Stream string
	// MaxAge is how long messages are kept; what a queue has not delivered by then is
	// gone. Zero means 24 hours.
	MaxAge time.Duration
	// MaxBytes is how large the stream may get: what is oldest goes then. Zero means 1
	// GiB.
	MaxBytes int64
	// Replicas is how many servers of a cluster have the stream. Zero means 1.
	Replicas int
	// AckWait is after which time a message of a group goes to another node when the
	// one that has it is not heard of. Zero means 30 seconds.
	AckWait time.Duration
}

func (c Config) withDefaults() Config {
	if c.URL == "" {
		c.URL = natsgo.DefaultURL
	}
	if c.Prefix == "" {
		c.Prefix = "headrace"
	}
	if c.InFlight == 0 {
		c.InFlight = 256
	}
	if c.Stream == "" {
		c.Stream = streamName(c.Prefix)
	}
	if c.MaxAge == 0 {
		c.MaxAge = 24 * time.Hour
	}
	if c.MaxBytes == 0 {
		c.MaxBytes = 1 << 30
	}
	if c.Replicas == 0 {
		c.Replicas = 1
	}
	if c.AckWait == 0 {
		c.AckWait = 30 * time.Second
	}
	return c
}

func (c Config) logger() *slog.Logger {
	if c.Logger != nil {
		return c.Logger
	}
	return slog.Default()
}
