package handler_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"

	"github.com/headrace/headrace/message"
)

var errStage = errors.New("stage test failed")

// stageOutcome notes what a message's Done was told.
type stageOutcome struct {
	mu    sync.Mutex
	times int
	err   error
}

// stageMessage returns a message and what will be its outcome.
func stageMessage[T any](payload T) (message.Message[T], *stageOutcome) {
	return stageMessageFor(message.Handled, payload)
}

func stageMessageFor[T any](level message.Level, payload T) (message.Message[T], *stageOutcome) {
	o := new(stageOutcome)
	m := message.Message[T]{Destination: "/in", Payload: payload}
	m.Done = message.NewCompletion(level, func(err error) {
		o.mu.Lock()
		defer o.mu.Unlock()
		o.times++
		o.err = err
	})
	return m, o
}

func (o *stageOutcome) get() (times int, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.times, o.err
}

// want checks that the message completed exactly once, with want.
func (o *stageOutcome) want(t *testing.T, want error) {
	t.Helper()
	if times, err := o.get(); times != 1 || !errors.Is(err, want) || (want == nil && err != nil) {
		t.Errorf("completed %d times with %v, want once with %v", times, err, want)
	}
}

func (o *stageOutcome) wantOpen(t *testing.T) {
	t.Helper()
	if times, err := o.get(); times != 0 {
		t.Errorf("completed %d times with %v, want not yet", times, err)
	}
}

// stageSend sends as a channel does: it holds the message while it is handled
// and releases it with the outcome, a panic included.
func stageSend[T any](ctx context.Context, h message.Handler[T], m message.Message[T]) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = message.NewPanicError(v)
		}
		m.Done.Release(err)
	}()
	return h.Handle(ctx, m)
}

// stageSink collects what a stage passes on, and answers with err.
type stageSink[T any] struct {
	mu   sync.Mutex
	got  []message.Message[T]
	ctxs []context.Context
	err  error
}

func (s *stageSink[T]) Handle(ctx context.Context, m message.Message[T]) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.got = append(s.got, m)
	s.ctxs = append(s.ctxs, ctx)
	return s.err
}

func (s *stageSink[T]) payloads() []T {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := []T{}
	for _, m := range s.got {
		all = append(all, m.Payload)
	}
	return all
}

// stageLog is a logger that keeps what it is told.
func stageLog() (*slog.Logger, *bytes.Buffer) {
	var buf bytes.Buffer
	return slog.New(slog.NewTextHandler(&buf, nil)), &buf
}

func stageCode(t *testing.T, err error, want message.Code) {
	t.Helper()
	if e, ok := errors.AsType[*message.Error](err); !ok || e.Code != want {
		t.Errorf("error is %v, want an authored one with code %s", err, want)
	}
}

// stageContextKey marks values in contexts.
type stageContextKey struct{}
