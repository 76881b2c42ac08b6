package handler_test

import (
	"context"
	"errors"
	"log/slog"
	"reflect"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/headrace/headrace/handler"
	"github.com/headrace/headrace/message"
)

// TestBatchOrderAndLoss: whatever the gaps, every message is in exactly one
// batch, in order, no batch is too large and none waits too long.
func TestBatchOrderAndLoss(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		gaps := rapid.SliceOfN(rapid.IntRange(0, 12), 1, 60).Draw(rt, "gaps")
		size := rapid.IntRange(1, 8).Draw(rt, "size")
		const wait = 10 * time.Second
		type flush struct {
			batch []int
			at    time.Duration
		}
		var got, want []flush
		synctest.Test(t, func(t *testing.T) {
			start := time.Now()
			stage := handler.Batch(handler.BatchConfig{Size: size, Wait: wait}, message.HandlerFunc[[]int](func(_ context.Context, m message.Message[[]int]) error {
				got = append(got, flush{m.Payload, time.Since(start)})
				return nil
			}))
			var open flush
			for i, gap := range gaps {
				time.Sleep(time.Duration(gap) * time.Second)
				synctest.Wait() // the timer comes first
				if len(open.batch) > 0 && time.Since(start) >= open.at {
					want, open = append(want, open), flush{}
				}
				if len(open.batch) == 0 {
					open.at = time.Since(start) + wait
				}
				open.batch = append(open.batch, i)
				if len(open.batch) == size {
					open.at = time.Since(start)
					want, open = append(want, open), flush{}
				}
				if err := stage.Handle(t.Context(), message.Message[int]{Payload: i}); err != nil {
					t.Error(err)
				}
			}
			if len(open.batch) > 0 {
				open.at = time.Since(start)
				want = append(want, open)
			}
			if err := stage.Shutdown(t.Context()); err != nil {
				t.Error(err)
			}
		})
		if !reflect.DeepEqual(got, want) {
			rt.Fatalf("got  %v\nwant %v", got, want)
		}
	})
}

// TestBatchFromManySenders: senders at once lose nothing, and each one's
// messages stay in order.
func TestBatchFromManySenders(t *testing.T) {
	const senders, each = 8, 500
	last := make([]int, senders)
	total := 0
	stage := handler.Batch(handler.BatchConfig{Size: 7, Wait: time.Millisecond}, message.HandlerFunc[[][2]int](func(_ context.Context, m message.Message[[][2]int]) error {
		for _, p := range m.Payload { // one batch at a time: no lock
			total++
			if last[p[0]]++; last[p[0]] != p[1] {
				t.Errorf("sender %d: %d came as number %d", p[0], p[1], last[p[0]])
			}
		}
		return nil
	}))
	var wg sync.WaitGroup
	for s := range senders {
		wg.Go(func() {
			for i := range each {
				if err := stage.Handle(t.Context(), message.Message[[2]int]{Payload: [2]int{s, i + 1}}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if err := stage.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	if total != senders*each {
		t.Errorf("%d came, want %d", total, senders*each)
	}
}

func TestBatchDefaults(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		next := new(stageSink[[]int])
		stage := handler.Batch(handler.BatchConfig{}, next)
		defer stage.Close()
		for i := range 101 {
			stage.Handle(t.Context(), message.Message[int]{Payload: i})
		}
		time.Sleep(time.Second - 1)
		if got := next.payloads(); len(got) != 1 || len(got[0]) != 100 {
			t.Errorf("got %v", got)
		}
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		if got := next.payloads(); len(got) != 2 || len(got[1]) != 1 {
			t.Errorf("got %v", got)
		}
	})
}

func TestBatchDone(t *testing.T) {
	for _, tt := range stageEnds {
		for _, full := range []bool{true, false} {
			name := tt.name + "/by time"
			if full {
				name = tt.name + "/by size"
			}
			t.Run(name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					var later *message.Completion
					end := tt.handler(&later)
					size := 4
					if full {
						size = 3
					}
					stage := handler.Batch(handler.BatchConfig{Size: size, Logger: slog.New(slog.DiscardHandler)}, handler.Transform(
						func(_ context.Context, all []int) (int, error) { return len(all), nil }, end))
					defer stage.Close()
					var outcomes []*stageOutcome
					for i := range 3 {
						m, o := stageMessage(i)
						if i == 1 {
							m.Done, o = nil, nil // may be anywhere
						}
						if err := stageSend(t.Context(), stage, m); err != nil {
							t.Errorf("taken over, but Handle returned %v", err)
						}
						if o != nil {
							outcomes = append(outcomes, o)
						}
						if i == 0 {
							o.wantOpen(t)
						}
					}
					time.Sleep(time.Second)
					synctest.Wait()
					for _, o := range outcomes {
						if later != nil {
							o.wantOpen(t)
						}
					}
					later.Release(tt.want)
					for _, o := range outcomes {
						o.want(t, tt.want)
					}
				})
			})
		}
	}
}

func TestBatchMessage(t *testing.T) {
	alice := message.NewSession(nil, message.SessionInfo{})
	bob := message.NewSession(nil, message.SessionInfo{})
	ctx := func(v string) context.Context { return context.WithValue(t.Context(), stageContextKey{}, v) }
	header := message.NewHeader(message.Field{Name: "a", Value: "b"})
	for _, tt := range []struct {
		name         string
		second, want *message.Session
	}{{"one session", alice, alice}, {"two sessions", bob, nil}, {"one without", nil, nil}} {
		t.Run(tt.name, func(t *testing.T) {
			next := new(stageSink[[]int])
			stage := handler.Batch(handler.BatchConfig{Size: 2}, next)
			first := message.Message[int]{Kind: message.KindError, Destination: "/1", Subscription: "s", Session: alice, Header: header, Payload: 1}
			stage.Handle(ctx("first"), first)
			stage.Handle(ctx("second"), message.Message[int]{Destination: "/2", Session: tt.second, Payload: 2})
			stage.Close()
			want := message.WithPayload(first, []int{1, 2})
			want.Session = tt.want
			if !reflect.DeepEqual(next.got[0], want) {
				t.Errorf("got %+v, want %+v", next.got[0], want)
			}
			if got := next.ctxs[0].Value(stageContextKey{}); got != "first" {
				t.Errorf("context of %v", got)
			}
		})
	}
}

func TestBatchContextEndsWithClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stage := handler.Batch(handler.BatchConfig{}, blocked[[]int]())
		ctx, cancel := context.WithCancel(t.Context())
		m, done := stageMessage(1)
		stageSend(ctx, stage, m)
		cancel() // the sender leaves
		time.Sleep(time.Hour)
		synctest.Wait()
		done.wantOpen(t)
		stage.Close()
		done.want(t, context.Canceled)
	})
}

// TestBatchBackpressure: while a batch is passed on senders wait, as long as
// their context lasts.
func TestBatchBackpressure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stage := handler.Batch(handler.BatchConfig{Size: 1}, blocked[[]int]())
		first, firstDone := stageMessage(0)
		go stageSend(t.Context(), stage, first)
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		m, done := stageMessage(1)
		if err := stageSend(ctx, stage, m); err != context.DeadlineExceeded {
			t.Errorf("got %v", err)
		}
		done.want(t, context.DeadlineExceeded)
		refused := make(chan error)
		go func() { refused <- stage.Handle(t.Context(), message.Message[int]{}) }()
		synctest.Wait()
		stage.Close()
		stageCode(t, <-refused, message.CodeUnavailable)
		firstDone.want(t, context.Canceled)
	})
}

// TestBatchDoneMaySendAgain: whoever is told that a batch failed may put the
// message in again.
func TestBatchDoneMaySendAgain(t *testing.T) {
	next := &stageSink[[]int]{err: errStage}
	stage := handler.Batch(handler.BatchConfig{Size: 1}, next)
	m := message.Message[int]{Payload: 1}
	m.Done = message.NewCompletion(message.Handled, func(err error) {
		if err != nil {
			next.err = nil
			stage.Handle(t.Context(), message.Message[int]{Payload: 2})
		}
	})
	stageSend(t.Context(), stage, m)
	stage.Close()
	if got := next.payloads(); !reflect.DeepEqual(got, [][]int{{1}, {2}}) {
		t.Errorf("got %v", got)
	}
}

func TestBatchClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		next := new(stageSink[[]int])
		stage := handler.Batch(handler.BatchConfig{}, next)
		m, done := stageMessage(1)
		stageSend(t.Context(), stage, m)
		stage.Close()
		stage.Close()
		times, err := done.get()
		stageCode(t, err, message.CodeUnavailable)
		if times != 1 || len(next.got) != 0 {
			t.Errorf("completed %d times, passed on %v", times, next.payloads())
		}
		stageCode(t, stage.Handle(t.Context(), message.Message[int]{}), message.CodeUnavailable)
		if err := stage.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestBatchShutdownGivesUpWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stage := handler.Batch(handler.BatchConfig{}, blocked[[]int]())
		m, done := stageMessage(1)
		stageSend(t.Context(), stage, m)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := stage.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) || !strings.HasPrefix(err.Error(), "batch: ") {
			t.Errorf("got %v", err)
		}
		done.wantOpen(t)
		stage.Close()
		done.want(t, context.Canceled)
	})
}

func TestBatchLogsWhatNobodyIsToldOf(t *testing.T) {
	logger, log := stageLog()
	stage := handler.Batch(handler.BatchConfig{Size: 3, Logger: logger}, &stageSink[[]int]{err: errStage})
	m, done := stageMessage(1)
	stageSend(t.Context(), stage, m)
	stage.Handle(t.Context(), message.Message[int]{Destination: "/2"})
	stage.Handle(t.Context(), message.Message[int]{})
	stage.Close()
	done.want(t, errStage)
	if text := log.String(); strings.Count(text, "\n") != 1 || !strings.Contains(text, `stage=batch kind=data destination=/in messages=2 error="stage test failed"`) {
		t.Errorf("log is %s", text)
	}
}
