package broker_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/messagetest"
)

// ender is what Memory and Users have in common.
type ender interface {
	Shutdown(context.Context) error
	Handle(context.Context, message.Raw) error
}

// hangs is what an engine does that does not answer.
func hangs(ctx context.Context, _ broker.Envelope) error {
	<-ctx.Done()
	return ctx.Err()
}

// slowLeave is an engine whose subscriptions take 3 s to end.
type slowLeave struct{ broker.Backplane }

func (s slowLeave) Subscribe(ctx context.Context, topic, group string, receive func(context.Context, broker.Envelope) error) (func(), error) {
	stop, err := s.Backplane.Subscribe(ctx, topic, group, receive)
	return func() { stop(); time.Sleep(3 * time.Second) }, err
}

// wantLate shuts b down and wants it to take just the second that it is given.
func wantLate(t *testing.T, b ender, texts ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	begun := time.Now()
	err := b.Shutdown(ctx)
	if took := time.Since(begun); took != time.Second {
		t.Errorf("it took %v", took)
	}
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("it returned %v", err)
	}
	for _, text := range texts {
		if err != nil && !strings.Contains(err.Error(), text) {
			t.Errorf("it says nothing of %s: %v", text, err)
		}
	}
	wantCode(t, b.Handle(t.Context(), message.Raw{Destination: "/user/kim/queue/x"}), message.CodeUnavailable)
}

// wantEnd wants that end returns after so long.
func wantEnd(t *testing.T, after time.Duration, end func()) {
	t.Helper()
	begun := time.Now()
	end()
	if took := time.Since(begun); took != after {
		t.Errorf("what was left took %v, want %v", took, after)
	}
}

// However little the engine answers, Shutdown takes no longer than its context lasts. It
// says what is left, and Close waits for it.
func TestShutdownDoesNotWaitForTheEngine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		engine := newGauge()
		b := broker.NewMemory(outbound, broker.Config{Backplane: slowLeave{engine}, Rules: []broker.Rule{{Mode: broker.Queue}}})
		a := ops{t, b}
		for i := range 20 {
			dest := fmt.Sprintf("/queue/%d", i)
			c := a.joined(dest, individual)
			a.sendNumbers(dest, 0, 3)
			c.wantDeliveries(t, "0", "1", "2")
			if i == 0 { // its giving back is under way already
				engine.publish = hangs
				a.must(a.disconnect(c))
				synctest.Wait()
				engine.publish = nil
			}
		}
		engine.publish = hangs
		wantLate(t, b, "60 messages", "20 topics")
		wantEnd(t, 6*time.Second, b.Close) // the one that was ending, then the others
		if n := b.Stats().Joined; n != 0 {
			t.Errorf("the node takes %d topics still", n)
		}
		engine.publish = nil
		other := node(t, engine, "b", broker.Rule{Mode: broker.Queue})
		for i := range 20 {
			other.joined(fmt.Sprintf("/queue/%d", i)).wantDeliveries(t, "0", "1", "2") // the engine has them still
		}
	})
}

// What an engine does not take back that is there is told as well.
func TestShutdownWithoutTheEngine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		engine := newGauge()
		b := broker.NewMemory(outbound, broker.Config{Backplane: engine, Rules: []broker.Rule{{Mode: broker.Queue}}})
		a := ops{t, b}
		c := a.joined("/queue/x", individual)
		a.sendNumbers("/queue/x", 0, 3)
		c.wantDeliveries(t, "0", "1", "2")
		engine.SetAvailable(false)
		for range 2 { // the second time too
			if err := b.Shutdown(t.Context()); err == nil || !strings.Contains(err.Error(), "3 messages of queues not given back") {
				t.Errorf("it returned %v", err)
			}
		}
	})
}

// The same holds for Users.
func TestUsersShutdownDoesNotWaitForTheEngine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		engine := newGauge()
		u := broker.NewUsers(outbound, broker.UsersConfig{Backplane: slowLeave{engine}})
		synctest.Wait()
		engine.mu.Lock()
		engine.publish = hangs
		engine.mu.Unlock()
		wantLate(t, u)
		wantEnd(t, 3*time.Second, u.Stop)
	})
}

// Where there is no engine to wait for, or one that is well, nothing is late, and what is
// shut down is closed.
func TestShutdownInTime(t *testing.T) {
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for name, tt := range map[string]struct {
		engine broker.Backplane
		ctx    context.Context
	}{
		"alone, with a context that has ended": {nil, ended},
		"with an engine":                       {messagetest.NewBackplane(), t.Context()},
	} {
		b := broker.NewMemory(outbound, broker.Config{Backplane: tt.engine})
		u := broker.NewUsers(outbound, broker.UsersConfig{Backplane: tt.engine})
		for _, e := range []ender{b, u} {
			if err := e.Shutdown(tt.ctx); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			wantCode(t, e.Handle(t.Context(), message.Raw{Destination: "/user/kim/queue/x"}), message.CodeUnavailable)
		}
	}
}
