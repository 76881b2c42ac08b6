package handler

import (
	"context"
	"log/slog"
	"time"

	"github.com/headrace/headrace/message"
)

// BatchConfig describes a batching stage.
type BatchConfig struct {
	// Size is how many messages make a batch. Zero means 100.
	Size int
	// Wait is how long the first message of a batch waits for the others. Zero
	// means a second.
	Wait time.Duration
	// Logger is told of errors that nobody waits for. Zero (nil) means
	// slog.Default() at the time of the error.
	Logger *slog.Logger
}

// Batch passes the payloads of Size messages on as one, in their order, and
// fewer when Wait is over. It is an [Aggregate] that makes one group after the
// other of all messages; see there for what becomes of header, session and
// Done. Shutdown or Close ends it.
func Batch[T any](c BatchConfig, next message.Handler[[]T]) *Aggregator[T, []T] {
	mustWire(next != nil, "Batch needs a next handler")
	mustWire(c.Size >= 0 && c.Wait >= 0, "BatchConfig has a negative field")
	if c.Size == 0 {
		c.Size = 100
	}
	if c.Wait == 0 {
		c.Wait = time.Second
	}
	return newAggregator("batch", AggregateConfig[T]{
		Timeout:      c.Wait,
		MaxGroupSize: c.Size,
		Logger:       c.Logger,
	}, payloads[T], next)
}

func payloads[T any](_ context.Context, batch []message.Message[T]) ([]T, error) {
	all := make([]T, len(batch))
	for i := range batch {
		all[i] = batch[i].Payload
	}
	return all, nil
}
