package channel_test

import (
	"context"
	"errors"
	"io"
	"slices"
	"testing"

	"github.com/headrace/headrace/channel"
	"github.com/headrace/headrace/message"
)

func TestDirectNoSubscriber(t *testing.T) {
	var c channel.DirectChannel[int]
	if err := c.Handle(t.Context(), to("k", 1)); err != channel.ErrNoSubscriber {
		t.Errorf("zero value: %v, want ErrNoSubscriber", err)
	}
	var l log
	remove := c.Intercept(noting(&l, "a"))
	if err := c.Handle(t.Context(), to("k", 1)); err != channel.ErrNoSubscriber || len(l.take()) != 2 {
		t.Errorf("interceptors alone: %v, want ErrNoSubscriber behind them", err)
	}
	unsubscribe := c.Subscribe(handling(&l, "1"))
	if err := c.Handle(t.Context(), to("k", 1)); err != nil {
		t.Error(err)
	}
	unsubscribe()
	remove()
	if err := c.Handle(t.Context(), to("k", 1)); err != channel.ErrNoSubscriber {
		t.Errorf("after unsubscribe: %v, want ErrNoSubscriber", err)
	}
	if got := message.Public(channel.ErrNoSubscriber).Code; got != message.CodeNotFound {
		t.Errorf("code %q", got)
	}
}

func TestDirectErrors(t *testing.T) {
	other := errors.New("other")
	for _, tt := range []struct {
		name string
		errs []error // what the subscribers return
		want []error // what the sender finds in his
		not  []error
	}{
		{"none", []error{nil, nil}, nil, nil},
		{"one of one", []error{errBroken}, []error{errBroken}, nil},
		{"first of three", []error{errBroken, nil, nil}, []error{errBroken}, nil},
		{"last of three", []error{nil, nil, errBroken}, []error{errBroken}, nil},
		{"several", []error{errBroken, nil, other, io.EOF}, []error{errBroken, other, io.EOF}, nil},
		{"all dropped", []error{message.ErrDropped, message.ErrDropped}, []error{message.ErrDropped}, nil},
		{"a failure outweighs a drop", []error{message.ErrDropped, errBroken}, []error{errBroken}, []error{message.ErrDropped}},
		{"before it too", []error{errBroken, message.ErrDropped, other}, []error{errBroken, other}, []error{message.ErrDropped}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var c channel.DirectChannel[int]
			called := 0
			for _, err := range tt.errs {
				channel.SubscribeFunc(&c, func(context.Context, message.Message[int]) error {
					called++
					return err
				})
			}
			err := c.Handle(t.Context(), to("k", 1))
			if called != len(tt.errs) {
				t.Errorf("%d of %d subscribers were called", called, len(tt.errs))
			}
			if len(tt.want) == 0 && err != nil || len(tt.want) == 1 && err != tt.want[0] {
				t.Errorf("err = %v, want %v as it is", err, tt.want)
			}
			for _, want := range tt.want {
				if !errors.Is(err, want) {
					t.Errorf("err = %v lacks %v", err, want)
				}
			}
			for _, not := range tt.not {
				if errors.Is(err, not) {
					t.Errorf("err = %v passes for %v", err, not)
				}
			}
		})
	}
}

// TestDirectSendersGoroutine: Handle is done when the subscribers are, sees
// their ctx and message unchanged, and a panic is the sender's.
func TestDirectSendersGoroutine(t *testing.T) {
	type key struct{}
	ctx, cancel := context.WithCancel(context.WithValue(t.Context(), key{}, 1))
	defer cancel()
	var c channel.DirectChannel[int]
	var got context.Context
	unsubscribe := channel.SubscribeFunc(&c, func(ctx context.Context, m message.Message[int]) error {
		got = ctx
		return nil
	})
	if err := c.Handle(ctx, to("k", 1)); err != nil || got != ctx {
		t.Errorf("err %v, ctx unchanged: %v", err, got == ctx)
	}
	unsubscribe()
	channel.SubscribeFunc(&c, func(context.Context, message.Message[int]) error { panic("mine") })
	defer func() {
		if v := recover(); v != "mine" {
			t.Errorf("recovered %v", v)
		}
	}()
	c.Handle(ctx, to("k", 1))
}

// TestDirectCompletion: a direct channel neither holds nor completes.
func TestDirectCompletion(t *testing.T) {
	for _, want := range []error{nil, errBroken} {
		var c channel.DirectChannel[int]
		c.Subscribe(returning(want))
		var o outcomes
		if err := o.send(t.Context(), &c, to("k", 7)); err != want || !slices.Equal(o.of(7), []error{want}) {
			t.Errorf("err %v, completed %v, want %v once", err, o.of(7), want)
		}
	}
}
