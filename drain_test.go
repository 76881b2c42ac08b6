package headrace_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/headrace/headrace"
	"github.com/headrace/headrace/channel"
	"github.com/headrace/headrace/handler"
	"github.com/headrace/headrace/message"
)

// under is a node with messages under way, each of a session of its own, and how they
// ended.
type under struct {
	*headrace.Node
	mu       sync.Mutex
	last     time.Time // when a handler ended
	outcomes []error
}

func (u *under) send(t *testing.T, dest string) {
	t.Helper()
	s := message.NewSession(nil, message.SessionInfo{})
	done := message.NewCompletion(message.Handled, func(err error) {
		u.mu.Lock()
		defer u.mu.Unlock()
		u.last, u.outcomes = time.Now(), append(u.outcomes, err)
	})
	err := u.Inbound.Handle(s.Context(), message.Raw{Destination: dest, Session: s, Done: done})
	done.Release(err)
	if err != nil {
		t.Fatal(err)
	}
}

// drainOf sends 1,000 messages to handlers of 300 ms, and further ones, and shuts the
// node down within 10 s when the handlers run.
func drainOf(t *testing.T, further ...string) (u *under, handled, cancelled int64, err error) {
	u = &under{Node: headrace.New(headrace.Config{Logger: slog.New(slog.DiscardHandler)})}
	var finished, cut atomic.Int64
	handler.Consume(u.Router, "/work", func(ctx context.Context, _ struct{}) error {
		select {
		case <-time.After(300 * time.Millisecond):
			finished.Add(1)
			return nil
		case <-ctx.Done():
			cut.Add(1)
			return ctx.Err()
		}
	})
	hang := make(chan struct{})
	handler.Consume(u.Router, "/hang", func(context.Context, struct{}) error { <-hang; return nil })
	for _, dest := range further {
		u.send(t, dest)
	}
	for range 1000 {
		u.send(t, "/app/work")
	}
	time.Sleep(50 * time.Millisecond) // all have got a worker
	if s := u.Stats().Inbound; s.Ready != 0 || s.UnderWay != int64(1000+len(further)) {
		t.Fatalf("not in flight: %+v", s)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	err = u.Shutdown(ctx)
	defer func() { close(hang); u.Close() }()
	return u, finished.Load(), cut.Load(), err
}

// What runs is finished, none of it cancelled, and the end comes with the last of it.
func TestDrainFinishesWhatRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u, finished, cancelled, err := drainOf(t)
		if err != nil || finished != 1000 || cancelled != 0 {
			t.Errorf("%d finished, %d cancelled: %v", finished, cancelled, err)
		}
		u.mu.Lock()
		defer u.mu.Unlock()
		if len(u.outcomes) != 1000 || slices.ContainsFunc(u.outcomes, func(err error) bool { return err != nil }) {
			t.Errorf("%d were told how it ended, some with an error", len(u.outcomes))
		}
		if late := time.Since(u.last); late > time.Second {
			t.Errorf("the end came %v after the last", late)
		}
	})
}

// A handler that hangs holds the others up no more than itself: the end comes with the
// deadline, and says where it hangs.
func TestDrainNamesWhatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		u, finished, cancelled, err := drainOf(t, "/app/hang")
		if took := time.Since(began); took != 10*time.Second+50*time.Millisecond {
			t.Errorf("took %v", took)
		}
		if finished != 1000 || cancelled != 0 {
			t.Errorf("%d finished, %d cancelled", finished, cancelled)
		}
		e, ok := errors.AsType[*channel.DrainError](err)
		if !ok || !errors.Is(err, context.DeadlineExceeded) || e.Channel != "inbound" || e.Left != 1 || !slices.Equal(e.Running, []string{"/app/hang"}) {
			t.Errorf("got %v", err)
		}
		if !strings.Contains(err.Error(), "/app/hang") {
			t.Errorf("it does not say where: %v", err)
		}
		u.Close()
	})
}
