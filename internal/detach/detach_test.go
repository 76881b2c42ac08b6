package detach_test

import (
	"context"
	"errors"
	"runtime"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/headrace/headrace/internal/detach"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type key struct{}

func TestContextHasTheValuesOfOneAndTheEndOfTheOther(t *testing.T) {
	values, leave := context.WithCancelCause(context.WithValue(t.Context(), key{}, "mine"))
	values, cancel := context.WithTimeout(values, time.Hour)
	defer cancel()
	life, end := context.WithCancelCause(context.Background())
	ctx := detach.Context(values, life)

	leave(errors.New("the sender left"))
	if ctx.Err() != nil || context.Cause(ctx) != nil {
		t.Errorf("the sender's end came through: %v, cause %v", ctx.Err(), context.Cause(ctx))
	}
	if _, ok := ctx.Deadline(); ok {
		t.Error("the sender's deadline came through")
	}
	derived, cancelDerived := context.WithCancel(ctx)
	defer cancelDerived()
	if derived.Err() != nil || derived.Value(key{}) != "mine" {
		t.Errorf("derived: %v, value %v", derived.Err(), derived.Value(key{}))
	}

	why := errors.New("closed")
	end(why)
	<-ctx.Done()
	if context.Cause(ctx) != why || context.Cause(derived) != why {
		t.Errorf("causes %v and %v, want %v", context.Cause(ctx), context.Cause(derived), why)
	}
}

func TestContextDerivedIsFree(t *testing.T) {
	values, leave := context.WithCancel(t.Context())
	defer leave()
	life, end := context.WithCancel(context.Background())
	defer end()
	ctx := detach.Context(values, life)
	before := runtime.NumGoroutine()
	for range 100 {
		_, cancel := context.WithTimeout(ctx, time.Hour)
		defer cancel()
	}
	if more := runtime.NumGoroutine() - before; more > 0 {
		t.Errorf("%d goroutines for 100 derived contexts", more)
	}
}
