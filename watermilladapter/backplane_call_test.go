package watermilladapter_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	wmessage "github.com/ThreeDotsLabs/watermill/message"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/messagetest"
	"github.com/headrace/headrace/watermilladapter"
)

// callingSubscriber calls, where it is asked to.
type callingSubscriber struct{ *groupSubscriber }

func (s callingSubscriber) Call(ctx context.Context, topic string, handle func(*wmessage.Message)) (<-chan struct{}, error) {
	messages, err := s.Subscribe(ctx, topic)
	if err != nil {
		return nil, err
	}
	over := make(chan struct{})
	s.running.Go(func() {
		defer close(over)
		for m := range messages {
			handle(m)
			m.Ack()
		}
	})
	return over, nil
}

// overCalls is a backplane over an engine that calls.
func overCalls(t *testing.T, e *groupEngine, c watermilladapter.BackplaneConfig) *watermilladapter.Backplane {
	c.Publisher = e
	c.Subscriber = func(topic, group string) (wmessage.Subscriber, error) {
		s, err := e.subscriber(topic, group)
		if err != nil {
			return nil, err
		}
		return callingSubscriber{s.(*groupSubscriber)}, nil
	}
	c.Features = broker.Features{Ordered: true, Queues: true, Backlog: true, Acks: true}
	return backplane(t, c)
}

func TestBackplaneOverAnEngineThatCalls(t *testing.T) {
	e := newGroupEngine(8)
	messagetest.Backplane(t, func(t *testing.T) broker.Backplane { return overCalls(t, e, watermilladapter.BackplaneConfig{}) })
}

// TestBackplaneCallInsists: what failed is handled again, before what comes next, until
// that succeeds or the subscription ends.
func TestBackplaneCallInsists(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log strings.Builder
		var mu sync.Mutex
		came := ""
		got := func() string {
			mu.Lock()
			defer mu.Unlock()
			return came
		}
		b := overCalls(t, newGroupEngine(8), watermilladapter.BackplaneConfig{Logger: logger(&log)})
		unsubscribe := subscribe(t, b, "", func(_ context.Context, e broker.Envelope) error {
			mu.Lock()
			defer mu.Unlock()
			came += e.ID
			switch {
			case e.ID == "2":
				return message.ErrDropped
			case e.ID == "3" || came == "1":
				panic("boom")
			}
			return nil
		})
		send(t, b, "1", "2", "3")
		pass(100*time.Millisecond - 1)
		if got() != "1" {
			t.Errorf("%s came at once", got())
		}
		pass(1)
		if got() != "1123" {
			t.Errorf("%s came", got())
		}
		unsubscribe()
		pass(time.Second)
		if got() != "1123" {
			t.Errorf("%s came", got())
		}
		if text := log.String(); strings.Count(text, "message failed") != 2 || !strings.Contains(text, "stack=") {
			t.Errorf("logged %s", text)
		}
	})
}

// TestBackplaneCallIsMadeAgain.
func TestBackplaneCallIsMadeAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log strings.Builder
		e := newGroupEngine(8)
		b := overCalls(t, e, watermilladapter.BackplaneConfig{Logger: logger(&log)})
		came := 0
		subscribe(t, b, "", func(context.Context, broker.Envelope) error { came++; return nil })
		send(t, b, "1")
		pass(1)
		e.breakAll()
		pass(time.Second)
		send(t, b, "2")
		pass(1)
		if made, open := e.counts(); came != 2 || made != 2 || open != 1 {
			t.Errorf("%d came, %d subscribers were made, %d are open", came, made, open)
		}
		if text := log.String(); !strings.Contains(text, "subscription ended") || !strings.Contains(text, "made again") {
			t.Errorf("logged %s", text)
		}
	})
}

// leavingSubscriber notes what was open when it was told to leave.
type leavingSubscriber struct {
	fakeSubscriber
	left func()
}

func (s leavingSubscriber) Leave() { s.left() }

// TestBackplaneLeavesBeforeItRefuses.
func TestBackplaneLeavesBeforeItRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, left := published(t, broker.Envelope{ID: "1"}), 0
		sub := leavingSubscriber{fakeSubscriber: fakeSubscriber{out: make(chan *wmessage.Message)}}
		sub.left = func() {
			if left++; state(m) != "open" {
				t.Error("it is refused before")
			}
		}
		b := overSubscriber(t, sub, watermilladapter.BackplaneConfig{})
		unsubscribe := subscribe(t, b, "g", func(_ context.Context, e broker.Envelope) error { e.Done.Hold(); return nil })
		sub.out <- m
		pass(1)
		unsubscribe()
		pass(time.Second)
		if left != 1 || state(m) != "nack" {
			t.Errorf("left %d times, and the message is settled by %s", left, state(m))
		}
	})
}
