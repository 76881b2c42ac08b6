package messagetest_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/messagetest"
)

func TestLocalBackplane(t *testing.T) {
	engine := messagetest.NewBackplane()
	messagetest.Backplane(t, func(*testing.T) broker.Backplane { return engine })
}

func TestLocalBackplaneIsUnavailable(t *testing.T) {
	b := messagetest.NewBackplane()
	var told []bool
	stop := b.Watch(func(available bool) { told = append(told, available) })
	nothing := func(context.Context, broker.Envelope) error { return nil }
	for _, available := range []bool{true, false, false, true} {
		b.SetAvailable(available)
		err := b.Publish(t.Context(), "a", broker.Envelope{})
		unsubscribe, err2 := b.Subscribe(t.Context(), "a", "", nothing)
		if available {
			if err != nil || err2 != nil {
				t.Fatalf("publish: %v, subscribe: %v", err, err2)
			}
			unsubscribe()
		} else if code(err) != message.CodeUnavailable || code(err2) != message.CodeUnavailable {
			t.Errorf("publish: %v, subscribe: %v, want %s", err, err2, message.CodeUnavailable)
		}
	}
	stop()
	b.SetAvailable(false)
	if want := []bool{true, false, true}; !slices.Equal(told, want) {
		t.Errorf("told %v, want %v", told, want)
	}
}

// Whoever publishes waits for whoever does not receive, as long as his context says.
func TestLocalBackplaneIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := messagetest.NewBackplane()
		free := make(chan struct{})
		var got atomic.Int64
		stop, err := b.Subscribe(t.Context(), "a", "", func(ctx context.Context, _ broker.Envelope) error {
			select {
			case <-free:
			case <-ctx.Done():
			}
			got.Add(1)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		for range 1 + 1024 {
			if err := b.Publish(t.Context(), "a", broker.Envelope{}); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		publish := func() error { return b.Publish(ctx, "a", broker.Envelope{}) }
		if err := publish(); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("publish without room: %v", err)
		}
		waiting := make(chan error, 1)
		go func() { waiting <- b.Publish(t.Context(), "a", broker.Envelope{}) }()
		synctest.Wait()
		if err := publish(); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("publish while another one waits for room: %v", err)
		}
		stop()
		if err := <-waiting; err != nil {
			t.Errorf("publish to a subscription that ends: %v", err)
		}
		if n := got.Load(); n != 1 {
			t.Errorf("received %d times until unsubscribe", n)
		}
		close(free)
	})
}

// What waits for a group stays when one of its members goes.
func TestLocalBackplaneGroupKeepsWhatWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := messagetest.NewBackplane()
		var got []string
		receive := func(ctx context.Context, e broker.Envelope) error {
			<-ctx.Done() // the member is stuck with its first envelope
			got = append(got, e.ID)
			return nil
		}
		first, err := b.Subscribe(t.Context(), "a", "g", receive)
		if err != nil {
			t.Fatal(err)
		}
		for i := range 3 {
			if err := b.Publish(t.Context(), "a", broker.Envelope{ID: fmt.Sprint(i)}); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		second, err := b.Subscribe(t.Context(), "a", "g", func(_ context.Context, e broker.Envelope) error {
			got = append(got, e.ID)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		first()
		second()
		if want := []string{"1", "2", "0"}; !slices.Equal(got, want) {
			t.Errorf("received %q, want %q", got, want)
		}
	})
}

// A group has what was published before its first member came, and while it has none.
func TestLocalBackplaneGroupHasABacklog(t *testing.T) {
	b := messagetest.NewBackplane()
	publish := func(ids ...string) {
		for _, id := range ids {
			if err := b.Publish(t.Context(), "a", broker.Envelope{ID: id}); err != nil {
				t.Fatal(err)
			}
		}
	}
	member := func(want ...string) {
		t.Helper()
		got := make(chan string, 10)
		stop, err := b.Subscribe(t.Context(), "a", "g", func(_ context.Context, e broker.Envelope) error {
			got <- e.ID
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		defer stop()
		for _, id := range want {
			if g := <-got; g != id {
				t.Fatalf("received %s, want %s", g, id)
			}
		}
	}
	publish("1", "2")
	member("1", "2")
	publish("3")
	member("3")
}
