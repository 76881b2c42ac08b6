package watermilladapter_test

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	wmessage "github.com/ThreeDotsLabs/watermill/message"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/watermilladapter"
)

func ignore(context.Context, broker.Envelope) error { return nil }

// TestBackplaneTellsOfMisses: what is published while a subscription is made again does not
// come, unless it is of a group.
func TestBackplaneTellsOfMisses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newGroupEngine(8)
		b := overEngine(t, e)
		var missed []string
		stop := b.WatchMisses(func(topic string) { missed = append(missed, topic) })
		subscribe(t, b, "g", ignore)
		unsubscribe := subscribe(t, b, "", ignore)
		e.breakAll()
		pass(time.Minute)
		if want := []string{"/topic/a", "/topic/a"}; !slices.Equal(missed, want) {
			t.Errorf("%q is told, want %q", missed, want)
		}
		stop()
		e.breakAll()
		pass(time.Minute)
		unsubscribe()
		pass(time.Minute)
		if len(missed) != 2 {
			t.Errorf("%q is told though nobody wants to know", missed)
		}
	})
}

// TestBackplaneTellsOfMissesInOrder: what a subscriber knows to have missed is told where
// that was.
func TestBackplaneTellsOfMissesInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sub := fakeSubscriber{out: make(chan *wmessage.Message)}
		b := overSubscriber(t, sub, watermilladapter.BackplaneConfig{})
		var came []string
		defer b.WatchMisses(func(topic string) { came = append(came, topic) })()
		subscribe(t, b, "", func(_ context.Context, e broker.Envelope) error { came = append(came, e.ID); return nil })
		first, second := published(t, broker.Envelope{ID: "1"}), published(t, broker.Envelope{ID: "2"})
		for _, m := range []*wmessage.Message{first, watermilladapter.Missed(), second} {
			sub.out <- m
			synctest.Wait()
			if got := state(m); got != "ack" {
				t.Errorf("settled by %s", got)
			}
		}
		if want := []string{"1", "/topic/a", "2"}; !slices.Equal(came, want) {
			t.Errorf("%q came, want %q", came, want)
		}
	})
}

// caller is a subscriber that calls, at once when it has subscribed.
type caller struct {
	fakeSubscriber
	greetings chan *wmessage.Message
	over      chan struct{}
}

func (c caller) Call(_ context.Context, _ string, handle func(*wmessage.Message)) (over <-chan struct{}, err error) {
	handle(<-c.greetings)
	return c.over, nil
}

// TestBackplaneTellsOfMissesToTheirEnd: what others publish until a subscription is made again
// is missed behind what its node publishes meanwhile, too. So it is told once more, ahead of
// what comes next.
func TestBackplaneTellsOfMissesToTheirEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sub := caller{fakeSubscriber{}, make(chan *wmessage.Message, 2), make(chan struct{})}
		b := overSubscriber(t, sub, watermilladapter.BackplaneConfig{})
		came := make(chan string, 8)
		defer b.WatchMisses(func(topic string) { came <- topic })()
		sub.greetings <- published(t, broker.Envelope{ID: "1"})
		subscribe(t, b, "", func(_ context.Context, e broker.Envelope) error { came <- e.ID; return nil })
		sub.over <- struct{}{}
		synctest.Wait()
		came <- "meanwhile"
		sub.greetings <- published(t, broker.Envelope{ID: "2"})
		pass(time.Second)
		for _, want := range []string{"1", "/topic/a", "meanwhile", "/topic/a", "2"} {
			if got := <-came; got != want {
				t.Errorf("%q came, want %q", got, want)
			}
		}
	})
}
