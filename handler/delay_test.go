package handler_test

import (
	"context"
	"errors"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/headrace/headrace/handler"
	"github.com/headrace/headrace/message"
)

// arrival is what came out of a stage, and when.
type arrival struct {
	Payload int
	After   time.Duration
}

// TestDelayOrderAndTime: whatever the gaps between messages and however long
// they are worked on, each goes on in order, never early, and late only because
// of those before it.
func TestDelayOrderAndTime(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		gaps := rapid.SliceOfN(rapid.IntRange(0, 30), 1, 40).Draw(rt, "gaps")
		works := rapid.SliceOfN(rapid.IntRange(0, 15), len(gaps), len(gaps)).Draw(rt, "works")
		var got, want []arrival
		synctest.Test(t, func(t *testing.T) {
			start := time.Now()
			stage := handler.Delay(handler.DelayConfig{Wait: 10 * time.Second}, message.HandlerFunc[int](func(_ context.Context, m message.Message[int]) error {
				got = append(got, arrival{m.Payload, time.Since(start)})
				time.Sleep(time.Duration(works[m.Payload]) * time.Second)
				return nil
			}))
			var free time.Duration
			for i, gap := range gaps {
				time.Sleep(time.Duration(gap) * time.Second)
				free = max(free, time.Since(start)+10*time.Second)
				want = append(want, arrival{i, free})
				free += time.Duration(works[i]) * time.Second
				if err := stage.Handle(t.Context(), message.Message[int]{Payload: i}); err != nil {
					t.Error(err)
				}
			}
			time.Sleep(time.Hour)
			if err := stage.Shutdown(t.Context()); err != nil {
				t.Error(err)
			}
		})
		if !reflect.DeepEqual(got, want) {
			rt.Fatalf("got  %v\nwant %v", got, want)
		}
	})
}

func TestDelayDefaults(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		next := new(stageSink[int])
		stage := handler.Delay(handler.DelayConfig{}, next)
		defer stage.Close()
		for i := range 1025 {
			err := stage.Handle(t.Context(), message.Message[int]{Payload: i})
			if i < 1024 && err != nil {
				t.Fatal(err)
			} else if i == 1024 {
				stageCode(t, err, message.CodeFull)
			}
		}
		time.Sleep(time.Second - 1)
		if n := len(next.payloads()); n != 0 {
			t.Errorf("%d came early", n)
		}
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		if n := len(next.payloads()); n != 1024 {
			t.Errorf("%d came, want 1024", n)
		}
	})
}

func TestDelayFullLosesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		next := new(stageSink[int])
		stage := handler.Delay(handler.DelayConfig{Capacity: 2}, next)
		defer stage.Close()
		var outcomes []*stageOutcome
		for i := range 3 {
			m, o := stageMessage(i)
			outcomes = append(outcomes, o)
			if err := stageSend(t.Context(), stage, m); i < 2 && err != nil {
				t.Error(err)
			}
		}
		if _, err := outcomes[2].get(); err == nil {
			t.Error("third message was not refused")
		}
		time.Sleep(time.Second)
		synctest.Wait()
		outcomes[0].want(t, nil)
		outcomes[1].want(t, nil)
		if times, err := outcomes[2].get(); times != 1 {
			t.Errorf("refused message completed %d times, %v", times, err)
		} else {
			stageCode(t, err, message.CodeFull)
		}
		if err := stage.Handle(t.Context(), message.Message[int]{Payload: 3}); err != nil {
			t.Errorf("no room afterwards: %v", err)
		}
	})
}

func TestDelayDone(t *testing.T) {
	for _, tt := range stageEnds {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var later *message.Completion
				stage := handler.Delay(handler.DelayConfig{}, tt.handler(&later))
				defer stage.Close()
				m, done := stageMessage(1)
				if err := stageSend(t.Context(), stage, m); err != nil {
					t.Fatal(err)
				}
				done.wantOpen(t)
				time.Sleep(time.Second)
				synctest.Wait()
				if later != nil {
					done.wantOpen(t)
					later.Release(tt.want)
				}
				done.want(t, tt.want)
			})
		})
	}
}

func TestDelayShutdownPassesOnAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		next := new(stageSink[int])
		stage := handler.Delay(handler.DelayConfig{Wait: time.Hour}, next)
		var outcomes []*stageOutcome
		for i := range 3 {
			m, o := stageMessage(i)
			outcomes = append(outcomes, o)
			stageSend(t.Context(), stage, m)
		}
		for range 2 { // the second call changes nothing
			if err := stage.Shutdown(t.Context()); err != nil {
				t.Error(err)
			}
		}
		if got := next.payloads(); !reflect.DeepEqual(got, []int{0, 1, 2}) || time.Since(start) != 0 {
			t.Errorf("got %v after %v", got, time.Since(start))
		}
		for _, o := range outcomes {
			o.want(t, nil)
		}
		stageCode(t, stage.Handle(t.Context(), message.Message[int]{}), message.CodeUnavailable)
		stage.Close()
	})
}

func TestDelayShutdownGivesUpWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stage := handler.Delay(handler.DelayConfig{}, blocked[int]())
		first, firstDone := stageMessage(1)
		second, secondDone := stageMessage(2)
		stageSend(t.Context(), stage, first)
		stageSend(t.Context(), stage, second)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		err := stage.Shutdown(ctx)
		if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "1 messages still wait") {
			t.Errorf("got %v", err)
		}
		stage.Close() // cancels the first, refuses the second
		firstDone.want(t, context.Canceled)
		_, err = secondDone.get()
		stageCode(t, err, message.CodeUnavailable)
	})
}

func TestDelayContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		next := new(stageSink[int])
		stage := handler.Delay(handler.DelayConfig{}, next)
		ctx, leave := context.WithCancelCause(context.WithValue(t.Context(), stageContextKey{}, "mine"))
		ctx, cancel := context.WithTimeout(ctx, time.Minute)
		defer cancel()
		stage.Handle(ctx, message.Message[int]{})
		leave(errStage)
		time.Sleep(time.Second)
		synctest.Wait()
		if got := next.ctxs[0]; got.Err() != nil || context.Cause(got) != nil || got.Value(stageContextKey{}) != "mine" {
			t.Errorf("context is %v, cause %v, %v", got.Err(), context.Cause(got), got.Value(stageContextKey{}))
		}
		if _, ok := next.ctxs[0].Deadline(); ok {
			t.Error("the sender's deadline is left")
		}
		child, cancelChild := context.WithCancel(next.ctxs[0])
		defer cancelChild()
		stage.Close()
		synctest.Wait()
		if child.Err() != context.Canceled {
			t.Error("Close does not end the context")
		}
	})
}

func TestDelayLogsWhatNobodyIsToldOf(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		logger, log := stageLog()
		stage := handler.Delay(handler.DelayConfig{Logger: logger}, &stageSink[int]{err: errStage})
		m, done := stageMessage(1)
		stageSend(t.Context(), stage, m)
		stage.Handle(t.Context(), message.Message[int]{Destination: "/lost"})
		if err := stage.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		done.want(t, errStage)
		if text := log.String(); strings.Count(text, "\n") != 1 || !strings.Contains(text, `stage=delay kind=data destination=/lost messages=1 error="stage test failed"`) {
			t.Errorf("log is %s", text)
		}
	})
}

// stageEnds are the ways in which a handler behind a stage ends.
var stageEnds = []struct {
	name    string
	handler func(later **message.Completion) message.Handler[int]
	want    error
}{
	{"handled", func(**message.Completion) message.Handler[int] { return new(stageSink[int]) }, nil},
	{"error", func(**message.Completion) message.Handler[int] { return &stageSink[int]{err: errStage} }, errStage},
	{"panic", func(**message.Completion) message.Handler[int] {
		return message.HandlerFunc[int](func(context.Context, message.Message[int]) error { panic(errStage) })
	}, errStage},
	{"told before it is handled", func(**message.Completion) message.Handler[int] {
		return message.HandlerFunc[int](func(_ context.Context, m message.Message[int]) error {
			m.Done.Reached(message.Handled)
			return errStage
		})
	}, nil},
	{"handled later", takes, nil},
	{"fails later", takes, errStage},
}

func takes(later **message.Completion) message.Handler[int] {
	return message.HandlerFunc[int](func(_ context.Context, m message.Message[int]) error {
		m.Done.Hold()
		*later = m.Done
		return nil
	})
}

// blocked waits until its context ends.
func blocked[T any]() message.Handler[T] {
	return message.HandlerFunc[T](func(ctx context.Context, _ message.Message[T]) error {
		<-ctx.Done()
		return ctx.Err()
	})
}
