package handler_test

import (
	"context"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/headrace/headrace/handler"
	"github.com/headrace/headrace/message"
)

// Its messages are numbers; those of one tens digit belong together, and 9 as
// the last digit completes a group.
var byTens = handler.AggregateConfig[int]{
	Key:      func(m message.Message[int]) string { return fmt.Sprint(m.Payload / 10) },
	Complete: func(g []message.Message[int]) bool { return g[len(g)-1].Payload%10 == 9 },
	Timeout:  10 * time.Second,
}

func join(_ context.Context, g []message.Message[int]) (string, error) {
	var all []int
	for _, m := range g {
		all = append(all, m.Payload)
	}
	return fmt.Sprint(all), nil
}

func sendAll(t *testing.T, stage message.Handler[int], all ...int) (outcomes []*stageOutcome) {
	t.Helper()
	for _, i := range all {
		m, o := stageMessage(i)
		outcomes = append(outcomes, o)
		if err := stageSend(t.Context(), stage, m); err != nil {
			t.Errorf("%d: %v", i, err)
		}
	}
	return outcomes
}

func wantGroups(t *testing.T, next *stageSink[string], want ...string) {
	t.Helper()
	if got := next.payloads(); !reflect.DeepEqual(got, append([]string{}, want...)) {
		t.Errorf("passed on %q, want %q", got, want)
	}
}

func TestAggregateComplete(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		next := new(stageSink[string])
		stage := handler.Aggregate(byTens, join, next)
		outcomes := sendAll(t, stage, 11, 21, 12, 29, 39, 22)
		wantGroups(t, next, "[21 29]", "[39]")
		for i, o := range outcomes {
			if i == 1 || i == 3 || i == 4 {
				o.want(t, nil)
			} else {
				o.wantOpen(t)
			}
		}
		if err := stage.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		wantGroups(t, next, "[21 29]", "[39]", "[11 12]", "[22]") // the oldest first
		for _, o := range outcomes {
			o.want(t, nil)
		}
	})
}

func TestAggregateTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		next := new(stageSink[string])
		stage := handler.Aggregate(byTens, join, next)
		defer stage.Close()
		pause := func(d time.Duration) { time.Sleep(d); synctest.Wait() }

		sendAll(t, stage, 11)
		pause(4 * time.Second)
		sendAll(t, stage, 21, 12) // a later message does not prolong its group
		pause(4 * time.Second)
		sendAll(t, stage, 31, 19)
		wantGroups(t, next, "[11 12 19]")
		sendAll(t, stage, 13) // a new group, with time of its own
		pause(6*time.Second - 1)
		wantGroups(t, next, "[11 12 19]")
		pause(1)
		wantGroups(t, next, "[11 12 19]", "[21]")
		pause(4 * time.Second)
		wantGroups(t, next, "[11 12 19]", "[21]", "[31]", "[13]")
		pause(time.Hour)
		outcomes := sendAll(t, stage, 41) // the timer starts again
		pause(10 * time.Second)
		outcomes[0].want(t, nil)
	})
}

func TestAggregateDiscardPartial(t *testing.T) {
	for _, tt := range []struct {
		name string
		end  func(stage *handler.Aggregator[int, string])
		code message.Code
	}{
		{"timeout", func(*handler.Aggregator[int, string]) { time.Sleep(10 * time.Second); synctest.Wait() }, message.CodeTimeout},
		{"shutdown", func(stage *handler.Aggregator[int, string]) { stage.Shutdown(context.Background()) }, message.CodeUnavailable},
		{"close", func(stage *handler.Aggregator[int, string]) { stage.Close() }, message.CodeUnavailable},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				next := new(stageSink[string])
				c := byTens
				c.DiscardPartial = true
				stage := handler.Aggregate(c, join, next)
				defer stage.Close()
				outcomes := sendAll(t, stage, 11, 12, 21, 29)
				tt.end(stage)
				wantGroups(t, next, "[21 29]")
				for i, o := range outcomes {
					times, err := o.get()
					if times != 1 {
						t.Errorf("completed %d times", times)
					}
					if i < 2 {
						stageCode(t, err, tt.code)
					} else if err != nil {
						t.Error(err)
					}
				}
			})
		})
	}
}

func TestAggregateBounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		next := new(stageSink[string])
		c := byTens
		c.MaxGroups, c.MaxGroupSize = 2, 3
		stage := handler.Aggregate(c, join, next)
		defer stage.Close()
		sendAll(t, stage, 11, 21, 22)
		m, done := stageMessage(31)
		err := stageSend(t.Context(), stage, m)
		stageCode(t, err, message.CodeFull)
		done.want(t, err)
		sendAll(t, stage, 23, 31) // the third of its group makes room for another
		wantGroups(t, next, "[21 22 23]")
		stageCode(t, stage.Handle(t.Context(), message.Message[int]{Payload: 49}), message.CodeFull)
	})
}

func TestAggregateDefaults(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		next := new(stageSink[int])
		size := func(_ context.Context, g []message.Message[int]) (int, error) { return len(g), nil }
		stage := handler.Aggregate(handler.AggregateConfig[int]{}, size, next)
		defer stage.Close()
		for range 1025 {
			if err := stage.Handle(t.Context(), message.Message[int]{}); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(time.Minute - 1)
		if got := next.payloads(); !reflect.DeepEqual(got, []int{1024}) {
			t.Errorf("got %v", got)
		}
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		if got := next.payloads(); !reflect.DeepEqual(got, []int{1024, 1}) {
			t.Errorf("got %v", got)
		}

		c := handler.AggregateConfig[int]{Key: byTens.Key}
		groups := handler.Aggregate(c, size, next)
		defer groups.Close()
		for i := range 1025 {
			err := groups.Handle(t.Context(), message.Message[int]{Payload: 10 * i})
			if i < 1024 && err != nil {
				t.Fatal(err)
			} else if i == 1024 {
				stageCode(t, err, message.CodeFull)
			}
		}
	})
}

func TestAggregateDone(t *testing.T) {
	for _, tt := range stageEnds {
		t.Run(tt.name, func(t *testing.T) {
			var later *message.Completion
			c := byTens
			stage := handler.Aggregate(c, func(_ context.Context, g []message.Message[int]) (int, error) { return len(g), nil }, tt.handler(&later))
			outcomes := sendAll(t, stage, 11, 12, 19)
			if later != nil {
				outcomes[0].wantOpen(t)
				later.Release(tt.want)
			}
			stage.Close()
			for _, o := range outcomes {
				o.want(t, tt.want)
			}
		})
	}
}

func TestAggregateCombineFails(t *testing.T) {
	for name, combine := range map[string]func(context.Context, []message.Message[int]) (string, error){
		"error": func(context.Context, []message.Message[int]) (string, error) { return "", errStage },
		"panic": func(context.Context, []message.Message[int]) (string, error) { panic(errStage) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				next := new(stageSink[string])
				stage := handler.Aggregate(byTens, combine, next)
				outcomes := sendAll(t, stage, 11, 19, 21)
				time.Sleep(10 * time.Second)
				synctest.Wait() // 21 fails on the timer's goroutine
				stage.Close()
				wantGroups(t, next)
				for _, o := range outcomes {
					o.want(t, errStage)
				}
			})
		})
	}
}

// TestAggregatePanicOfItsFunctions: a message that Key or Complete cannot cope
// with is its sender's trouble; group and stage go on.
func TestAggregatePanicOfItsFunctions(t *testing.T) {
	next := new(stageSink[string])
	c := byTens
	c.Key = func(m message.Message[int]) string {
		if m.Payload < 0 {
			panic(errStage)
		}
		return byTens.Key(m)
	}
	c.Complete = func(g []message.Message[int]) bool {
		if g[len(g)-1].Payload%10 == 0 {
			panic(errStage)
		}
		return byTens.Complete(g)
	}
	stage := handler.Aggregate(c, join, next)
	defer stage.Close()
	sendAll(t, stage, 11)
	for _, bad := range []int{-1, 10, 20} {
		m, done := stageMessage(bad)
		stageSend(t.Context(), stage, m)
		done.want(t, errStage)
	}
	for _, o := range sendAll(t, stage, 19) {
		o.want(t, nil)
	}
	wantGroups(t, next, "[11 19]")
}

// TestAggregateShutdownWaitsForOutcomes: what a sender's goroutine passes on
// counts as well as what the timer's does.
func TestAggregateShutdownWaitsForOutcomes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stage := handler.Aggregate(byTens, join, &stageSink[string]{err: errStage})
		let := make(chan struct{})
		m := message.Message[int]{Payload: 9, Done: message.NewCompletion(message.Handled, func(error) { <-let })}
		go stage.Handle(t.Context(), m)
		synctest.Wait()
		ended := make(chan error, 1)
		go func() { ended <- stage.Shutdown(t.Context()) }()
		synctest.Wait()
		select {
		case <-ended:
			t.Error("Shutdown returned while an outcome was being told")
		default:
		}
		close(let)
		synctest.Wait()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// TestAggregateShutdownUnderLoad: messages that come while the stage ends are
// either refused or passed on, and nobody waits for ever.
func TestAggregateShutdownUnderLoad(t *testing.T) {
	for range 300 {
		var passed, accepted atomic.Int64
		stage := handler.Batch(handler.BatchConfig{Size: 3}, message.HandlerFunc[[]int](func(_ context.Context, m message.Message[[]int]) error {
			passed.Add(int64(len(m.Payload)))
			return nil
		}))
		var senders sync.WaitGroup
		for range 4 {
			senders.Go(func() {
				for stage.Handle(t.Context(), message.Message[int]{}) == nil {
					accepted.Add(1)
				}
			})
		}
		if err := stage.Shutdown(t.Context()); err != nil {
			t.Fatal(err)
		}
		senders.Wait()
		if passed.Load() != accepted.Load() {
			t.Fatalf("accepted %d, passed on %d", accepted.Load(), passed.Load())
		}
	}
}

// TestAggregateTellsTheLogWhatNobodyElseHears: of groups that fail, but not of
// those that Close refuses, for whoever called it knows.
func TestAggregateTellsTheLogWhatNobodyElseHears(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		logger, log := stageLog()
		c := byTens
		c.Logger, c.DiscardPartial = logger, true
		stage := handler.Aggregate(c, join, new(stageSink[string]))
		for _, i := range []int{11, 12} {
			if err := stage.Handle(t.Context(), message.Message[int]{Payload: i}); err != nil {
				t.Error(err)
			}
		}
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if text := log.String(); strings.Count(text, "\n") != 1 || !strings.Contains(text, "messages=2") || !strings.Contains(text, "group is incomplete") {
			t.Errorf("log of an incomplete group is %q", text)
		}
		log.Reset()
		if err := stage.Handle(t.Context(), message.Message[int]{Payload: 11}); err != nil {
			t.Error(err)
		}
		stage.Close()
		if log.Len() > 0 {
			t.Errorf("log of Close is %q", log)
		}
	})
}
