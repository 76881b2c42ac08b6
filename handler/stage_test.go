package handler_test

import (
	"context"
	"errors"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"github.com/headrace/headrace/handler"
	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/message/codec"
)

func TestFilter(t *testing.T) {
	next := &stageSink[int]{err: errStage}
	even := handler.Filter(func(m message.Message[int]) bool { return m.Payload%2 == 0 }, next)
	for i, want := range []error{errStage, nil, errStage, nil} {
		m, done := stageMessage(i)
		if err := stageSend(t.Context(), even, m); err != want {
			t.Errorf("%d: got %v, want %v", i, err, want)
		}
		done.want(t, want)
	}
	if got, want := next.payloads(), []int{0, 2}; !reflect.DeepEqual(got, want) {
		t.Errorf("passed on %v, want %v", got, want)
	}
}

func TestTransformKeepsTheRestOfTheMessage(t *testing.T) {
	next := new(stageSink[string])
	stage := handler.Transform(func(_ context.Context, i int) (string, error) { return strconv.Itoa(i), nil }, next)
	in := message.Message[int]{
		Kind: message.KindSubscribe, Destination: "/d", Subscription: "s", Payload: 7,
		Session: message.NewSession(nil, message.SessionInfo{}),
		Header:  message.NewHeader(message.Field{Name: "a", Value: "b"}),
		Done:    message.NewCompletion(message.Handled, func(error) {}),
	}
	if err := stage.Handle(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	if want := message.WithPayload(in, "7"); !reflect.DeepEqual(next.got[0], want) || next.ctxs[0] != t.Context() {
		t.Errorf("got %+v, want %+v", next.got[0], want)
	}
}

func TestTransformError(t *testing.T) {
	next := new(stageSink[string])
	stage := handler.Transform(func(context.Context, int) (string, error) { return "half", errStage }, next)
	m, done := stageMessage(1)
	if err := stageSend(t.Context(), stage, m); err != errStage {
		t.Errorf("got %v", err)
	}
	done.want(t, errStage)
	if len(next.got) != 0 {
		t.Errorf("passed on %v", next.payloads())
	}
}

func TestSwitch(t *testing.T) {
	var odd, even, other stageSink[int]
	cases := map[string]message.Handler[int]{"odd": &odd, "even": &even}
	key := func(m message.Message[int]) string {
		if m.Payload > 9 {
			return "big"
		}
		return []string{"even", "odd"}[m.Payload%2]
	}
	withOther := handler.Switch(key, cases, &other)
	withoutOther := handler.Switch(key, cases, nil)
	clear(cases) // the stage has its own

	for i := range 4 {
		if err := withOther.Handle(t.Context(), message.Message[int]{Payload: i}); err != nil {
			t.Error(err)
		}
	}
	if err := withOther.Handle(t.Context(), message.Message[int]{Payload: 10}); err != nil {
		t.Error(err)
	}
	for _, tt := range []struct {
		sink *stageSink[int]
		want []int
	}{{&even, []int{0, 2}}, {&odd, []int{1, 3}}, {&other, []int{10}}} {
		if got := tt.sink.payloads(); !reflect.DeepEqual(got, tt.want) {
			t.Errorf("got %v, want %v", got, tt.want)
		}
	}

	m, done := stageMessage(10)
	err := stageSend(t.Context(), withoutOther, m)
	stageCode(t, err, message.CodeNotFound)
	done.want(t, err)
	if !strings.Contains(err.Error(), `"big"`) {
		t.Errorf("%v does not name the key", err)
	}
}

func TestDecodeStage(t *testing.T) {
	type load struct{ N int }
	next := new(stageSink[load])
	stage := handler.Decode(codec.NewSet(codec.JSON{Strict: true}), next)
	for _, tt := range []struct {
		name, contentType, payload string
		want                       message.Code
	}{
		{"no content type", "", `{"N":1}`, ""},
		{"content type", "application/json", `{"N":2}`, ""},
		{"unknown content type", "image/png", `{"N":3}`, message.CodeInvalid},
		{"the given codecs", "", `{"M":4}`, message.CodeInvalid},
		{"malformed", "", `{`, message.CodeInvalid},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m, done := stageMessage([]byte(tt.payload))
			if tt.contentType != "" {
				m.Header = m.Header.With(message.HeaderContentType, tt.contentType)
			}
			err := stageSend(t.Context(), stage, m)
			done.want(t, err)
			if tt.want != "" {
				stageCode(t, err, tt.want)
			} else if err != nil {
				t.Error(err)
			}
		})
	}
	if got, want := next.payloads(), []load{{1}, {2}}; !reflect.DeepEqual(got, want) {
		t.Errorf("passed on %v, want %v", got, want)
	}
	if got := next.got[1].Header.Get(message.HeaderContentType); got != "application/json" {
		t.Errorf("header lost: %q", got)
	}
}

func TestEncodeStage(t *testing.T) {
	next := new(stageSink[[]byte])
	in := message.Message[any]{Header: message.NewHeader(
		message.Field{Name: message.HeaderContentType, Value: "application/json"}, message.Field{Name: "a", Value: "b"})}
	for _, tt := range []struct {
		name, contentType string
		v                 any
		payload, header   string
	}{
		{"by value", "", "hi", "hi", "text/plain;charset=utf-8"},
		{"by name", "application/vnd.x+json", "hi", `"hi"`, "application/vnd.x+json"},
		{"as it was", "", 1, "1", "application/json"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := in
			m.Payload = tt.v
			if err := handler.Encode[any](nil, tt.contentType, next).Handle(t.Context(), m); err != nil {
				t.Fatal(err)
			}
			got := next.got[len(next.got)-1]
			if string(got.Payload) != tt.payload || got.Header.Get(message.HeaderContentType) != tt.header || got.Header.Get("a") != "b" {
				t.Errorf("got %q, %v", got.Payload, got.Header)
			}
			if tt.name == "as it was" && !got.Header.Same(in.Header) {
				t.Error("header was copied for nothing")
			}
		})
	}

	m, done := stageMessage(make(chan int))
	err := stageSend(t.Context(), handler.Encode[chan int](nil, "", next), m)
	stageCode(t, err, message.CodeInternal)
	done.want(t, err)
}

func TestStagesPanicWhenWiredWrongly(t *testing.T) {
	next := new(stageSink[int])
	keep := func(message.Message[int]) bool { return true }
	same := func(_ context.Context, i int) (int, error) { return i, nil }
	sum := func(context.Context, []message.Message[int]) (int, error) { return 0, nil }
	name := func(message.Message[int]) string { return "" }
	for what, wire := range map[string]func(){
		"Filter function":      func() { handler.Filter(nil, next) },
		"Filter handler":       func() { handler.Filter(keep, nil) },
		"Transform function":   func() { handler.Transform[int](nil, next) },
		"Transform handler":    func() { handler.Transform(same, nil) },
		"Split function":       func() { handler.Split[int](nil, next) },
		"Split handler":        func() { handler.Split(func(context.Context, int) ([]int, error) { return nil, nil }, nil) },
		"Switch function":      func() { handler.Switch[int, string](nil, nil, nil) },
		"Switch case":          func() { handler.Switch(name, map[string]message.Handler[int]{"x": nil}, next) },
		"Decode handler":       func() { handler.Decode[int](nil, nil) },
		"Encode handler":       func() { handler.Encode[int](nil, "", nil) },
		"Delay handler":        func() { handler.Delay[int](handler.DelayConfig{}, nil) },
		"DelayConfig":          func() { handler.Delay(handler.DelayConfig{Wait: -1}, next) },
		"Batch handler":        func() { handler.Batch[int](handler.BatchConfig{}, nil) },
		"BatchConfig":          func() { handler.Batch(handler.BatchConfig{Size: -1}, new(stageSink[[]int])) },
		"Aggregate function":   func() { handler.Aggregate(handler.AggregateConfig[int]{}, nil, next) },
		"Aggregate handler":    func() { handler.Aggregate(handler.AggregateConfig[int]{}, sum, nil) },
		"AggregateConfig":      func() { handler.Aggregate(handler.AggregateConfig[int]{MaxGroups: -1}, sum, next) },
		"Bridge needs a chann": func() { handler.Bridge(t.Context(), nil, next) },
		"Bridge":               func() { handler.Bridge[int](t.Context(), new(stagePoller[int]), nil) },
	} {
		t.Run(what, func(t *testing.T) {
			defer func() {
				stage, _, _ := strings.Cut(what, " ")
				if text, _ := recover().(string); !strings.HasPrefix(text, "handler: "+stage) {
					t.Errorf("panic is %q", text)
				}
			}()
			wire()
		})
	}
}

// TestStagesPassPanicsUp: stages that work within Handle leave a panic to the
// channel or interceptor around them, which completes the message.
func TestStagesPassPanicsUp(t *testing.T) {
	boom := message.HandlerFunc[int](func(context.Context, message.Message[int]) error { panic(errStage) })
	for what, stage := range map[string]message.Handler[int]{
		"Filter":    handler.Filter(func(message.Message[int]) bool { return true }, boom),
		"Transform": handler.Transform(func(_ context.Context, i int) (int, error) { return i, nil }, boom),
		"Switch":    handler.Switch(func(message.Message[int]) int { return 0 }, nil, boom),
		"Encode":    handler.Encode[int](nil, "", handler.Decode(nil, boom)),
	} {
		t.Run(what, func(t *testing.T) {
			m, done := stageMessage(1)
			if err := stageSend(t.Context(), stage, m); !errors.Is(err, errStage) {
				t.Errorf("got %v", err)
			}
			done.want(t, errStage)
		})
	}
}

// TestStagesAreDrainedEvenWithoutTime: what has drained has, whatever became of
// the context with which Shutdown asks.
func TestStagesAreDrainedEvenWithoutTime(t *testing.T) {
	delay := handler.Delay(handler.DelayConfig{}, new(stageSink[int]))
	delay.Close()
	batch := handler.Batch(handler.BatchConfig{}, new(stageSink[[]int]))
	batch.Close()
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for range 100 { // a select would toss a coin
		for _, err := range []error{delay.Shutdown(ended), batch.Shutdown(ended)} {
			if err != nil {
				t.Fatal(err)
			}
		}
	}
}
