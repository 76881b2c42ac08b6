package interceptor_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/headrace/headrace/interceptor"
	"github.com/headrace/headrace/message"
)

// untilDone is a handler that gives up with its context.
func untilDone(ctx context.Context, _ orderMessage) error {
	<-ctx.Done()
	return fmt.Errorf("gave up: %w", ctx.Err())
}

func TestTimeoutBecomesAnAuthoredError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		err := interceptor.Timeout[order](time.Second)(orderFunc(untilDone)).Handle(t.Context(), orderMessage{})
		if d := time.Since(start); d != time.Second {
			t.Errorf("took %v", d)
		}
		want := message.Error{Code: message.CodeTimeout, Message: "not handled within 1s"}
		if got := message.Public(err); *got != want {
			t.Errorf("a client is told %v", got)
		}
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v does not wrap its cause", err)
		}
	})
}

func TestTimeoutLeavesOtherOutcomesAlone(t *testing.T) {
	cause := errors.New("broken")
	for _, want := range []error{nil, cause, message.ErrDropped} {
		t.Run(fmt.Sprint(want), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := interceptor.Timeout[order](time.Second)(orderFunc(func(ctx context.Context, _ orderMessage) error {
					<-ctx.Done() // late, but done
					return want
				}))
				if err := h.Handle(t.Context(), orderMessage{}); err != want {
					t.Errorf("outcome %v", err)
				}
			})
		})
	}
}

func TestTimeoutLeavesTheCallersDeadlineAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		err := interceptor.Timeout[order](time.Minute)(orderFunc(untilDone)).Handle(ctx, orderMessage{})
		if !errors.Is(err, context.DeadlineExceeded) || message.Public(err).Code == message.CodeTimeout {
			t.Errorf("the caller's deadline became %v", err)
		}
	})
}

// An interceptor outside that tries again must find a context that still runs.
func TestTimeoutNeverLeaksToRetries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var tries int
		h := message.Chain(orderFunc(func(ctx context.Context, m orderMessage) error {
			if tries++; tries < 3 {
				return untilDone(ctx, m)
			}
			return ctx.Err()
		}), interceptor.Around(func(ctx context.Context, m orderMessage, next message.Handler[order]) error {
			for next.Handle(ctx, m) != nil {
				if ctx.Err() != nil {
					return ctx.Err()
				}
			}
			return nil
		}), interceptor.Timeout[order](time.Second))
		if err := h.Handle(t.Context(), orderMessage{}); err != nil || tries != 3 {
			t.Errorf("%v after %d tries", err, tries)
		}
	})
}

func TestTimeoutNeedsAPositiveDuration(t *testing.T) {
	mustPanic(t, func() { interceptor.Timeout[order](0) })
}
