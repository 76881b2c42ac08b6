package handler_test

import (
	"context"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/headrace/headrace/channel"
	"github.com/headrace/headrace/handler"
	"github.com/headrace/headrace/message"
)

// exitOn returns a handler that ends its goroutine on one payload, as t.FailNow
// does, and passes the others on to next.
func exitOn[T any](bad T, next message.Handler[T]) message.Handler[T] {
	return message.HandlerFunc[T](func(ctx context.Context, m message.Message[T]) error {
		if reflect.DeepEqual(m.Payload, bad) {
			runtime.Goexit()
		}
		return next.Handle(ctx, m)
	})
}

func wantExited(t *testing.T, o *stageOutcome) {
	t.Helper()
	if times, err := o.get(); times != 1 || err == nil || !strings.Contains(err.Error(), "Goexit") {
		t.Errorf("completed %d times with %v, want once with the error of an ended goroutine", times, err)
	}
}

// TestDelayGoexit: a handler that ends the goroutine of the stage costs its own
// message and no other, whether the timer or Shutdown made it due.
func TestDelayGoexit(t *testing.T) {
	for name, due := range map[string]func(*handler.Delayer[int]){
		"timer":    func(*handler.Delayer[int]) { time.Sleep(time.Second); synctest.Wait() },
		"shutdown": func(stage *handler.Delayer[int]) { stage.Shutdown(context.Background()) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				next := new(stageSink[int])
				stage := handler.Delay(handler.DelayConfig{}, exitOn(1, next))
				outcomes := sendAll(t, stage, 0, 1, 2)
				due(stage)
				wantExited(t, outcomes[1])
				if err := stage.Shutdown(t.Context()); err != nil {
					t.Error(err)
				}
				outcomes[0].want(t, nil)
				outcomes[2].want(t, nil)
				if got := next.payloads(); !reflect.DeepEqual(got, []int{0, 2}) {
					t.Errorf("passed on %v", got)
				}
			})
		})
	}
}

// TestAggregateGoexit: likewise, when the timer or Shutdown ends a group.
func TestAggregateGoexit(t *testing.T) {
	for name, due := range map[string]func(*handler.Aggregator[int, string]){
		"timer":    func(*handler.Aggregator[int, string]) { time.Sleep(10 * time.Second); synctest.Wait() },
		"shutdown": func(stage *handler.Aggregator[int, string]) { stage.Shutdown(context.Background()) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				next := new(stageSink[string])
				stage := handler.Aggregate(byTens, join, exitOn("[11 12]", next))
				outcomes := sendAll(t, stage, 1, 11, 12, 21)
				due(stage)
				wantExited(t, outcomes[1])
				wantExited(t, outcomes[2])
				if name == "timer" { // which is armed again
					sendAll(t, stage, 31)
					time.Sleep(10 * time.Second)
					synctest.Wait()
					wantGroups(t, next, "[1]", "[21]", "[31]")
				} else {
					wantGroups(t, next, "[1]", "[21]")
				}
				if err := stage.Shutdown(t.Context()); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// TestAggregateGoexitOfTheSender: the sender's goroutine ends, the stage goes on.
func TestAggregateGoexitOfTheSender(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		next := new(stageSink[string])
		stage := handler.Aggregate(byTens, join, exitOn("[11 19]", next))
		outcomes := sendAll(t, stage, 11)
		last, lastOutcome := stageMessage(19)
		go stage.Handle(t.Context(), last)
		synctest.Wait()
		wantExited(t, outcomes[0])
		wantExited(t, lastOutcome)
		sendAll(t, stage, 21, 29)
		wantGroups(t, next, "[21 29]")
		if err := stage.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// TestSplitGoexit: the part that ends the goroutine is a part that failed.
func TestSplitGoexit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		parts := func(_ context.Context, n int) ([]int, error) { return []int{0, 1, 2}[:n], nil }
		m, outcome := stageMessage(3)
		go handler.Split(parts, exitOn(1, message.Handler[int](new(stageSink[int])))).Handle(t.Context(), m)
		synctest.Wait()
		wantExited(t, outcome)
	})
}

// TestBridgeGoexit: the caller's goroutine ends; the message does not end in
// silence.
func TestBridgeGoexit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		from := channel.NewQueueChannel[int](channel.QueueConfig{})
		defer from.Close()
		outcomes := sendAll(t, from, 1)
		go handler.Bridge(t.Context(), from, exitOn(1, message.Handler[int](new(stageSink[int]))))
		synctest.Wait()
		wantExited(t, outcomes[0])
	})
}
