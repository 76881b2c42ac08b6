// Package redis joins nodes by Redis: [Streams] by a stream of Redis for each topic.
package redis

import (
	"log/slog"
	"time"

	goredis "github.com/redis/go-redis/v9"
)

// Config says how a backplane reaches Redis.
type Config struct {
	// Redis says where the servers are, one or those of a cluster, and all else about the
	// client. Zero means 127.0.0.1:6379. Retries and the size of pools are ours.
	Redis goredis.UniversalOptions
	// Prefix begins all keys. All nodes of an application have the same, and no other
	// does. Zero (empty) means "headrace".
	Prefix string
	// MaxLen is about how many messages a topic keeps: the oldest go, also what a queue
	// has not delivered. Zero means 10,000.
	MaxLen int64
	// MaxAge is after which time without a message Redis forgets a topic, with what a
	// queue has not delivered. Zero means 24 hours.
	MaxAge time.Duration
	// InFlight is how many messages of a group a subscription has at once. Zero means
	// 256.
	InFlight int
	// AckWait is after which time a message of a group goes to another node when the one
	// that has it is not heard of. Zero means 30 seconds.
	AckWait time.Duration
	// Logger is told of connections that are lost and of what was lost with a server.
	// Zero (nil) means slog.Default() at the time.
	Logger *slog.Logger
}

func (c Config) withDefaults() Config {
	if c.Prefix == "" {
		c.Prefix = "headrace"
	}
	if c.MaxLen == 0 {
		c.MaxLen = 10_000
	}
	if c.MaxAge == 0 {
		c.MaxAge = 24 * time.Hour
	}
	if c.InFlight == 0 {
		c.InFlight = 256
	}
	if c.AckWait == 0 {
		c.AckWait = 30 * time.Second
	}
	c.Redis.MaxRetries = -1 // what may have been done is not done again
	c.Redis.ContextTimeoutEnabled = true
	return c
}

func (c Config) logger() *slog.Logger {
	if c.Logger != nil {
		return c.Logger
	}
	return slog.Default()
}
