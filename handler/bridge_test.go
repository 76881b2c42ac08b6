package handler_test

import (
	"context"
	"errors"
	"log/slog"
	"reflect"
	"strings"
	"testing"

	"github.com/headrace/headrace/channel"
	"github.com/headrace/headrace/handler"
	"github.com/headrace/headrace/message"
)

// stagePoller yields its messages and then err.
type stagePoller[T any] struct {
	all []message.Message[T]
	err error
}

func (p *stagePoller[T]) Receive(context.Context) (message.Message[T], error) {
	if len(p.all) == 0 {
		return message.Message[T]{}, p.err
	}
	m := p.all[0]
	p.all = p.all[1:]
	return m, nil
}

func TestBridgeReleasesEachMessageWithItsOutcome(t *testing.T) {
	from := &stagePoller[string]{err: errStage}
	var outcomes []*stageOutcome
	for _, payload := range []string{"good", "bad", "panic", "later", "good"} {
		m, o := stageMessage(payload)
		from.all, outcomes = append(from.all, m), append(outcomes, o)
	}
	var got []string
	var taken *message.Completion
	bad := errors.New("bad")
	err := handler.Bridge(t.Context(), from, message.HandlerFunc[string](func(_ context.Context, m message.Message[string]) error {
		got = append(got, m.Payload)
		switch m.Payload {
		case "bad":
			return bad
		case "panic":
			panic(bad)
		case "later":
			m.Done.Hold()
			taken = m.Done
		}
		return nil
	}))
	if err != errStage {
		t.Errorf("ended with %v, want the error of the channel", err)
	}
	if want := []string{"good", "bad", "panic", "later", "good"}; !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	outcomes[3].wantOpen(t)
	taken.Release(nil)
	for i, want := range []error{nil, bad, bad, nil, nil} {
		outcomes[i].want(t, want)
	}
}

func TestBridgeEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	from := &stagePoller[int]{all: make([]message.Message[int], 2)}
	err := handler.Bridge(ctx, from, message.HandlerFunc[int](func(context.Context, message.Message[int]) error {
		cancel()
		return nil
	}))
	if err != context.Canceled || len(from.all) != 1 {
		t.Errorf("ended with %v, %d left", err, len(from.all))
	}
	err = handler.Bridge(ctx, channel.NewQueueChannel[int](channel.QueueConfig{}), new(stageSink[int]))
	if err != context.Canceled {
		t.Errorf("ended with %v", err)
	}
}

func TestBridgeEmptiesAChannelThatShutsDown(t *testing.T) {
	queue := channel.NewQueueChannel[int](channel.QueueConfig{})
	outcomes := sendAll(t, queue, 1, 2, 3)
	shutdown := make(chan error)
	go func() { shutdown <- queue.Shutdown(t.Context()) }()
	next := new(stageSink[int])
	if err := handler.Bridge(t.Context(), queue, next); !errors.Is(err, channel.ErrClosed) {
		t.Errorf("ended with %v", err)
	}
	if err := <-shutdown; err != nil {
		t.Error(err)
	}
	if got := next.payloads(); !reflect.DeepEqual(got, []int{1, 2, 3}) {
		t.Errorf("passed on %v", got)
	}
	for _, o := range outcomes {
		o.want(t, nil)
	}
}

func TestBridgeLogsWhatNobodyIsToldOf(t *testing.T) {
	logger, log := stageLog()
	old := slog.Default()
	slog.SetDefault(logger)
	defer slog.SetDefault(old)

	told, done := stageMessage(2)
	from := &stagePoller[int]{err: errStage, all: []message.Message[int]{{Destination: "/lost"}, told, {Payload: 1}}}
	handler.Bridge(t.Context(), from, message.HandlerFunc[int](func(_ context.Context, m message.Message[int]) error {
		if m.Payload == 1 {
			return message.ErrDropped
		}
		panic("oh")
	}))
	if _, err := done.get(); err == nil {
		t.Error("panic did not reach Done")
	}
	if text := log.String(); strings.Count(text, "\n") != 1 || !strings.Contains(text, "stage=bridge") || !strings.Contains(text, "destination=/lost") ||
		!strings.Contains(text, `error="panic: oh"`) || !strings.Contains(text, "stack=") {
		t.Errorf("log is %s", text)
	}
}
