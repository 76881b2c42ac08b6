package channel

import (
	"fmt"
	"log/slog"
	"runtime"

	"github.com/headrace/headrace/message"
)

// Config describes an [Executor] or an [ExecutorChannel].
type Config[T any] struct {
	// Name is the channel's name in logs and statistics. Zero means "channel".
	Name string
	// Workers is how many handlers run at once while none of them blocks. Zero
	// means 2 x GOMAXPROCS.
	Workers int
	// MaxWorkers bounds the workers that are started when handlers block. Zero
	// means 1,024; less than Workers means Workers.
	MaxWorkers int
	// Mailbox is how many messages of one key may wait, besides those that a
	// worker has taken in one go: a quarter of Mailbox at most, and 64. Zero means
	// 256. With Unordered there are no mailboxes and only Capacity counts.
	Mailbox int
	// Capacity is how many messages of all keys may be under way, those being
	// handled included. Zero means 65,536.
	Capacity int
	// Overflow says what happens when Mailbox or Capacity is reached. Zero means
	// Block.
	Overflow Overflow
	// Key says whose messages are handled one at a time and in order. Zero (nil)
	// means SessionKey.
	Key func(message.Message[T]) string
	// Unordered gives up the order: any message may be handled beside any other.
	// Zero means ordered by Key.
	Unordered bool
	// Logger is told of errors that nobody waits for. Zero (nil) means
	// slog.Default() at the time of the error.
	Logger *slog.Logger
}

// SessionKey is the default key: messages of one session are ordered among
// themselves, and so are messages without a session that go to one destination.
func SessionKey[T any](m message.Message[T]) string {
	if m.Session != nil {
		return m.Session.ID()
	}
	return m.Destination
}

func (c Config[T]) withDefaults() Config[T] {
	if min(c.Workers, c.MaxWorkers, c.Mailbox, c.Capacity) < 0 {
		panic(fmt.Sprintf("channel: the Config of %q has a negative number", c.Name))
	}
	if c.Name == "" {
		c.Name = "channel"
	}
	if c.Workers == 0 {
		c.Workers = 2 * runtime.GOMAXPROCS(0)
	}
	if c.MaxWorkers == 0 {
		c.MaxWorkers = 1024
	}
	c.MaxWorkers = max(c.MaxWorkers, c.Workers)
	if c.Capacity == 0 {
		c.Capacity = 65_536
	}
	if c.Mailbox == 0 {
		c.Mailbox = 256
	}
	return c
}

func (c Config[T]) logger() *slog.Logger {
	if c.Logger != nil {
		return c.Logger
	}
	return slog.Default()
}
