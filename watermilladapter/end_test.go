package watermilladapter_test

import (
	"context"
	"errors"
	"log/slog"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
	"weak"

	wmessage "github.com/ThreeDotsLabs/watermill/message"

	"github.com/headrace/headrace/channel"
	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/watermilladapter"
)

func TestShutdownDrains(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sub := fakeSubscriber{out: make(chan *wmessage.Message, 2)}
		var interrupted error
		source := from(t, sub, func(ctx context.Context, m message.Raw) error {
			m.Done.Hold()
			go func() {
				time.Sleep(time.Second)
				interrupted = ctx.Err()
				m.Done.Release(nil)
			}()
			return nil
		}, watermilladapter.FromConfig{})
		first, second := wmessage.NewMessage("1", nil), wmessage.NewMessage("2", nil)
		sub.out <- first
		sub.out <- second
		synctest.Wait()

		short, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		if err := source.Shutdown(short); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a shutdown without enough time: %v", err)
		}
		if err := source.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		if got := state(first); got != "ack" || interrupted != nil {
			t.Errorf("under way: settled by %s, context %v", got, interrupted)
		}
		if got := state(second); got != "nack" {
			t.Errorf("not begun: settled by %s", got)
		}
	})
}

func TestCloseCancelsAHandlerThatRunsWithinHandle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sub := fakeSubscriber{out: make(chan *wmessage.Message)} // its messages have contexts without an end
		ended := false
		source := from(t, sub, func(ctx context.Context, _ message.Raw) error {
			<-ctx.Done()
			ended = true
			return ctx.Err()
		}, watermilladapter.FromConfig{AckDeadline: -1})
		sub.out <- wmessage.NewMessage("1", nil)
		synctest.Wait()
		start := time.Now()
		source.Close()
		if !ended {
			t.Error("Close did not wait for the handler")
		}
		if after := time.Since(start); after != 0 {
			t.Errorf("Close waited %v to refuse what its handler refused", after)
		}
		source.Close()
		if err := source.Shutdown(t.Context()); err != nil {
			t.Errorf("Shutdown after Close: %v", err)
		}
	})
}

func TestCloseRefusesAtOnceWhatIsDelayed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sub := fakeSubscriber{out: make(chan *wmessage.Message)}
		broken := func(context.Context, message.Raw) error { return errors.New("broken") }
		source := from(t, sub, broken, watermilladapter.FromConfig{NackDelay: time.Hour})
		m := wmessage.NewMessage("1", nil)
		sub.out <- m
		synctest.Wait()
		if got := state(m); got != "open" {
			t.Errorf("settled by %s before the delay", got)
		}
		start := time.Now()
		source.Close()
		if got, after := state(m), time.Since(start); got != "nack" || after != 0 {
			t.Errorf("settled by %s, closed after %v", got, after)
		}
	})
}

// TestNothingIsLeftOfAMessageThatWasHandled: neither its deadline, which would
// hold up Shutdown, nor a second refusal.
func TestNothingIsLeftOfAMessageThatWasHandled(t *testing.T) {
	for name, outcome := range map[string]error{"success": nil, "failure": errors.New("broken")} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				sub := fakeSubscriber{out: make(chan *wmessage.Message)}
				h := func(context.Context, message.Raw) error { return outcome }
				source := from(t, sub, h, watermilladapter.FromConfig{AckDeadline: time.Minute, NackDelay: time.Second})
				sub.out <- wmessage.NewMessage("1", nil)
				pass(time.Second)
				start := time.Now()
				if err := source.Shutdown(t.Context()); err != nil {
					t.Error(err)
				}
				if after := time.Since(start); after != 0 {
					t.Errorf("Shutdown waited %v", after)
				}
			})
		})
	}
}

// TestTheSourceForgetsWhatIsSettled: a source that lives long holds only what is
// under way.
func TestTheSourceForgetsWhatIsSettled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sub := fakeSubscriber{out: make(chan *wmessage.Message)}
		from(t, sub, accept, watermilladapter.FromConfig{AckDeadline: -1}) // a timer that is stopped lets go late
		send := func() weak.Pointer[wmessage.Message] {
			m := wmessage.NewMessage("1", nil)
			sub.out <- m
			return weak.Make(m)
		}
		var sent []weak.Pointer[wmessage.Message]
		for range 10 {
			sent = append(sent, send())
		}
		synctest.Wait()
		runtime.GC()
		held := 0
		for _, m := range sent {
			if m.Value() != nil {
				held++
			}
		}
		if held > 1 { // the last may still be on the stack of the source
			t.Errorf("%d messages that were handled are still held", held)
		}
	})
}

// slowLog takes an hour for every record.
type slowLog struct {
	slog.Handler
	written atomic.Bool
}

func (h *slowLog) Handle(context.Context, slog.Record) error {
	time.Sleep(time.Hour)
	h.written.Store(true)
	return nil
}

// TestCloseJoinsADeadlineAtWork: what the deadline began ends before Close does.
func TestCloseJoinsADeadlineAtWork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := &slowLog{Handler: quiet.Handler()}
		sub := fakeSubscriber{out: make(chan *wmessage.Message)}
		later := func(_ context.Context, m message.Raw) error { m.Done.Hold(); return nil }
		source := from(t, sub, later, watermilladapter.FromConfig{AckDeadline: time.Minute, Logger: slog.New(log)})
		sub.out <- wmessage.NewMessage("1", nil)
		pass(time.Minute)
		source.Close()
		if !log.written.Load() {
			t.Error("Close returned while the deadline was being told of")
		}
	})
}

// TestNackDelayMayBeLongerThanTheDeadline: the deadline is for the handler.
func TestNackDelayMayBeLongerThanTheDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sub := fakeSubscriber{out: make(chan *wmessage.Message)}
		broken := func(context.Context, message.Raw) error { return errors.New("broken") }
		from(t, sub, broken, watermilladapter.FromConfig{AckDeadline: time.Second, NackDelay: time.Minute})
		m := wmessage.NewMessage("1", nil)
		sub.out <- m
		pass(time.Minute - 1)
		if got := state(m); got != "open" {
			t.Errorf("settled by %s before the delay", got)
		}
		pass(1)
		if got := state(m); got != "nack" {
			t.Errorf("settled by %s", got)
		}
	})
}

// TestBehindAnExecutorTheMessageIsRefusedAndTheHandlerIsNotTold: neither by the
// deadline nor by Close. Its context is the executor's, and nothing is left
// when the handler is done at last.
func TestBehindAnExecutorTheMessageIsRefusedAndTheHandlerIsNotTold(t *testing.T) {
	for name, end := range map[string]func(*watermilladapter.Source){
		"deadline": func(*watermilladapter.Source) { pass(time.Minute) },
		"close":    (*watermilladapter.Source).Close,
	} {
		for result, outcome := range map[string]error{"success": nil, "failure": errors.New("broken")} {
			t.Run(name+"/"+result, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					orders := channel.NewExecutorChannel(channel.Config[[]byte]{Name: "orders", Logger: quiet})
					defer orders.Close()
					release := make(chan struct{})
					var told error
					channel.SubscribeFunc(orders, func(ctx context.Context, _ message.Raw) error {
						<-release
						told = ctx.Err()
						return outcome
					})
					sub := fakeSubscriber{out: make(chan *wmessage.Message)}
					source := from(t, sub, orders.Handle, watermilladapter.FromConfig{AckDeadline: time.Minute})
					m := wmessage.NewMessage("1", nil)
					sub.out <- m
					synctest.Wait()
					end(source)
					if got := state(m); got != "nack" {
						t.Errorf("settled by %s", got)
					}
					close(release)
					synctest.Wait()
					if told != nil {
						t.Errorf("the handler was told %v", told)
					}
					source.Close()
				})
			})
		}
	}
}

// TestShutdownOfWhatIsOver: it is, whatever became of the context.
func TestShutdownOfWhatIsOver(t *testing.T) {
	source := from(t, engine(t), accept, watermilladapter.FromConfig{})
	source.Close()
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for range 100 { // a select would toss a coin
		if err := source.Shutdown(ended); err != nil {
			t.Fatal(err)
		}
	}
}

// TestTheEngineTakesTheLastAcknowledgement: a subscription does not end before, and
// waits for one that takes nothing no longer than it must.
func TestTheEngineTakesTheLastAcknowledgement(t *testing.T) {
	broken := func(context.Context, message.Raw) error { return errors.New("broken") }
	for name, tt := range map[string]struct {
		h     rawFunc
		takes time.Duration
		want  time.Duration
	}{
		"an acknowledgement":               {accept, 300 * time.Millisecond, 300 * time.Millisecond},
		"an acknowledgement that is stuck": {accept, time.Hour, time.Second},
		"a refusal":                        {broken, 50 * time.Millisecond, 50 * time.Millisecond},
		"a refusal that is not told of":    {broken, time.Hour, 100 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				sub := fakeSubscriber{out: make(chan *wmessage.Message)}
				source := from(t, sub, tt.h, watermilladapter.FromConfig{NackDelay: -1})
				m := wmessage.NewMessage("1", nil)
				ctx, taken := context.WithCancel(t.Context())
				m.SetContext(ctx)
				go func() {
					defer taken()
					select {
					case <-m.Acked():
					case <-m.Nacked():
					}
					select {
					case <-time.After(tt.takes):
					case <-t.Context().Done():
					}
				}()
				sub.out <- m
				synctest.Wait()
				start := time.Now()
				if err := source.Shutdown(t.Context()); err != nil {
					t.Error(err)
				}
				if after := time.Since(start); after != tt.want {
					t.Errorf("the subscription ended after %v, want %v", after, tt.want)
				}
			})
		})
	}
}
