package watermilladapter_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	wmessage "github.com/ThreeDotsLabs/watermill/message"
	"github.com/ThreeDotsLabs/watermill/pubsub/gochannel"

	"github.com/headrace/headrace/channel"
	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/watermilladapter"
)

func TestFromTranslatesTheMessage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pubsub := engine(t)
		var seen message.Raw
		from(t, pubsub, func(_ context.Context, m message.Raw) error { seen = m; return nil }, watermilladapter.FromConfig{})
		m := wmessage.NewMessage("id-1", []byte("hello"))
		m.Metadata = wmessage.Metadata{"b": "2", "a": "1", "message-id": "other", "c": "3"}
		if err := pubsub.Publish("orders", m); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		var header []string
		for name, value := range seen.Header.All() {
			header = append(header, name+"="+value)
		}
		if want := []string{"message-id=id-1", "a=1", "b=2", "c=3"}; !slices.Equal(header, want) {
			t.Errorf("header %q", header)
		}
		if seen.Destination != "orders" || string(seen.Payload) != "hello" || seen.Kind != message.KindData {
			t.Errorf("message %+v", seen)
		}
	})
}

// fakeSubscriber hands out the messages that a test makes, whose Acked and
// Nacked it then watches.
type fakeSubscriber struct {
	out chan *wmessage.Message
	err error
}

func (f fakeSubscriber) Subscribe(ctx context.Context, _ string) (<-chan *wmessage.Message, error) {
	if f.err != nil {
		return nil, f.err
	}
	context.AfterFunc(ctx, func() { close(f.out) })
	return f.out, nil
}

func (fakeSubscriber) Close() error { return nil }

// state tells how m was settled.
func state(m *wmessage.Message) string {
	select {
	case <-m.Acked():
		return "ack"
	case <-m.Nacked():
		return "nack"
	default:
		return "open"
	}
}

func TestFromSettlesByOutcome(t *testing.T) {
	tests := map[string]struct {
		h    rawFunc
		want string
	}{
		"handled": {accept, "ack"},
		"dropped": {func(context.Context, message.Raw) error { return message.ErrDropped }, "ack"},
		"failed":  {func(context.Context, message.Raw) error { return errors.New("broken") }, "nack"},
		"panic":   {func(context.Context, message.Raw) error { panic("boom") }, "nack"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				sub := fakeSubscriber{out: make(chan *wmessage.Message)}
				from(t, sub, tt.h, watermilladapter.FromConfig{NackDelay: -1})
				m := wmessage.NewMessage("1", nil)
				sub.out <- m
				synctest.Wait()
				if got := state(m); got != tt.want {
					t.Errorf("settled by %s", got)
				}
			})
		})
	}
}

func TestFromAcksOnlyAfterTheHandlerBehindAnExecutorRan(t *testing.T) {
	for name, tt := range map[string]struct {
		outcome error
		want    string
	}{"success": {nil, "ack"}, "failure": {errors.New("broken"), "nack"}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				orders := channel.NewExecutorChannel(channel.Config[[]byte]{Name: "orders"})
				defer orders.Close()
				release := make(chan struct{})
				channel.SubscribeFunc(orders, func(context.Context, message.Raw) error {
					<-release
					return tt.outcome
				})
				sub := fakeSubscriber{out: make(chan *wmessage.Message)}
				source := from(t, sub, orders.Handle, watermilladapter.FromConfig{NackDelay: -1})
				m := wmessage.NewMessage("1", nil)
				sub.out <- m
				synctest.Wait()
				if got := state(m); got != "open" {
					t.Errorf("settled by %s while the handler runs", got)
				}
				close(release)
				synctest.Wait()
				if got := state(m); got != tt.want {
					t.Errorf("settled by %s", got)
				}
				source.Close() // its context is among the executor's
			})
		})
	}
}

func TestFromRedeliversWhatFailed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pubsub := engine(t)
		var at []time.Duration
		start := time.Now()
		from(t, pubsub, func(context.Context, message.Raw) error {
			if at = append(at, time.Since(start)); len(at) < 3 {
				return errors.New("broken")
			}
			return nil
		}, watermilladapter.FromConfig{NackDelay: time.Second})
		publish(t, pubsub, "a")
		pass(time.Minute)
		if want := []time.Duration{0, time.Second, 2 * time.Second}; !slices.Equal(at, want) {
			t.Errorf("delivered at %v", at)
		}
	})
}

func TestFromIsInOrderOneAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pubsub := engine(t)
		var seen, want []string
		var running atomic.Int32
		from(t, pubsub, func(_ context.Context, m message.Raw) error {
			if n := running.Add(1); n > 1 {
				t.Errorf("%d at once", n)
			}
			time.Sleep(time.Second)
			seen = append(seen, string(m.Payload))
			running.Add(-1)
			return nil
		}, watermilladapter.FromConfig{})
		for i := range 30 {
			want = append(want, fmt.Sprint(i))
			publish(t, pubsub, want[i])
			synctest.Wait() // GoChannel sends on a goroutine per message
		}
		pass(time.Minute)
		if !slices.Equal(seen, want) {
			t.Errorf("handled as %v", seen)
		}
	})
}

func TestFromBoundsWhatIsInFlight(t *testing.T) {
	for _, limit := range []int{0, 1, 3} {
		t.Run(fmt.Sprint(limit), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				pubsub := engine(t)
				var held []*message.Completion
				from(t, pubsub, func(_ context.Context, m message.Raw) error {
					m.Done.Hold()
					held = append(held, m.Done)
					return nil
				}, watermilladapter.FromConfig{InFlight: limit})
				publish(t, pubsub, "a", "b", "c", "d", "e", "f")
				synctest.Wait()
				if len(held) != max(1, limit) {
					t.Errorf("%d in flight", len(held))
				}
				for i := 0; i < len(held); i++ {
					held[i].Release(nil)
					synctest.Wait()
				}
				if len(held) != 6 {
					t.Errorf("%d handled", len(held))
				}
			})
		})
	}
}

func TestFromRefusesAtTheDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sub := fakeSubscriber{out: make(chan *wmessage.Message, 2)}
		var calls atomic.Int32
		causes := make(chan error, 2)
		from(t, sub, func(ctx context.Context, _ message.Raw) error {
			calls.Add(1)
			<-ctx.Done()
			causes <- context.Cause(ctx)
			time.Sleep(time.Hour) // does not stop when told to
			return nil
		}, watermilladapter.FromConfig{AckDeadline: time.Minute})
		m := wmessage.NewMessage("1", nil)
		sub.out <- m
		sub.out <- wmessage.NewMessage("2", nil)
		pass(59 * time.Second)
		if got := state(m); got != "open" {
			t.Errorf("settled by %s before the deadline", got)
		}
		pass(2 * time.Second)
		cause := <-causes
		if got := state(m); got != "nack" || message.Public(cause).Code != message.CodeTimeout {
			t.Errorf("settled by %s, the handler was told %v", got, cause)
		}
		if calls.Load() != 1 {
			t.Error("the next message began before the late handler was done")
		}
		pass(time.Hour)
		if calls.Load() != 2 {
			t.Error("the next message never began")
		}
		pass(2 * time.Hour)
	})
}

func TestSourceEndsWithItsEngine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pubsub := gochannel.NewGoChannel(gochannel.Config{}, nil)
		source := from(t, pubsub, accept, watermilladapter.FromConfig{})
		if err := pubsub.Close(); err != nil {
			t.Fatal(err)
		}
		if err := source.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestFromReturnsTheSubscribersError(t *testing.T) {
	cause := errors.New("no such topic")
	_, err := watermilladapter.From(t.Context(), fakeSubscriber{err: cause}, "orders", rawFunc(accept), watermilladapter.FromConfig{})
	if !errors.Is(err, cause) {
		t.Error(err)
	}
	mustPanic(t, func() {
		_, _ = watermilladapter.From(t.Context(), nil, "orders", rawFunc(accept), watermilladapter.FromConfig{})
	})
	mustPanic(t, func() {
		_, _ = watermilladapter.From(t.Context(), fakeSubscriber{}, "orders", nil, watermilladapter.FromConfig{})
	})
	mustPanic(t, func() {
		_, _ = watermilladapter.From(t.Context(), fakeSubscriber{}, "orders", rawFunc(accept), watermilladapter.FromConfig{InFlight: -1})
	})
}
