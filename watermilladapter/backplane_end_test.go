package watermilladapter_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	wmessage "github.com/ThreeDotsLabs/watermill/message"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/watermilladapter"
)

// patientSubscriber subscribes only when it is told that nobody wants that any more.
type patientSubscriber struct {
	closed atomic.Int32
}

func (*patientSubscriber) Subscribe(ctx context.Context, _ string) (<-chan *wmessage.Message, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

func (s *patientSubscriber) Close() error {
	s.closed.Add(1)
	return nil
}

// TestBackplaneGivesUpWhatItWasSubscribing, and closes the subscriber of which
// nothing became.
func TestBackplaneGivesUpWhatItWasSubscribing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sub := new(patientSubscriber)
		b := overSubscriber(t, sub, watermilladapter.BackplaneConfig{})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := b.Subscribe(ctx, "/topic/a", "", nil); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("subscribe: %v", err)
		}
		b.Close()
		if n := sub.closed.Load(); n != 1 {
			t.Errorf("the subscriber was closed %d times", n)
		}
	})
}

// TestBackplaneReceivesNothingAfterUnsubscribe, however much is there.
func TestBackplaneReceivesNothingAfterUnsubscribe(t *testing.T) {
	m := published(t, broker.Envelope{})
	for range 200 {
		sub := fakeSubscriber{out: make(chan *wmessage.Message, 100)}
		b := overSubscriber(t, sub, watermilladapter.BackplaneConfig{})
		var calls atomic.Int32
		began := make(chan struct{}, 100)
		unsubscribe := subscribe(t, b, "", func(context.Context, broker.Envelope) error {
			calls.Add(1)
			began <- struct{}{}
			return nil
		})
		for range cap(sub.out) {
			sub.out <- m.Copy()
		}
		<-began
		unsubscribe()
		after := calls.Load()
		b.Close()
		if n := calls.Load() - after; n > 0 {
			t.Fatalf("receive was called %d times after unsubscribe", n)
		}
	}
}

// TestCloseWaitsUntilTheEngineTookARefusal of what is under way.
func TestCloseWaitsUntilTheEngineTookARefusal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sub := fakeSubscriber{out: make(chan *wmessage.Message)}
		source := from(t, sub, func(_ context.Context, m message.Raw) error { m.Done.Hold(); return nil }, watermilladapter.FromConfig{})
		m := wmessage.NewMessage("1", nil)
		ctx, taken := context.WithCancel(t.Context())
		m.SetContext(ctx)
		sub.out <- m
		synctest.Wait()
		go func() {
			<-m.Nacked()
			time.Sleep(50 * time.Millisecond)
			taken()
		}()
		start := time.Now()
		source.Close()
		if after := time.Since(start); after != 50*time.Millisecond {
			t.Errorf("closed after %v", after)
		}
	})
}

// TestBackplaneLogsFailuresAlone: that somebody else is to have a message is none.
func TestBackplaneLogsFailuresAlone(t *testing.T) {
	for code, failed := range map[message.Code]bool{message.CodeUnavailable: false, message.CodeInternal: true} {
		synctest.Test(t, func(t *testing.T) {
			var log bytes.Buffer
			e := newGroupEngine(8)
			b := backplane(t, watermilladapter.BackplaneConfig{
				Publisher: e, Subscriber: e.subscriber, Features: broker.Features{Queues: true},
				Logger: slog.New(slog.NewTextHandler(&log, nil)),
			})
			came := 0
			subscribe(t, b, "g", func(context.Context, broker.Envelope) error {
				if came++; came == 1 {
					return message.Errorf(code, "not here")
				}
				return nil
			})
			send(t, b, "1")
			time.Sleep(time.Second)
			synctest.Wait()
			if came != 2 {
				t.Errorf("%s: it came %d times", code, came)
			}
			if logged := strings.Contains(log.String(), "message failed"); logged != failed {
				t.Errorf("%s: logged %s", code, &log)
			}
		})
	}
}
