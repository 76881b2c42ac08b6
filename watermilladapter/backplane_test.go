package watermilladapter_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	wmessage "github.com/ThreeDotsLabs/watermill/message"
	"github.com/ThreeDotsLabs/watermill/pubsub/gochannel"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/messagetest"
	"github.com/headrace/headrace/watermilladapter"
)

// shared is a subscriber that several subscriptions have in common.
type shared struct{ wmessage.Subscriber }

func (shared) Close() error { return nil }

// backplane makes one that is closed with the test.
func backplane(t *testing.T, c watermilladapter.BackplaneConfig) *watermilladapter.Backplane {
	if c.Logger == nil {
		c.Logger = quiet
	}
	if c.Publisher == nil {
		c.Publisher = new(fakePublisher)
	}
	b := watermilladapter.NewBackplane(c)
	t.Cleanup(b.Close)
	return b
}

// overEngine is a backplane over an engine with groups.
func overEngine(t *testing.T, e *groupEngine) *watermilladapter.Backplane {
	return backplane(t, watermilladapter.BackplaneConfig{
		Publisher:  e,
		Subscriber: e.subscriber,
		Features:   broker.Features{Ordered: true, Queues: true, Backlog: true, Acks: true},
	})
}

// overSubscriber is a backplane whose subscriptions are all of sub.
func overSubscriber(t *testing.T, sub wmessage.Subscriber, c watermilladapter.BackplaneConfig) *watermilladapter.Backplane {
	c.Subscriber = func(string, string) (wmessage.Subscriber, error) { return sub, nil }
	c.Features.Queues = true
	return backplane(t, c)
}

// published is e as it is published.
func published(t *testing.T, e broker.Envelope) *wmessage.Message {
	t.Helper()
	var pub fakePublisher
	b := overSubscriber(t, fakeSubscriber{}, watermilladapter.BackplaneConfig{Publisher: &pub})
	if err := b.Publish(t.Context(), "/topic/a", e); err != nil {
		t.Fatal(err)
	}
	return pub.message
}

func subscribe(t *testing.T, b broker.Backplane, group string, receive func(context.Context, broker.Envelope) error) (unsubscribe func()) {
	t.Helper()
	unsubscribe, err := b.Subscribe(t.Context(), "/topic/a", group, receive)
	if err != nil {
		t.Fatal(err)
	}
	return unsubscribe
}

func send(t *testing.T, b broker.Backplane, ids ...string) {
	t.Helper()
	for _, id := range ids {
		if err := b.Publish(t.Context(), "/topic/a", broker.Envelope{ID: id, Destination: "/topic/a"}); err != nil {
			t.Fatal(err)
		}
	}
}

func code(err error) message.Code {
	if err == nil {
		return ""
	}
	return message.Public(err).Code
}

// TestBackplaneOverGoChannel: it has no groups, and keeps no order.
func TestBackplaneOverGoChannel(t *testing.T) {
	pubsub := gochannel.NewGoChannel(gochannel.Config{OutputChannelBuffer: 64}, nil)
	t.Cleanup(func() { _ = pubsub.Close() })
	messagetest.Backplane(t, func(t *testing.T) broker.Backplane {
		return backplane(t, watermilladapter.BackplaneConfig{
			Publisher:  pubsub,
			Subscriber: func(string, string) (wmessage.Subscriber, error) { return shared{pubsub}, nil },
		})
	})
}

func TestBackplaneOverAnEngineWithGroups(t *testing.T) {
	e := newGroupEngine(8)
	messagetest.Backplane(t, func(t *testing.T) broker.Backplane { return overEngine(t, e) })
}

func TestBackplaneWiring(t *testing.T) {
	subscribers := func(string, string) (wmessage.Subscriber, error) { return nil, nil }
	for name, c := range map[string]watermilladapter.BackplaneConfig{
		"publisher":  {Subscriber: subscribers},
		"subscriber": {Publisher: new(fakePublisher)},
		"in flight":  {Publisher: new(fakePublisher), Subscriber: subscribers, InFlight: -1},
		"pending":    {Publisher: new(fakePublisher), Subscriber: subscribers, Pending: -1},
	} {
		t.Run(name, func(t *testing.T) {
			mustPanic(t, func() { watermilladapter.NewBackplane(c) })
		})
	}
}

// TestBackplaneSettlesByOutcome: at once without a group, and with one when Done is
// released.
func TestBackplaneSettlesByOutcome(t *testing.T) {
	boom := func(context.Context, broker.Envelope) error { panic("boom") }
	for name, tt := range map[string]struct {
		group   string
		receive func(context.Context, broker.Envelope) error
		want    string
	}{
		"received": {"", func(_ context.Context, e broker.Envelope) error {
			if e.Done != nil {
				t.Error("an envelope without a group has a Done")
			}
			return nil
		}, "ack"},
		"dropped":             {"", func(context.Context, broker.Envelope) error { return message.ErrDropped }, "ack"},
		"failed":              {"", func(context.Context, broker.Envelope) error { return errAway }, "nack"},
		"panic":               {"", boom, "nack"},
		"received by a group": {"g", func(context.Context, broker.Envelope) error { return nil }, "ack"},
		"held":                {"g", func(_ context.Context, e broker.Envelope) error { e.Done.Hold(); return nil }, "open"},
		"released":            {"g", func(_ context.Context, e broker.Envelope) error { e.Done.Hold(); go e.Done.Release(nil); return nil }, "ack"},
		"refused": {"g", func(_ context.Context, e broker.Envelope) error {
			e.Done.Hold()
			go e.Done.Release(errAway)
			return nil
		}, "nack"},
		"failed in a group": {"g", func(context.Context, broker.Envelope) error { return errAway }, "nack"},
		"panic in a group":  {"g", boom, "nack"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				sub := fakeSubscriber{out: make(chan *wmessage.Message)}
				b := overSubscriber(t, sub, watermilladapter.BackplaneConfig{})
				unsubscribe := subscribe(t, b, tt.group, tt.receive)
				m := published(t, broker.Envelope{ID: "1"})
				sub.out <- m
				pass(100*time.Millisecond - 1)
				if got := state(m); got == "nack" || got != "open" && got != tt.want {
					t.Errorf("settled by %s before the delay", got)
				}
				pass(1)
				if got := state(m); got != tt.want {
					t.Errorf("settled by %s, want %s", got, tt.want)
				}
				unsubscribe()
				synctest.Wait()
				if got := state(m); got == "open" {
					t.Error("what was held is not refused with the subscription")
				}
			})
		})
	}
}

// TestBackplaneGroupHasSeveralUnderWay, as many as InFlight says; without a group
// there is one.
func TestBackplaneGroupHasSeveralUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sub := fakeSubscriber{out: make(chan *wmessage.Message, 10)}
		b := overSubscriber(t, sub, watermilladapter.BackplaneConfig{InFlight: 3})
		var held []*message.Completion
		subscribe(t, b, "g", func(_ context.Context, e broker.Envelope) error {
			e.Done.Hold()
			held = append(held, e.Done)
			return nil
		})
		for i := range 5 {
			sub.out <- published(t, broker.Envelope{ID: fmt.Sprint(i)})
		}
		synctest.Wait()
		if len(held) != 3 {
			t.Fatalf("%d under way, want 3", len(held))
		}
		held[1].Release(nil)
		synctest.Wait()
		if len(held) != 4 {
			t.Errorf("%d were received after one was settled, want 4", len(held))
		}
		for _, done := range held {
			done.Release(nil)
		}
	})
}

// TestBackplaneGroupGivesBackWhatItCannotSettle: another member gets it.
func TestBackplaneGroupGivesBackWhatItCannotSettle(t *testing.T) {
	for name, give := range map[string]func(unsubscribe func(), b *watermilladapter.Backplane){
		"unsubscribe": func(unsubscribe func(), _ *watermilladapter.Backplane) { unsubscribe() },
		"close":       func(_ func(), b *watermilladapter.Backplane) { b.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := newGroupEngine(8)
				a, b := overEngine(t, e), overEngine(t, e)
				unsubscribe := subscribe(t, a, "g", func(_ context.Context, e broker.Envelope) error { e.Done.Hold(); return nil })
				send(t, a, "1", "2", "3")
				synctest.Wait()
				var got []string
				subscribe(t, b, "g", func(_ context.Context, e broker.Envelope) error { got = append(got, e.ID); return nil })
				give(unsubscribe, a)
				synctest.Wait()
				slices.Sort(got)
				if want := []string{"1", "2", "3"}; !slices.Equal(got, want) {
					t.Errorf("the other member got %q, want %q", got, want)
				}
			})
		})
	}
}

// TestBackplaneSubscribesAgainForEver: an hour without the engine is no end, and
// costs a try each five seconds.
func TestBackplaneSubscribesAgainForEver(t *testing.T) {
	for _, group := range []string{"", "g"} {
		t.Run("group "+group, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := newGroupEngine(8)
				b := overEngine(t, e)
				var got []string
				subscribe(t, b, group, func(_ context.Context, e broker.Envelope) error { got = append(got, e.ID); return nil })
				send(t, b, "1")
				synctest.Wait()
				e.setAway(true)
				e.breakAll()
				pass(time.Hour)
				made, _ := e.counts()
				if made < 700 || made > 740 {
					t.Errorf("%d tries in an hour", made)
				}
				e.setAway(false)
				pass(5 * time.Second)
				send(t, b, "2")
				synctest.Wait()
				if want := []string{"1", "2"}; !slices.Equal(got, want) {
					t.Errorf("got %q, want %q", got, want)
				}
				if stats := b.Stats(); stats.Rebuilt != 1 {
					t.Errorf("%d subscriptions were made again", stats.Rebuilt)
				}
				if _, open := e.counts(); open != 1 {
					t.Errorf("%d subscribers are open", open)
				}
				b.Close()
				if _, open := e.counts(); open != 0 {
					t.Errorf("%d subscribers are open after Close", open)
				}
			})
		})
	}
}

// TestBackplanePausesWhenSubscriptionsEndAtOnce: one that is made and ends again
// does not make the engine spin; one that lived is made again soon.
func TestBackplanePausesWhenSubscriptionsEndAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newGroupEngine(1)
		b := overEngine(t, e)
		subscribe(t, b, "", func(context.Context, broker.Envelope) error { return nil })
		for range 6000 { // ten minutes
			e.breakAll()
			pass(100 * time.Millisecond)
		}
		if made, _ := e.counts(); made > 130 {
			t.Errorf("%d subscriptions in ten minutes", made)
		}
		pass(time.Minute)
		before, _ := e.counts()
		e.breakAll()
		pass(100 * time.Millisecond)
		if made, _ := e.counts(); made != before+1 {
			t.Error("a subscription that lived for a minute was not made again at once")
		}
	})
}

func TestBackplaneSaysThatASubscriptionEndedAndIsBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log strings.Builder
		e := newGroupEngine(1)
		b := backplane(t, watermilladapter.BackplaneConfig{Publisher: e, Subscriber: e.subscriber, Logger: logger(&log)})
		subscribe(t, b, "", func(context.Context, broker.Envelope) error { return nil })
		e.setAway(true)
		e.breakAll()
		pass(time.Second)
		e.setAway(false)
		pass(time.Minute)
		for _, want := range []string{"subscription ended", "could not be made again", errAway.Error(), "subscription was made again", "topic=_topic_a"} {
			if !strings.Contains(log.String(), want) {
				t.Errorf("the log does not say %q:\n%s", want, &log)
			}
		}
	})
}

// TestBackplaneTellsTheEngineBeforeItEnds what became of the last message: the
// subscription lasts until the engine has taken that, and its end is nothing to tell
// of.
func TestBackplaneTellsTheEngineBeforeItEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log strings.Builder
		sub := &endingSubscriber{fakeSubscriber: fakeSubscriber{out: make(chan *wmessage.Message)}}
		b := overSubscriber(t, sub, watermilladapter.BackplaneConfig{Logger: logger(&log)})
		unsubscribe := subscribe(t, b, "", func(context.Context, broker.Envelope) error { return nil })
		m := published(t, broker.Envelope{ID: "1"})
		ctx, taken := context.WithCancel(t.Context())
		m.SetContext(ctx)
		sub.out <- m
		synctest.Wait()
		unsubscribe()
		pass(300 * time.Millisecond)
		if sub.ended.Load() {
			t.Error("the subscription ended before its engine took the acknowledgement")
		}
		taken()
		synctest.Wait()
		if !sub.ended.Load() {
			t.Error("the subscription did not end")
		}
		if log.Len() > 0 {
			t.Errorf("log:\n%s", &log)
		}
	})
}

// endingSubscriber knows whether its subscription has ended.
type endingSubscriber struct {
	fakeSubscriber
	ended atomic.Bool
}

func (s *endingSubscriber) Subscribe(ctx context.Context, topic string) (<-chan *wmessage.Message, error) {
	context.AfterFunc(ctx, func() { s.ended.Store(true) })
	return s.fakeSubscriber.Subscribe(ctx, topic)
}

// TestBackplaneSubscribeFails the first time: nothing is tried again.
func TestBackplaneSubscribeFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newGroupEngine(1)
		e.setAway(true)
		b := overEngine(t, e)
		_, err := b.Subscribe(t.Context(), "/topic/a", "", nil)
		if code(err) != message.CodeUnavailable || !errors.Is(err, errAway) {
			t.Errorf("subscribe: %v", err)
		}
		pass(time.Hour)
		if made, _ := e.counts(); made != 1 {
			t.Errorf("%d tries", made)
		}
		b = backplane(t, watermilladapter.BackplaneConfig{Subscriber: e.subscriber})
		if _, err := b.Subscribe(t.Context(), "/topic/a", "g", nil); code(err) != message.CodeInvalid {
			t.Errorf("subscribe with a group to an engine that has none: %v", err)
		}
		forbidden := message.Errorf(message.CodeDenied, "forbidden")
		b = backplane(t, watermilladapter.BackplaneConfig{Subscriber: func(string, string) (wmessage.Subscriber, error) { return nil, forbidden }})
		if _, err := b.Subscribe(t.Context(), "/topic/a", "", nil); !errors.Is(err, forbidden) || code(err) != message.CodeDenied {
			t.Errorf("subscribe to what is forbidden: %v", err)
		}
	})
}

// TestBackplaneSubscribeIsBoundByItsContext, whatever the engine does, and what
// comes of it later is closed.
func TestBackplaneSubscribeIsBoundByItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newGroupEngine(1)
		b := backplane(t, watermilladapter.BackplaneConfig{Subscriber: func(topic, group string) (wmessage.Subscriber, error) {
			time.Sleep(time.Minute)
			return e.subscriber(topic, group)
		}})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		_, err := b.Subscribe(ctx, "/topic/a", "", func(context.Context, broker.Envelope) error { return nil })
		if code(err) != message.CodeUnavailable || !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != time.Second {
			t.Errorf("after %v: %v", time.Since(start), err)
		}
		pass(time.Hour)
		if made, open := e.counts(); made != 1 || open != 0 {
			t.Errorf("%d subscribers were made, %d are open", made, open)
		}
	})
}

// TestBackplaneSubscriptionOutlivesItsCall: the context is the call's.
func TestBackplaneSubscriptionOutlivesItsCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := overEngine(t, newGroupEngine(1))
		var got atomic.Int32
		ctx, cancel := context.WithCancel(t.Context())
		if _, err := b.Subscribe(ctx, "/topic/a", "", func(context.Context, broker.Envelope) error { got.Add(1); return nil }); err != nil {
			t.Fatal(err)
		}
		cancel()
		synctest.Wait()
		send(t, b, "1")
		synctest.Wait()
		if got.Load() != 1 {
			t.Error("nothing was received after the context of the call ended")
		}
	})
}

func TestBackplaneClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newGroupEngine(1)
		b := overEngine(t, e)
		unsubscribe := subscribe(t, b, "", func(context.Context, broker.Envelope) error { return nil })
		b.Close()
		if _, open := e.counts(); open != 0 {
			t.Errorf("%d subscribers are open", open)
		}
		unsubscribe()
		b.Close()
		if err := b.Publish(t.Context(), "/topic/a", broker.Envelope{}); code(err) != message.CodeUnavailable {
			t.Errorf("publish: %v", err)
		}
		if _, err := b.Subscribe(t.Context(), "/topic/a", "", nil); code(err) != message.CodeUnavailable {
			t.Errorf("subscribe: %v", err)
		}
	})
}
