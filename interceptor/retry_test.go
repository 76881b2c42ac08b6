package interceptor_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/headrace/headrace/channel"
	"github.com/headrace/headrace/interceptor"
	"github.com/headrace/headrace/message"
)

// failing fails with its errors one after the other, and notes when it was called.
type failing struct {
	errs []error
	at   []time.Time
}

func (f *failing) Handle(context.Context, orderMessage) error {
	f.at = append(f.at, time.Now())
	return f.errs[min(len(f.at), len(f.errs))-1]
}

func TestRetryBacksOff(t *testing.T) {
	seen := map[time.Duration]bool{}
	for range 20 {
		synctest.Test(t, func(t *testing.T) {
			h := &failing{errs: []error{io.EOF, io.EOF, io.EOF, io.EOF, nil}}
			retry := interceptor.Retry(interceptor.RetryConfig[order]{Attempts: 9, Backoff: time.Second, MaxBackoff: 3 * time.Second})
			if err := retry(h).Handle(t.Context(), orderMessage{}); err != nil || len(h.at) != 5 {
				t.Fatalf("%v after %d attempts", err, len(h.at))
			}
			for i, most := range []time.Duration{time.Second, 2 * time.Second, 3 * time.Second, 3 * time.Second} {
				wait := h.at[i+1].Sub(h.at[i])
				if wait < most/2 || wait > most {
					t.Errorf("wait %d took %v, want half of %v to all of it", i, wait, most)
				}
				if i == 0 {
					seen[wait] = true
				}
			}
		})
	}
	if len(seen) < 10 {
		t.Errorf("20 first waits had %d lengths", len(seen))
	}
}

func TestRetryDefaults(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &failing{errs: []error{io.EOF}}
		err := interceptor.Retry(interceptor.RetryConfig[order]{})(h).Handle(t.Context(), orderMessage{})
		if err != io.EOF || len(h.at) != 3 {
			t.Errorf("%v after %d attempts", err, len(h.at))
		}
		if first := h.at[1].Sub(h.at[0]); first < 50*time.Millisecond || first > 100*time.Millisecond {
			t.Errorf("first wait %v", first)
		}
	})
}

func TestRetryWhichErrors(t *testing.T) {
	authored := func(code message.Code) error { return fmt.Errorf("stage: %w", message.Errorf(code, "no")) }
	tests := map[string]struct {
		err   error
		again bool
	}{
		"foreign":         {io.EOF, true},
		"panic":           {message.NewPanicError("boom"), true},
		"authored panic":  {message.NewPanicError(message.Errorf(message.CodeDenied, "no")), true},
		"a deadline":      {context.DeadlineExceeded, true}, // of the handler's own
		"dropped":         {message.ErrDropped, false},
		"dropped by text": {authored(message.CodeDropped), false},
	}
	for _, code := range []message.Code{message.CodeFull, message.CodeTimeout, message.CodeUnavailable, message.CodeInternal} {
		tests[string(code)] = struct {
			err   error
			again bool
		}{authored(code), true}
	}
	for _, code := range []message.Code{message.CodeInvalid, message.CodeUnauthenticated, message.CodeDenied, message.CodeNotFound, message.CodeConflict, message.CodeTooLarge} {
		tests[string(code)] = struct {
			err   error
			again bool
		}{authored(code), false}
	}
	for name, tt := range tests {
		synctest.Test(t, func(t *testing.T) {
			h := &failing{errs: []error{tt.err}}
			poisoned := false
			err := interceptor.Retry(interceptor.RetryConfig[order]{Attempts: 2, Poison: func(_ context.Context, _ orderMessage, err error) error {
				poisoned = true
				return err
			}})(h).Handle(t.Context(), orderMessage{})
			if err != tt.err || len(h.at) != map[bool]int{false: 1, true: 2}[tt.again] || poisoned != tt.again {
				t.Errorf("%s: %v after %d attempts, poison %v", name, err, len(h.at), poisoned)
			}
		})
	}
	h := &failing{errs: []error{io.EOF}}
	_ = interceptor.Retry(interceptor.RetryConfig[order]{Retryable: func(error) bool { return false }})(h).Handle(t.Context(), orderMessage{})
	if len(h.at) != 1 {
		t.Errorf("%d attempts of what must not be tried again", len(h.at))
	}
}

func TestRetryPoison(t *testing.T) {
	later := errors.New("the store is full")
	for _, outcome := range []error{nil, later} {
		synctest.Test(t, func(t *testing.T) {
			var took []string
			h := interceptor.Retry(interceptor.RetryConfig[order]{Poison: func(_ context.Context, m orderMessage, err error) error {
				took = append(took, fmt.Sprint(m.Payload.symbol, " ", err))
				return outcome
			}})(&failing{errs: []error{io.ErrNoProgress, io.ErrNoProgress, io.EOF}})
			if err := h.Handle(t.Context(), orderMessage{Payload: order{"ACME"}}); err != outcome {
				t.Errorf("outcome %v, want %v", err, outcome)
			}
			if len(took) != 1 || took[0] != "ACME EOF" {
				t.Errorf("poison %v", took)
			}
		})
	}
}

func TestRetryEndsWithItsContext(t *testing.T) {
	poison := func(context.Context, orderMessage, error) error {
		t.Error("given up is no poison")
		return nil
	}
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		h := &failing{errs: []error{io.EOF}}
		err := interceptor.Retry(interceptor.RetryConfig[order]{Backoff: time.Hour, MaxBackoff: time.Hour, Poison: poison})(h).Handle(ctx, orderMessage{})
		if err != io.EOF || len(h.at) != 1 || time.Since(start) != time.Second {
			t.Errorf("%v after %d attempts and %v", err, len(h.at), time.Since(start))
		}
		h = &failing{errs: []error{io.EOF}}
		if err := interceptor.Retry(interceptor.RetryConfig[order]{Attempts: 1, Poison: poison})(h).Handle(ctx, orderMessage{}); err != io.EOF {
			t.Errorf("with a context that has ended: %v", err)
		}
	})
}

// The waits are on the worker: what comes behind a message of the same key stays
// behind it, and other keys go on.
func TestRetryKeepsTheOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var handled []string
		orders := channel.NewExecutorChannel(channel.Config[order]{Workers: 1, Key: func(m orderMessage) string { return m.Payload.symbol[:1] }})
		failed := false
		orders.Subscribe(orderFunc(func(_ context.Context, m orderMessage) error {
			if m.Payload.symbol == "a1" && !failed {
				failed = true
				return io.EOF
			}
			handled = append(handled, m.Payload.symbol)
			return nil
		}), interceptor.Retry(interceptor.RetryConfig[order]{Backoff: time.Minute, MaxBackoff: time.Minute}))
		for _, symbol := range []string{"a1", "a2", "b1"} {
			if err := orders.Handle(t.Context(), orderMessage{Payload: order{symbol}}); err != nil {
				t.Fatal(err)
			}
		}
		if err := orders.Shutdown(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprint(handled); got != "[b1 a1 a2]" {
			t.Errorf("handled %s", got)
		}
	})
}

func TestRetryNeedsSensibleNumbers(t *testing.T) {
	for _, c := range []interceptor.RetryConfig[order]{{Attempts: -1}, {Backoff: -1}, {MaxBackoff: -1}} {
		mustPanic(t, func() { interceptor.Retry(c) })
	}
}
