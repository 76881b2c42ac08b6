package message_test

import (
	"context"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/headrace/headrace/message"
)

// tape is a sink that notes what it is given.
type tape struct {
	mu  sync.Mutex
	got []string
}

func (t *tape) Deliver(_ context.Context, m message.Raw) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.got = append(t.got, m.Subscription+":"+string(m.Payload))
	return nil
}

func (t *tape) Close(error) {}

func (t *tape) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.Join(t.got, " ")
}

func data(subscription, payload string) message.Raw {
	return message.Raw{Subscription: subscription, Payload: []byte(payload)}
}

func mustHold(t *testing.T, s *message.Session, subscription string) *message.Hold {
	t.Helper()
	h, err := s.Hold(subscription)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func TestHold(t *testing.T) {
	ctx := t.Context()
	sink := new(tape)
	s := message.NewSession(sink, message.SessionInfo{})
	h := mustHold(t, s, "a")
	if _, err := s.Hold("a"); message.Public(err).Code != message.CodeConflict {
		t.Errorf("a second hold: %v", err)
	}
	s.Deliver(ctx, data("a", "1"))
	s.Deliver(ctx, data("b", "x"))
	s.Deliver(ctx, data("a", "2"))
	s.Deliver(ctx, message.Raw{Kind: message.KindError, Subscription: "a", Payload: []byte("error")})
	s.Deliver(ctx, data("a", "3"))
	if err := s.Deliver(h.Opening(ctx, func(m message.Raw) bool { return string(m.Payload) < "2" }), data("a", "snapshot")); err != nil {
		t.Fatal(err)
	}
	s.Deliver(ctx, data("a", "4"))
	h.Cancel()
	s.Deliver(ctx, data("a", "5"))
	if got, want := sink.String(), "b:x a:error a:snapshot a:2 a:3 a:4 a:5"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestHoldCancel(t *testing.T) {
	ctx := t.Context()
	sink := new(tape)
	s := message.NewSession(sink, message.SessionInfo{})
	h := mustHold(t, s, "a")
	s.Deliver(ctx, data("a", "1"))
	h.Cancel()
	s.Deliver(ctx, data("a", "2"))
	mustHold(t, s, "a").Cancel()
	if got, want := sink.String(), "a:2"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// TestHoldRelease: a subscription that goes on as it was has lost nothing.
func TestHoldRelease(t *testing.T) {
	ctx := t.Context()
	sink := new(tape)
	s := message.NewSession(sink, message.SessionInfo{Budget: 2 << 10})
	h := mustHold(t, s, "a")
	s.Deliver(ctx, data("a", "1"))
	s.Deliver(ctx, data("a", "2"))
	if err := h.Release(ctx); err != nil {
		t.Error(err)
	}
	s.Deliver(ctx, data("a", "3"))
	if err := h.Release(ctx); err != nil {
		t.Error(err)
	}
	full := mustHold(t, s, "a")
	s.Deliver(ctx, data("a", strings.Repeat("x", 1<<10)))
	if err := full.Release(ctx); message.Public(err).Code != message.CodeFull {
		t.Errorf("released with %v although a message is missing", err)
	}
	s.Deliver(ctx, data("a", "4"))
	if got, want := sink.String(), "a:1 a:2 a:3 a:4"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// TestHoldStallsNobody: who delivers to a subscription does not wait for the
// program's function that looks at what was kept, and comes after all of it.
func TestHoldStallsNobody(t *testing.T) {
	ctx := t.Context()
	for _, end := range []string{"", "cancel", "release"} {
		t.Run(end, func(t *testing.T) {
			sink := new(tape)
			s := message.NewSession(sink, message.SessionInfo{})
			h := mustHold(t, s, "a")
			s.Deliver(ctx, data("a", "1"))
			s.Deliver(ctx, data("a", "2"))
			calls := 0
			opening := h.Opening(ctx, func(m message.Raw) bool {
				if calls++; calls == 1 {
					s.Deliver(ctx, data("a", "3"))
				}
				switch end {
				case "cancel":
					h.Cancel()
				case "release":
					h.Release(ctx)
				}
				return string(m.Payload) == "2"
			})
			if err := s.Deliver(opening, data("a", "snapshot")); err != nil {
				t.Error(err)
			}
			s.Deliver(ctx, data("a", "4"))
			want := "a:snapshot a:1 a:3 a:4"
			if end == "cancel" {
				want = "a:snapshot a:4"
			}
			if got := sink.String(); got != want {
				t.Errorf("got %s, want %s", got, want)
			}
		})
	}
}

// TestHoldIsBounded by half of the session's budget, with the opening message.
func TestHoldIsBounded(t *testing.T) {
	ctx := t.Context()
	for _, tt := range []struct {
		name                 string
		budget, kept, during int // budget and messages kept, in KiB
		snapshot             int // KiB
		want                 bool
	}{
		{"nothing said", 0, 200, 0, 1, true},
		{"nothing said, full", 0, 256, 0, 1, false},
		{"small", 64, 20, 0, 1, true},
		{"small, full", 64, 32, 0, 1, false},
		{"with a large snapshot", 64, 20, 0, 16, false},
		{"a snapshot alone", 64, 0, 0, 50, true},
		{"while it is opened", 64, 10, 10, 1, true},
		{"while it is opened, full", 64, 10, 20, 1, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			sink := new(tape)
			s := message.NewSession(sink, message.SessionInfo{Budget: tt.budget << 10})
			h := mustHold(t, s, "a")
			deliver := func(n int) (err error) {
				for range n {
					err = s.Deliver(ctx, data("a", strings.Repeat("x", 1<<10)))
				}
				return err
			}
			deliver(tt.kept)
			opening := h.Opening(ctx, func(message.Raw) bool { deliver(tt.during); tt.during = 0; return false })
			err := s.Deliver(opening, data("a", strings.Repeat("s", tt.snapshot<<10)))
			switch {
			case tt.want && err != nil:
				t.Error(err)
			case !tt.want && (err == nil || message.Public(err).Code != message.CodeFull):
				t.Errorf("opened with %v although messages are missing", err)
			case !tt.want && sink.String() != "":
				t.Error("a part was delivered")
			}
			if err := deliver(1); (err == nil) != tt.want {
				t.Errorf("the next one: %v", err)
			}
		})
	}
}

// TestHoldLeavesNoGap lets a publisher count while subscriptions are held and
// opened.
func TestHoldLeavesNoGap(t *testing.T) {
	ctx := t.Context()
	const subscriptions = 50
	sinks := make([]*tape, subscriptions)
	sessions := make([]*message.Session, subscriptions)
	for i := range sessions {
		sinks[i] = new(tape)
		sessions[i] = message.NewSession(sinks[i], message.SessionInfo{Budget: 1 << 30}) // the publisher waits for nobody
	}
	var (
		mu    sync.Mutex // what is published and whom it reaches
		count int
		live  []*message.Session
	)
	publish := func() {
		mu.Lock()
		defer mu.Unlock()
		count++
		for _, s := range live {
			s.Deliver(ctx, data("a", strconv.Itoa(count)))
		}
	}
	stop := make(chan struct{})
	var publisher sync.WaitGroup
	publisher.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				publish()
			}
		}
	})
	var clients sync.WaitGroup
	for _, s := range sessions {
		clients.Go(func() {
			h, err := s.Hold("a")
			if err != nil {
				t.Error(err)
				return
			}
			mu.Lock()
			live = append(live, s)
			mu.Unlock()
			mu.Lock()
			n := count
			mu.Unlock()
			seen := func(m message.Raw) bool { k, _ := strconv.Atoi(string(m.Payload)); return k <= n }
			if err := s.Deliver(h.Opening(ctx, seen), data("a", strconv.Itoa(n))); err != nil {
				t.Error(err)
			}
		})
	}
	clients.Wait()
	close(stop)
	publisher.Wait()
	publish()
	for i, sink := range sinks {
		last := -1
		for _, line := range sink.got {
			n, _ := strconv.Atoi(strings.TrimPrefix(line, "a:"))
			if last >= 0 && n != last+1 {
				t.Fatalf("subscription %d: %d came after %d", i, n, last)
			}
			last = n
		}
		if last != count {
			t.Errorf("subscription %d ends with %d of %d", i, last, count)
		}
	}
}

// What is kept is bounded with its headers.
func TestHoldCountsHeaders(t *testing.T) {
	s := message.NewSession(discard{}, message.SessionInfo{})
	if _, err := s.Hold("1"); err != nil {
		t.Fatal(err)
	}
	m := message.Raw{Subscription: "1", Header: message.NewHeader(message.Field{Name: "a", Value: strings.Repeat("x", 60<<10)})}
	for i := range 20 {
		if err := s.Deliver(t.Context(), m); (err != nil) != (i >= 4) {
			t.Fatalf("message %d: %v", i, err)
		}
	}
}

type discard struct{}

func (discard) Deliver(context.Context, message.Raw) error { return nil }
func (discard) Close(error)                                {}
