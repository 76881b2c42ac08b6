package watermilladapter_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	wmessage "github.com/ThreeDotsLabs/watermill/message"
	"github.com/ThreeDotsLabs/watermill/pubsub/tests"

	"github.com/headrace/headrace/channel"
	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/watermilladapter"
)

// large is a queue with room for all that Watermill's suite publishes before it
// subscribes.
func large(string) channel.PollableChannel[[]byte] {
	return channel.NewQueueChannel[[]byte](channel.QueueConfig{Capacity: 1 << 14})
}

// open is a publisher that is not closed by who uses it.
type open struct{ wmessage.Publisher }

func (open) Close() error { return nil }

// TestPubSubPassesWatermillsSuite: in order, and exactly once while subscriptions
// last; without groups.
func TestPubSubPassesWatermillsSuite(t *testing.T) {
	for name, exactlyOnce := range map[string]bool{"exactly once": true, "at least once": false} {
		t.Run(name, func(t *testing.T) {
			p := pubSub(t, watermilladapter.PubSubConfig{Queue: large, NackDelay: time.Millisecond})
			tests.TestPubSub(t, tests.Features{
				ExactlyOnceDelivery:                 exactlyOnce,
				GuaranteedOrder:                     true,
				GuaranteedOrderWithSingleSubscriber: true,
				Persistent:                          true,
			}, func(*testing.T) (wmessage.Publisher, wmessage.Subscriber) {
				return open{p}, p.Subscriber()
			}, nil)
		})
	}
}

// pubSub is one with defaults that is closed with the test.
func pubSub(t *testing.T, c watermilladapter.PubSubConfig) *watermilladapter.PubSub {
	p := watermilladapter.NewPubSub(c)
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

func take(t *testing.T, ctx context.Context, p *watermilladapter.PubSub) <-chan *wmessage.Message {
	t.Helper()
	out, err := p.Subscribe(ctx, "orders")
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestPubSubWaitsBeforeItDeliversAgain: a message that is always refused does not
// make anybody spin.
func TestPubSubWaitsBeforeItDeliversAgain(t *testing.T) {
	for want, delay := range map[int]time.Duration{11: 0, 2: time.Second} {
		synctest.Test(t, func(t *testing.T) {
			p := pubSub(t, watermilladapter.PubSubConfig{NackDelay: delay})
			out := take(t, t.Context(), p)
			publish(t, p, "a")
			n := 0
			for end := time.After(time.Second + 1); ; {
				select {
				case m := <-out:
					n++
					m.Nack()
					continue
				case <-end:
				}
				break
			}
			if n != want {
				t.Errorf("%d deliveries in a second, want %d", n, want)
			}
		})
	}
}

// TestPubSubGivesBackWhatASubscriptionHad: the next one gets it, before all else.
func TestPubSubGivesBackWhatASubscriptionHad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := pubSub(t, watermilladapter.PubSubConfig{})
		publish(t, p, "a", "b", "c")
		ctx, cancel := context.WithCancel(t.Context())
		first := take(t, ctx, p)
		<-first
		cancel()
		if _, open := <-first; open {
			t.Error("a subscription that ended goes on")
		}
		synctest.Wait()
		var got []string
		second := take(t, t.Context(), p)
		for range 3 {
			m := <-second
			got = append(got, string(m.Payload))
			m.Ack()
		}
		if want := []string{"a", "b", "c"}; !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}

// TestPubSubKnowsTheLastAcknowledgement: what was acknowledged comes to nobody again,
// however soon afterwards the subscription ends.
func TestPubSubKnowsTheLastAcknowledgement(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := pubSub(t, watermilladapter.PubSubConfig{})
		for i := range 100 {
			topic := fmt.Sprint(i)
			if err := p.Publish(topic, wmessage.NewMessage("first", nil), wmessage.NewMessage("second", nil)); err != nil {
				t.Fatal(err)
			}
			for _, want := range []string{"first", "second"} {
				ctx, cancel := context.WithCancel(t.Context())
				in, err := p.Subscribe(ctx, topic)
				if err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
				m := <-in
				m.Ack()
				cancel()
				if m.UUID != want {
					t.Fatalf("got %q, want %q", m.UUID, want)
				}
				synctest.Wait()
			}
		}
	})
}

// TestPubSubGivesBackToWhoWaits for the queue.
func TestPubSubGivesBackToWhoWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := pubSub(t, watermilladapter.PubSubConfig{})
		ctx, cancel := context.WithCancel(t.Context())
		first := take(t, ctx, p)
		publish(t, p, "a")
		<-first
		second := take(t, t.Context(), p)
		synctest.Wait()
		cancel()
		synctest.Wait()
		select {
		case m := <-second:
			m.Ack()
		default:
			t.Error("nobody got what was given back")
		}
	})
}

// TestPubSubIsBounded: who publishes waits for room as long as his context lasts.
func TestPubSubIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := pubSub(t, watermilladapter.PubSubConfig{})
		for range 1024 {
			publish(t, p, "a")
		}
		m := wmessage.NewMessage("1", nil)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		m.SetContext(ctx)
		if err := p.Publish("orders", m); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("publish without room: %v", err)
		}
		waiting := make(chan error)
		go func() { waiting <- p.Publish("orders", wmessage.NewMessage("1", nil)) }()
		synctest.Wait()
		if err := p.Close(); err != nil {
			t.Error(err)
		}
		if err := <-waiting; !errors.Is(err, channel.ErrClosed) {
			t.Errorf("publish while the pub/sub is closed: %v", err)
		}
	})
}

func TestPubSubClosed(t *testing.T) {
	p := pubSub(t, watermilladapter.PubSubConfig{})
	publish(t, p, "a")
	out := take(t, t.Context(), p)
	<-out
	if err := p.Close(); err != nil {
		t.Error(err)
	}
	if _, open := <-out; open {
		t.Error("the subscription goes on")
	}
	if err := p.Publish("orders", wmessage.NewMessage("1", nil)); err == nil {
		t.Error("published")
	}
	if _, err := p.Subscribe(t.Context(), "orders"); err == nil {
		t.Error("subscribed")
	}
}

// TestPubSubOverAChannelOfOurs: an acknowledgement is the outcome of the message,
// and the end of the channel that of the subscription.
func TestPubSubOverAChannelOfOurs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		queue := channel.NewQueueChannel[[]byte](channel.QueueConfig{})
		asked := 0
		p := pubSub(t, watermilladapter.PubSubConfig{Queue: func(topic string) channel.PollableChannel[[]byte] {
			if asked++; topic != "orders" {
				t.Errorf("asked for %q", topic)
			}
			return queue
		}})
		outcomes := make(map[string]error)
		send := func(id string) {
			done := message.NewCompletion(message.Handled, func(err error) { outcomes[id] = err })
			done.Release(queue.Handle(t.Context(), message.Raw{Header: message.NewHeader(message.Field{Name: message.HeaderMessageID, Value: id}), Done: done}))
		}
		send("1")
		out := take(t, t.Context(), p)
		m := <-out
		if _, told := outcomes["1"]; told || m.UUID != "1" {
			t.Errorf("message %q has an outcome before it is acknowledged: %v", m.UUID, told)
		}
		m.Nack()
		m = <-out
		m.Ack()
		synctest.Wait()
		if err, told := outcomes["1"]; !told || err != nil {
			t.Errorf("outcome %v, %v", told, err)
		}
		send("2")
		<-out
		if err := p.Close(); err != nil {
			t.Error(err)
		}
		if !errors.Is(outcomes["2"], channel.ErrClosed) {
			t.Errorf("outcome %v of what nobody acknowledged", outcomes["2"])
		}
		if asked != 1 {
			t.Errorf("asked %d times for one topic", asked)
		}
	})
}

// TestPubSubEndsWithItsChannel.
func TestPubSubEndsWithItsChannel(t *testing.T) {
	queue := channel.NewQueueChannel[[]byte](channel.QueueConfig{})
	p := pubSub(t, watermilladapter.PubSubConfig{Queue: func(string) channel.PollableChannel[[]byte] { return queue }})
	out := take(t, t.Context(), p)
	publish(t, p, "a")
	if err := (<-out).Ack(); !err {
		t.Error("not acknowledged")
	}
	queue.Close()
	if _, open := <-out; open {
		t.Error("the subscription goes on")
	}
}

func TestPublisherHandsToAHandler(t *testing.T) {
	var got []message.Raw
	pub := watermilladapter.NewPublisher(rawFunc(func(ctx context.Context, m message.Raw) error {
		if ctx.Value(ctxKey{}) != "mine" {
			t.Error("the handler does not see the context of the message")
		}
		if got = append(got, m); len(got) == 2 {
			return errBroken
		}
		return nil
	}))
	var list []*wmessage.Message
	for _, id := range []string{"1", "2", "3"} {
		m := wmessage.NewMessage(id, []byte("hello"))
		m.Metadata["a"] = "b"
		m.SetContext(context.WithValue(t.Context(), ctxKey{}, "mine"))
		list = append(list, m)
	}
	if err := pub.Publish("/topic/a", list...); !errors.Is(err, errBroken) || len(got) != 2 {
		t.Errorf("%d messages, %v", len(got), err)
	}
	want := []message.Field{{Name: message.HeaderMessageID, Value: "1"}, {Name: "a", Value: "b"}}
	if m := got[0]; m.Destination != "/topic/a" || string(m.Payload) != "hello" || !slices.Equal(fields(m.Header), want) {
		t.Errorf("message %+v", m)
	}
	if err := pub.Close(); err != nil {
		t.Error(err)
	}
	mustPanic(t, func() { watermilladapter.NewPublisher(nil) })
}

// TestPubSubSubscriberIsClosedAlone.
func TestPubSubSubscriberIsClosedAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := pubSub(t, watermilladapter.PubSubConfig{})
		sub := p.Subscriber()
		alone, err := sub.Subscribe(t.Context(), "orders")
		if err != nil {
			t.Fatal(err)
		}
		publish(t, p, "a")
		<-alone
		if err := sub.Close(); err != nil {
			t.Error(err)
		}
		select {
		case <-alone:
		default:
			t.Error("the subscription is open after Close returned")
		}
		if _, err := sub.Subscribe(t.Context(), "orders"); err == nil {
			t.Error("subscribed after Close")
		}
		(<-take(t, t.Context(), p)).Ack()
		other, err := p.Subscriber().Subscribe(t.Context(), "orders")
		if err != nil {
			t.Fatal(err)
		}
		if err := p.Close(); err != nil {
			t.Error(err)
		}
		if _, open := <-other; open {
			t.Error("the subscription is open after the pub/sub was closed")
		}
	})
}
