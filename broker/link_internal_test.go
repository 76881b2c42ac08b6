package broker

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/headrace/headrace/message"
)

// slow is an engine that does what a test says.
type slow struct {
	calls   atomic.Int64
	publish func(ctx context.Context, e Envelope) error
	receive func(context.Context, Envelope) error
}

func (s *slow) Publish(ctx context.Context, _ string, e Envelope) error {
	s.calls.Add(1)
	return s.publish(ctx, e)
}

func (s *slow) Subscribe(ctx context.Context, _, _ string, receive func(context.Context, Envelope) error) (func(), error) {
	s.receive = receive
	if s.publish != nil {
		return nil, s.publish(ctx, Envelope{})
	}
	return func() {}, nil
}

func (s *slow) Watch(changed func(bool)) func() { changed(true); return func() {} }
func (s *slow) Features() Features              { return Features{} }

// after answers after a while, or when the caller has no more time.
func after(d time.Duration, err error) func(context.Context, Envelope) error {
	return func(ctx context.Context, _ Envelope) error {
		select {
		case <-time.After(d):
			return err
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func wantCodeOf(t *testing.T, err error, code message.Code) {
	t.Helper()
	if e, ok := errors.AsType[*message.Error](err); !ok || e.Code != code {
		t.Errorf("err = %v, want %s", err, code)
	}
}

func TestLinkPublish(t *testing.T) {
	var got []Envelope
	engine := &slow{publish: func(_ context.Context, e Envelope) error { got = append(got, e); return nil }}
	l := newLink(engine, "a", slog.Default)
	for _, e := range []Envelope{{}, {}, {ID: "mine", Origin: "forged", Done: message.NewCompletion(message.Stored, func(error) {})}} {
		if err := l.publish(t.Context(), "/topic/x", e); err != nil {
			t.Fatal(err)
		}
	}
	if got[0].ID == "" || got[0].ID == got[1].ID || got[2].ID != "mine" {
		t.Errorf("the ids are %q, %q, %q", got[0].ID, got[1].ID, got[2].ID)
	}
	for _, e := range got {
		if e.Origin != "a" || e.Done != nil {
			t.Errorf("the engine has %v", e)
		}
	}
	again := newLink(engine, "a", slog.Default) // another process of the same name
	if err := again.publish(t.Context(), "/topic/x", Envelope{}); err != nil || got[3].ID == got[0].ID {
		t.Errorf("another process used the id %q again, %v", got[3].ID, err)
	}
	if a, b := newLink(engine, "", slog.Default).node, newLink(engine, "", slog.Default).node; len(a) < 26 || a == b || strings.ToLower(a) != a {
		t.Errorf("two nodes without a name are %q and %q", a, b)
	}
}

// An engine that does not answer costs 10 s, or what the caller has.
func TestLinkHasALimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLink(&slow{publish: after(time.Hour, nil)}, "a", slog.Default)
		for _, tt := range []struct{ given, want time.Duration }{{time.Minute, 10 * time.Second}, {3 * time.Second, 3 * time.Second}} {
			ctx, cancel := context.WithTimeout(t.Context(), tt.given)
			begun := time.Now()
			wantCodeOf(t, l.publish(ctx, "x", Envelope{}), message.CodeUnavailable)
			if took := time.Since(begun); took != tt.want {
				t.Errorf("took %v, want %v", took, tt.want)
			}
			cancel()
		}
		begun := time.Now()
		_, err := l.subscribe(t.Context(), "x", "", nil)
		wantCodeOf(t, err, message.CodeUnavailable)
		if took := time.Since(begun); took != 10*time.Second {
			t.Errorf("subscribe took %v, want 10s", took)
		}
	})
}

// After five failures in a row everything fails at once for a second; then one at a
// time tries, and when that goes well all do.
func TestLinkBreaksTheCircuit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var down atomic.Bool
		engine := &slow{publish: func(context.Context, Envelope) error {
			time.Sleep(100 * time.Millisecond)
			if down.Load() {
				return errors.New("no route to host")
			}
			return nil
		}}
		l := newLink(engine, "a", slog.Default)
		publish := func(n int) (calls int64) { // n side by side
			before := engine.calls.Load()
			var wg sync.WaitGroup
			for range n {
				wg.Go(func() {
					if err := l.publish(t.Context(), "x", Envelope{}); (err != nil) != down.Load() {
						t.Errorf("err = %v, and the engine is down: %v", err, down.Load())
					} else if err != nil {
						wantCodeOf(t, err, message.CodeUnavailable)
					}
				})
			}
			wg.Wait()
			return engine.calls.Load() - before
		}
		down.Store(true)
		for range fuseFailures - 1 {
			publish(1)
		}
		down.Store(false)
		publish(1) // which ends the row
		down.Store(true)
		for i := range fuseFailures {
			if n := publish(1); n != 1 {
				t.Fatalf("the engine is not asked after %d failures", i)
			}
		}
		begun := time.Now()
		if n := publish(100); n != 0 || time.Since(begun) != 0 {
			t.Errorf("the engine was asked %d times within %v, want at once and not at all", n, time.Since(begun))
		}
		time.Sleep(time.Second)
		if n := publish(100); n != 1 {
			t.Errorf("the engine was asked %d times by 100 after the pause, want once", n)
		}
		if n := publish(1); n != 0 {
			t.Error("the engine was asked right after it had failed again")
		}
		time.Sleep(time.Second)
		down.Store(false)
		publish(1)
		if n := publish(100); n != 100 {
			t.Errorf("the engine was asked %d times of 100, and it is back", n)
		}
	})
}

// What says nothing of the engine does not break the circuit: a caller who has no time,
// and a message that the engine refuses.
func TestLinkDoesNotBlameTheEngine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		refusal := message.Errorf(message.CodeTooLarge, "too large")
		engine := &slow{publish: after(time.Millisecond, refusal)}
		l := newLink(engine, "a", slog.Default)
		for range 2 * fuseFailures {
			wantCodeOf(t, l.publish(t.Context(), "x", Envelope{}), message.CodeTooLarge)
		}
		engine.publish = after(time.Hour, nil)
		for range 2 * fuseFailures {
			ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
			if err := l.publish(ctx, "x", Envelope{}); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("err = %v", err)
			}
			cancel()
		}
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		wantCodeOf(t, l.publish(gone, "x", Envelope{}), message.CodeUnavailable)
		if n := engine.calls.Load(); n != 4*fuseFailures {
			t.Errorf("the engine was asked %d times", n)
		}
		engine.publish = after(0, nil)
		if err := l.publish(t.Context(), "x", Envelope{}); err != nil {
			t.Errorf("the circuit is broken: %v", err)
		}
	})
}

// Callers who have no time do not hide that the engine fails, nor mend what is broken.
func TestLinkIsNotMendedByTheHasty(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		engine := &slow{}
		l := newLink(engine, "a", slog.Default)
		publish := func(answer func(context.Context, Envelope) error, given time.Duration) (asked bool) {
			engine.publish = answer
			before := engine.calls.Load()
			ctx, cancel := context.WithTimeout(t.Context(), given)
			defer cancel()
			_ = l.publish(ctx, "x", Envelope{})
			return engine.calls.Load() > before
		}
		down, silent := after(0, errors.New("no route to host")), after(time.Hour, nil)
		for range fuseFailures {
			publish(down, time.Minute)
			publish(silent, time.Millisecond)
		}
		publish(down, time.Minute)
		if publish(down, time.Minute) {
			t.Error("the circuit is not broken")
		}
		time.Sleep(fusePause)
		if !publish(silent, time.Millisecond) || !publish(down, time.Minute) {
			t.Error("nobody tries again after who had no time")
		}
		if publish(down, time.Minute) {
			t.Error("who had no time mended the circuit")
		}
	})
}

// R-25, in virtual time: an engine that answers after 2 s each is waited for by 1,024 at
// most, callers with less time have theirs and break the circuit, and what ends leaves
// room.
func TestR25SlowEngine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLink(&slow{publish: after(2*time.Second, nil)}, "a", slog.Default)
		crowd := func(n int, limit time.Duration) (ok, full, away int, took time.Duration) {
			var mu sync.Mutex
			var wg sync.WaitGroup
			begun := time.Now()
			for range n {
				wg.Go(func() {
					ctx, cancel := context.WithTimeout(t.Context(), limit)
					defer cancel()
					err := l.publish(ctx, "x", Envelope{})
					mu.Lock()
					defer mu.Unlock()
					switch {
					case err == nil:
						ok++
					case errors.Is(err, errSaturated):
						full++
					case errors.Is(err, errAway):
						away++
					}
				})
			}
			wg.Wait()
			return ok, full, away, time.Since(begun)
		}
		for range 2 {
			if ok, full, _, took := crowd(1500, time.Minute); ok != linkFlights || full != 1500-linkFlights || took != 2*time.Second {
				t.Errorf("of 1,500 in %v, %d went and %d found no room", took, ok, full)
			}
		}
		if _, _, away, took := crowd(100, time.Second); away != 100 || took != time.Second {
			t.Errorf("of 100 with a second each %d failed, in %v", away, took)
		}
		if _, _, away, took := crowd(100, time.Second); away != 100 || took != 0 {
			t.Errorf("of 100 more %d failed, in %v, want at once", away, took)
		}
	})
}

// What a node published comes back to it from the engine, and goes no further. A group
// gets all: one of its members does.
func TestLinkDropsItsEcho(t *testing.T) {
	for group, want := range map[string]string{"": "b", "g": "ab"} {
		engine := new(slow)
		got := ""
		stop, err := newLink(engine, "a", slog.Default).subscribe(t.Context(), "x", group, func(_ context.Context, e Envelope) error {
			got += e.Origin
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		for _, origin := range []string{"a", "b"} {
			if err := engine.receive(t.Context(), Envelope{Origin: origin}); err != nil {
				t.Error(err)
			}
		}
		stop()
		if got != want {
			t.Errorf("group %q: got what %q sent, want %q", group, got, want)
		}
	}
}

// A node that is started again under its name is no double of what it was.
func TestLinkOfANodeThatStartsAgain(t *testing.T) {
	seen := make(map[string]bool)
	engine := &slow{publish: func(_ context.Context, e Envelope) error {
		if seen[e.ID] {
			t.Errorf("the id %q was there before", e.ID)
		}
		seen[e.ID] = true
		return nil
	}}
	for range 3 {
		l := newLink(engine, "node-1", slog.Default)
		for range 10 {
			if err := l.publish(t.Context(), "x", Envelope{}); err != nil {
				t.Fatal(err)
			}
		}
	}
}
