package handler_test

import (
	"context"
	"errors"
	"reflect"
	"testing"

	"pgregory.net/rapid"

	"github.com/headrace/headrace/handler"
	"github.com/headrace/headrace/message"
)

func parts(_ context.Context, all []int) ([]int, error) { return all, nil }

// taker takes parts over, as a channel that queues them does.
type taker struct {
	taken []message.Message[int]
	err   error // from the third part on
}

func (k *taker) Handle(_ context.Context, m message.Message[int]) error {
	if len(k.taken) == 2 && k.err != nil {
		return k.err
	}
	m.Done.Hold()
	k.taken = append(k.taken, m)
	return nil
}

func TestSplitOrderAndLoss(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		all := rapid.SliceOf(rapid.Int()).Draw(t, "parts")
		fails := rapid.IntRange(0, 2*len(all)+1).Draw(t, "fails")
		next := new(stageSink[int])
		stage := handler.Split(parts, message.HandlerFunc[int](func(ctx context.Context, m message.Message[int]) error {
			if len(next.got) == fails {
				return errStage
			}
			return next.Handle(ctx, m)
		}))
		want := error(nil)
		if fails < len(all) {
			want = errStage
		}
		if err := stage.Handle(context.Background(), message.Message[[]int]{Payload: all}); err != want {
			t.Fatalf("got %v, want %v", err, want)
		}
		if got, want := next.payloads(), all[:min(fails, len(all))]; !reflect.DeepEqual(got, append([]int{}, want...)) {
			t.Fatalf("got %v, want %v", got, want)
		}
	})
}

func TestSplitKeepsTheRestOfTheMessage(t *testing.T) {
	next := new(stageSink[int])
	in := message.Message[[]int]{Kind: message.KindError, Destination: "/d", Subscription: "s", Header: message.NewHeader(message.Field{Name: "a"}), Payload: []int{1}}
	if err := handler.Split(parts, next).Handle(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	if want := message.WithPayload(in, 1); !reflect.DeepEqual(next.got[0], want) {
		t.Errorf("got %+v, want %+v", next.got[0], want)
	}
}

func TestSplitFunctionError(t *testing.T) {
	stage := handler.Split(func(context.Context, int) ([]int, error) { return []int{1}, errStage }, new(taker))
	m, done := stageMessage(1)
	if err := stageSend(t.Context(), stage, m); err != errStage {
		t.Errorf("got %v", err)
	}
	done.want(t, errStage)
}

func TestSplitDone(t *testing.T) {
	lost := errors.New("lost")
	for _, tt := range []struct {
		name    string
		level   message.Level
		refuses error // of the third part
		parts   []int
		ends    func(taken []message.Message[int])
		open    bool // after Handle and before ends
		want    error
	}{
		{"no parts", message.Handled, nil, nil, func([]message.Message[int]) {}, false, nil},
		{"all handled", message.Handled, nil, []int{1, 2, 3}, func(taken []message.Message[int]) {
			for _, m := range taken {
				m.Done.Reached(message.Handled)
				m.Done.Release(nil)
			}
		}, true, nil},
		{"second fails later", message.Handled, nil, []int{1, 2, 3}, func(taken []message.Message[int]) {
			taken[0].Done.Release(nil)
			taken[1].Done.Release(lost)
			taken[2].Done.Release(errStage)
		}, true, lost},
		{"third refused", message.Handled, errStage, []int{1, 2, 3}, func(taken []message.Message[int]) {
			taken[0].Done.Release(lost)
			taken[1].Done.Release(nil)
		}, false, errStage},
		{"first stored, second fails", message.Stored, nil, []int{1, 2}, func(taken []message.Message[int]) {
			taken[0].Done.Reached(message.Stored)
			taken[0].Done.Release(nil)
			taken[1].Done.Release(lost)
		}, true, lost},
	} {
		t.Run(tt.name, func(t *testing.T) {
			k := &taker{err: tt.refuses}
			m, done := stageMessageFor(tt.level, tt.parts)
			if err := stageSend(t.Context(), handler.Split(parts, k), m); err != tt.refuses {
				t.Errorf("got %v, want %v", err, tt.refuses)
			}
			if tt.open {
				done.wantOpen(t)
			}
			tt.ends(k.taken)
			done.want(t, tt.want)
		})
	}
}

// TestSplitStoredPartDoesNotCompleteTheWhole: a broker tells Done as soon as it
// has a part, within Handle.
func TestSplitStoredPartDoesNotCompleteTheWhole(t *testing.T) {
	n := 0
	stage := handler.Split(parts, message.HandlerFunc[int](func(_ context.Context, m message.Message[int]) error {
		if n++; n == 2 {
			return errStage
		}
		m.Done.Reached(message.Stored)
		return nil
	}))
	m, done := stageMessageFor(message.Stored, []int{1, 2})
	if err := stageSend(t.Context(), stage, m); err != errStage {
		t.Errorf("got %v", err)
	}
	done.want(t, errStage)
}

func TestSplitPanicOfAPart(t *testing.T) {
	boom := message.HandlerFunc[int](func(context.Context, message.Message[int]) error { panic(errStage) })
	m, done := stageMessage([]int{1})
	err := handler.Split(parts, boom).Handle(t.Context(), m)
	if _, ok := errors.AsType[*message.PanicError](err); !ok {
		t.Errorf("got %v", err)
	}
	m.Done.Release(nil) // even when somebody above makes light of it
	done.want(t, errStage)
	if err := handler.Split(parts, boom).Handle(t.Context(), message.Message[[]int]{Payload: []int{1}}); !errors.Is(err, errStage) {
		t.Errorf("without Done: got %v", err)
	}
}
