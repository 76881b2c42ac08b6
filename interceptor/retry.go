package interceptor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/headrace/headrace/message"
)

// RetryConfig describes a [Retry].
type RetryConfig[T any] struct {
	// Attempts is how often a message is handled at most. Zero means 3.
	Attempts int
	// Backoff is how long to wait before the second attempt; each wait after it is
	// twice as long. Zero means 100 ms.
	Backoff time.Duration
	// MaxBackoff bounds a wait. Zero means 10 s.
	MaxBackoff time.Duration
	// Retryable says whether another attempt may help. Zero (nil) means that it may
	// after every error but a decision: [message.ErrDropped], and authored errors of
	// CodeInvalid, CodeUnauthenticated, CodeDenied, CodeNotFound, CodeConflict and
	// CodeTooLarge.
	Retryable func(error) bool
	// Poison takes a message whose last attempt failed too, with that error: it
	// stores it, or sends it to a destination where somebody looks at it. What it
	// returns is the outcome. Zero (nil) means that the error is.
	Poison func(ctx context.Context, m message.Message[T], err error) error
}

func (c RetryConfig[T]) withDefaults() RetryConfig[T] {
	c.Attempts = cmp.Or(c.Attempts, 3)
	c.Backoff = cmp.Or(c.Backoff, 100*time.Millisecond)
	c.MaxBackoff = cmp.Or(c.MaxBackoff, 10*time.Second)
	if c.Retryable == nil {
		c.Retryable = mayPass
	}
	if c.Attempts < 1 || c.Backoff < 0 || c.MaxBackoff < 0 {
		panic(fmt.Sprintf("interceptor: Retry with %d attempts, %v and %v", c.Attempts, c.Backoff, c.MaxBackoff))
	}
	return c
}

// Retry hands a message to the handler behind it again when it fails. Of each wait
// half is drawn at random, so that what failed together does not come back together.
//
// It waits on the goroutine that handles the message: what comes behind it in order
// waits too, which is what keeps the order, and a worker is taken; a channel's executor
// starts others for the rest. The end of ctx ends a wait, and the outcome is then the
// error of the attempt before; a message given up for that is no poison. Mount it
// around the handler that may fail: in front of a queue it sees only that the queue was
// full. A handler that is tried again must bear it that it began before. Mount
// [Recover] and [Timeout] behind Retry to have them for each attempt. Retry panics when
// a number is negative.
func Retry[T any](config RetryConfig[T]) message.Interceptor[T] {
	config = config.withDefaults()
	return func(next message.Handler[T]) message.Handler[T] {
		return message.HandlerFunc[T](func(ctx context.Context, m message.Message[T]) error {
			wait := config.Backoff
			for attempt := 1; ; attempt++ {
				err := next.Handle(ctx, m)
				switch {
				case err == nil || ctx.Err() != nil || !config.Retryable(err):
					return err
				case attempt < config.Attempts:
				case config.Poison != nil:
					return config.Poison(ctx, m, err)
				default:
					return err
				}
				wait = min(wait, config.MaxBackoff)
				if !sleep(ctx, wait-rand.N(wait/2+1)) {
					return err
				}
				wait *= 2
			}
		})
	}
}

// sleep reports whether d passed before ctx ended.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// mayPass reports whether err may be another the next time.
func mayPass(err error) bool {
	if errors.Is(err, message.ErrDropped) {
		return false
	}
	if !refused(err) {
		return true
	}
	authored, _ := errors.AsType[*message.Error](err)
	switch authored.Code {
	case message.CodeFull, message.CodeTimeout, message.CodeUnavailable:
		return true
	}
	return false
}
