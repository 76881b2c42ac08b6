package channel_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/headrace/headrace/channel"
	"github.com/headrace/headrace/message"
)

// transform is a stage as a pipeline has them: it hands on what f makes.
func transform[In, Out any](f func(In) (Out, error), next message.Handler[Out]) message.Handler[In] {
	return message.HandlerFunc[In](func(ctx context.Context, m message.Message[In]) error {
		out, err := f(m.Payload)
		if err != nil {
			return err
		}
		return next.Handle(ctx, message.WithPayload(m, out))
	})
}

// pipeline is numbers ─► render ─► texts ─► end, on two executors.
func pipeline(t *testing.T, render func(int) (string, error), end message.Handler[string]) *channel.ExecutorChannel[int] {
	numbers := channel.NewExecutorChannel(channel.Config[int]{Name: "numbers"})
	texts := channel.NewExecutorChannel(channel.Config[string]{Name: "texts", Unordered: true})
	t.Cleanup(texts.Close)
	t.Cleanup(numbers.Close)
	numbers.Subscribe(transform(render, texts))
	texts.Subscribe(end)
	return numbers
}

func digits(i int) (string, error) { return fmt.Sprint(i), nil }

func silence(context.Context, message.Message[string]) error { return nil }

func TestRequest(t *testing.T) {
	full := message.Errorf(message.CodeFull, "no more numbers")
	answer := channel.Reply[string]()
	for _, tt := range []struct {
		name   string
		render func(int) (string, error)
		end    message.Handler[string]
		want   string
		err    error
	}{
		{"reply", digits, answer, "7", nil},
		{"a stage fails", func(int) (string, error) { return "", errBroken }, answer, "", errBroken},
		{"a stage refuses", func(int) (string, error) { return "", full }, answer, "", full},
		{"a stage drops", func(int) (string, error) { return "", message.ErrDropped }, answer, "", message.ErrDropped},
		{"nobody answers", digits, message.HandlerFunc[string](silence), "", channel.ErrNoReply},
		{"the first answer counts", digits, message.HandlerFunc[string](func(ctx context.Context, m message.Message[string]) error {
			answer.Handle(ctx, m)
			return answer.Handle(ctx, message.WithPayload(m, "second"))
		}), "7", nil},
		{"an answer before a failure", digits, message.HandlerFunc[string](func(ctx context.Context, m message.Message[string]) error {
			answer.Handle(ctx, m)
			return errBroken
		}), "7", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			numbers := pipeline(t, tt.render, tt.end)
			got, err := channel.Request[string](t.Context(), numbers, message.Message[int]{Destination: "/d", Payload: 7})
			if got.Payload != tt.want || !errors.Is(err, tt.err) || (tt.err == nil) != (err == nil) {
				t.Errorf("got %q, %v, want %q, %v", got.Payload, err, tt.want, tt.err)
			}
			if tt.err == nil && got.Destination != "/d" {
				t.Errorf("the reply lost its destination: %+v", got)
			}
		})
	}
}

// TestRequestRefused: what keeps a channel from taking the request reaches the
// requester.
func TestRequestRefused(t *testing.T) {
	c := channel.NewExecutorChannel(channel.Config[int]{})
	c.Close()
	if _, err := channel.Request[string](t.Context(), c, to("k", 1)); err != channel.ErrClosed {
		t.Errorf("closed channel: %v, want ErrClosed", err)
	}
	if _, err := channel.Request[string](t.Context(), new(channel.DirectChannel[int]), to("k", 1)); err != channel.ErrNoSubscriber {
		t.Errorf("direct channel: %v, want ErrNoSubscriber", err)
	}
}

// TestRequestTimeout: the requester waits as long as its ctx; an answer that
// comes later is nobody's and blocks nobody.
func TestRequestTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		numbers := pipeline(t, func(i int) (string, error) {
			time.Sleep(time.Minute)
			return digits(i)
		}, channel.Reply[string]())
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		if _, err := channel.Request[string](ctx, numbers, to("k", 1)); err != context.DeadlineExceeded || time.Since(start) != time.Second {
			t.Errorf("err = %v after %v, want the deadline after 1s", err, time.Since(start))
		}
		elapse(time.Hour)
		if s := numbers.Stats(); s.UnderWay != 0 || s.Handled != 1 {
			t.Errorf("the late answer did not end: %+v", s)
		}
	})
}

// TestReplyWithoutRequest: a reply that nobody waits for is an error of its
// message; a reply of another type is too.
func TestReplyWithoutRequest(t *testing.T) {
	err := channel.Reply[int]().Handle(t.Context(), to("k", 1))
	if message.Public(err).Code != message.CodeNotFound {
		t.Errorf("without a request: %v", err)
	}
	var c channel.DirectChannel[int]
	c.Subscribe(channel.Reply[int]())
	_, err = channel.Request[string](t.Context(), &c, to("k", 1))
	if message.Public(err).Code != message.CodeNotFound || errors.Is(err, channel.ErrNoReply) {
		t.Errorf("another type: %v", err)
	}
	if m, err := channel.Request[int](t.Context(), &c, to("k", 1)); err != nil || m.Payload != 1 {
		t.Errorf("this type: %v, %v", m.Payload, err)
	}
}

// TestReplyTwice: answers beyond the first block nobody, even the requester
// himself.
func TestReplyTwice(t *testing.T) {
	var c channel.DirectChannel[int]
	for range 3 {
		c.Subscribe(channel.Reply[int]())
	}
	if m, err := channel.Request[int](t.Context(), &c, to("k", 1)); err != nil || m.Payload != 1 {
		t.Errorf("got %d, %v", m.Payload, err)
	}
}

// TestRequestNested: a stage that asks elsewhere answers its own requester.
func TestRequestNested(t *testing.T) {
	var upper channel.DirectChannel[string]
	upper.Subscribe(transform(func(s string) (string, error) { return strings.ToUpper(s), nil }, channel.Reply[string]()))
	var c channel.DirectChannel[string]
	channel.SubscribeFunc(&c, func(ctx context.Context, m message.Message[string]) error {
		inner, err := channel.Request[string](ctx, &upper, m)
		if err != nil {
			return err
		}
		return channel.Reply[string]().Handle(ctx, message.WithPayload(m, "outer "+inner.Payload))
	})
	if m, err := channel.Request[string](t.Context(), &c, message.Message[string]{Payload: "x"}); err != nil || m.Payload != "outer X" {
		t.Errorf("got %q, %v", m.Payload, err)
	}
}

// TestRequestConcurrent: everybody gets the answer to his own question.
func TestRequestConcurrent(t *testing.T) {
	numbers := pipeline(t, digits, channel.Reply[string]())
	var wg sync.WaitGroup
	for g := range 20 {
		wg.Go(func() {
			for i := range 50 {
				n := g*50 + i
				m, err := channel.Request[string](context.Background(), numbers, to(fmt.Sprint(i%5), n))
				if err != nil || m.Payload != fmt.Sprint(n) {
					t.Errorf("asked %d, got %q, %v", n, m.Payload, err)
				}
			}
		})
	}
	wg.Wait()
}
