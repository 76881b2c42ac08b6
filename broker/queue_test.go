package broker_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/message"
)

// queues is a broker whose /queue competes, in a bubble of virtual time.
func queues(t *testing.T, rule broker.Rule, f func(t *testing.T, o ops, b *broker.Memory)) {
	t.Helper()
	rule.Prefix, rule.Mode = "/queue", broker.Queue
	withRules(t, []broker.Rule{rule}, f)
}

func withRules(t *testing.T, rules []broker.Rule, f func(t *testing.T, o ops, b *broker.Memory)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b := broker.NewMemory(outbound, broker.Config{Rules: rules, Logger: slog.New(slog.NewTextHandler(io.Discard, nil))})
		f(t, ops{t, b}, b)
		b.Close()
	})
}

// consume subscribes to /queue/a with an ack mode.
func (o ops) consume(c *client, id, mode string) {
	o.t.Helper()
	o.must(o.subscribeAs(c, id, "/queue/a", mode))
}

func (o ops) subscribeAs(c *client, id, dest, mode string) error {
	h := message.Header{}
	if mode != "" {
		h = h.With(message.HeaderAckMode, mode)
	}
	return o.do(message.Raw{Kind: message.KindSubscribe, Session: c.Session, Subscription: id, Destination: dest, Header: h})
}

func (o ops) sendAll(dest string, payloads ...string) {
	o.t.Helper()
	for _, p := range payloads {
		o.must(o.send(dest, p))
	}
}

// acknowledge settles what c was delivered with this payload, the last time.
func (o ops) acknowledge(k message.Kind, c *client, payload string) error {
	o.t.Helper()
	ack := c.ackOf(payload)
	if ack == "" {
		o.t.Fatalf("%q was not delivered with an ack", payload)
	}
	return o.do(message.Raw{Kind: k, Session: c.Session, Header: message.Header{}.With(message.HeaderAck, ack)})
}

func (o ops) ack(c *client, payload string) {
	o.t.Helper()
	o.must(o.acknowledge(message.KindAck, c, payload))
}
func (o ops) nack(c *client, payload string) {
	o.t.Helper()
	o.must(o.acknowledge(message.KindNack, c, payload))
}

func (c *client) ackOf(payload string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, m := range slices.Backward(c.all) {
		if m.Kind == message.KindData && string(m.Payload) == payload {
			return m.Header.Get(message.HeaderAck)
		}
	}
	return ""
}

// wantGot compares what was delivered since the last look, in its order: the
// payloads, with the count of deliveries where there is one.
func wantGot(t *testing.T, c *client, want ...string) {
	t.Helper()
	synctest.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	got := []string{}
	for _, m := range c.got {
		if m.Kind == message.KindData {
			line := string(m.Payload)
			if n := m.Header.Get(message.HeaderDeliveries); n != "" {
				line += " x" + n
			}
			got = append(got, line)
		}
	}
	c.got = nil
	if !slices.Equal(got, want) && len(got)+len(want) > 0 {
		t.Errorf("got %q, want %q", got, want)
	}
}

func (o ops) newClient() *client {
	o.t.Helper()
	c := newClient("")
	o.connect(c)
	return c
}

func TestQueueGivesEachMessageToOne(t *testing.T) {
	queues(t, broker.Rule{}, func(t *testing.T, o ops, b *broker.Memory) {
		x, y, z := o.newClient(), o.newClient(), o.newClient()
		o.consume(x, "1", "")
		o.consume(y, "1", "client")
		o.consume(y, "2", "client-individual")
		o.must(o.subscribeAs(z, "1", "/queue/b", ""))
		o.sendAll("/queue/a", "1", "2", "3", "4", "5", "6")
		wantGot(t, x, "1", "4")
		wantGot(t, y, "2", "3", "5", "6")
		wantGot(t, z)
	})
}

// Consumers that have room are served in turn, whatever the others do.
func TestQueueIsFair(t *testing.T) {
	queues(t, broker.Rule{Acks: broker.Acks{Prefetch: 1}}, func(t *testing.T, o ops, b *broker.Memory) {
		x, y := o.newClient(), o.newClient()
		o.consume(x, "1", "client-individual")
		o.consume(y, "1", "client-individual")
		o.sendAll("/queue/a", "1", "2", "3", "4")
		wantGot(t, x, "1")
		wantGot(t, y, "2")
		o.ack(y, "2")
		wantGot(t, y, "3")
		o.ack(y, "3")
		wantGot(t, y, "4")
		wantGot(t, x)
		o.ack(x, "1")
		o.ack(y, "4")
		o.sendAll("/queue/a", "5", "6")
		wantGot(t, x, "5")
		wantGot(t, y, "6")
	})
}

func TestQueueKeepsABacklog(t *testing.T) {
	queues(t, broker.Rule{Backlog: broker.Backlog{Messages: 3}}, func(t *testing.T, o ops, b *broker.Memory) {
		o.sendAll("/queue/a", "1", "2", "3")
		wantCode(t, o.send("/queue/a", "4"), message.CodeFull)
		o.sendAll("/queue/b", "other")
		c := o.newClient()
		o.consume(c, "1", "")
		wantGot(t, c, "1", "2", "3")
		o.sendAll("/queue/a", "5")
		wantGot(t, c, "5")
		o.must(o.unsubscribe(c, "1"))
		o.sendAll("/queue/a", "6")
		wantGot(t, c)
		o.consume(c, "2", "")
		wantGot(t, c, "6")
		if s := b.Stats(); s.Queues != 2 || s.Bytes == 0 {
			t.Errorf("stats %+v", s)
		}
		o.must(o.disconnect(c))
		if s := b.Stats(); s.Queues != 1 {
			t.Errorf("%d queues, want that of /queue/b: one that is empty and without consumers goes", s.Queues)
		}
	})
}

// What is not settled counts in the backlog: memory is bounded whatever consumers do.
func TestQueueBoundsBytes(t *testing.T) {
	payload := strings.Repeat("x", 1000)
	queues(t, broker.Rule{Backlog: broker.Backlog{Bytes: 10_000}}, func(t *testing.T, o ops, b *broker.Memory) {
		c := o.newClient()
		o.consume(c, "1", "client")
		n := 0
		for o.send("/queue/a", payload) == nil {
			n++
		}
		if n < 5 || n > 9 {
			t.Errorf("%d messages of 1,000 bytes in 10,000", n)
		}
		if held := b.Stats().Bytes; held > 10_000 {
			t.Errorf("%d bytes are held", held)
		}
		o.must(o.disconnect(c))
	})
}

func TestBrokerBoundsBytes(t *testing.T) {
	b := broker.NewMemory(outbound, broker.Config{MaxBytes: 5_000, Rules: []broker.Rule{{Prefix: "/queue", Mode: broker.Queue}}})
	defer b.Close()
	o := ops{t, b}
	n := 0
	for o.send(fmt.Sprintf("/queue/%d", n), "x") == nil {
		n++
	}
	if n < 5 || n > 15 || b.Stats().Queues != n {
		t.Errorf("%d messages in 5,000 bytes, %d queues", n, b.Stats().Queues)
	}
	wantCode(t, o.send("/queue/more", "x"), message.CodeFull)
	c := o.newClient()
	o.must(o.subscribe(c, "1", "/queue/0"))
	o.must(o.send("/queue/more", "x"))
}

func TestAcknowledgeIndividually(t *testing.T) {
	queues(t, broker.Rule{}, func(t *testing.T, o ops, b *broker.Memory) {
		x, y := o.newClient(), o.newClient()
		o.consume(x, "1", "client-individual")
		o.sendAll("/queue/a", "1", "2", "3")
		o.ack(x, "2")
		o.consume(y, "1", "")
		o.must(o.disconnect(x))
		wantGot(t, y, "1 x2", "3 x2")
	})
}

func TestAcknowledgeCumulatively(t *testing.T) {
	queues(t, broker.Rule{}, func(t *testing.T, o ops, b *broker.Memory) {
		x, y := o.newClient(), o.newClient()
		o.consume(x, "1", "client")
		o.sendAll("/queue/a", "1", "2", "3", "4")
		o.ack(x, "3")
		wantCode(t, o.acknowledge(message.KindAck, x, "2"), message.CodeNotFound)
		o.consume(y, "1", "")
		o.must(o.disconnect(x))
		wantGot(t, y, "4 x2")
	})
}

// What a session had not settled goes to the next one in its order, before what was
// never delivered, whatever the subscription it was delivered to.
func TestLostSessionsMessagesKeepTheirOrder(t *testing.T) {
	queues(t, broker.Rule{Acks: broker.Acks{Prefetch: 4}}, func(t *testing.T, o ops, b *broker.Memory) {
		x, y := o.newClient(), o.newClient()
		o.consume(x, "1", "client-individual")
		o.consume(x, "2", "client-individual")
		o.sendAll("/queue/a", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10")
		o.ack(x, "4")
		wantGot(t, x, "1", "2", "3", "4", "5", "6", "7", "8", "9")
		o.must(o.disconnect(x))
		o.consume(y, "1", "")
		wantGot(t, y, "1 x2", "2 x2", "3 x2", "5 x2", "6 x2", "7 x2", "8 x2", "9 x2", "10")
	})
}

// So they do when others wait for them already.
func TestLostSessionsMessagesGoOnTogether(t *testing.T) {
	queues(t, broker.Rule{Acks: broker.Acks{Prefetch: 2}}, func(t *testing.T, o ops, b *broker.Memory) {
		x, y := o.newClient(), o.newClient()
		o.consume(x, "1", "client-individual")
		o.consume(x, "2", "client")
		o.consume(x, "3", "client-individual")
		o.sendAll("/queue/a", "1", "2", "3", "4", "5", "6", "7")
		o.consume(y, "1", "")
		wantGot(t, y, "7")
		o.must(o.disconnect(x))
		wantGot(t, y, "1 x2", "2 x2", "3 x2", "4 x2", "5 x2", "6 x2")
	})
}

// What a session had not settled does not go to its other subscriptions at its end.
func TestLostSessionGetsNothingMore(t *testing.T) {
	for range 20 { // its subscriptions end in any order
		queues(t, broker.Rule{Acks: broker.Acks{Prefetch: 1}}, func(t *testing.T, o ops, b *broker.Memory) {
			x, y := o.newClient(), o.newClient()
			o.consume(x, "1", "client-individual")
			o.sendAll("/queue/a", "1")
			o.consume(x, "2", "")
			o.must(o.disconnect(x))
			wantGot(t, x, "1")
			o.consume(y, "1", "")
			wantGot(t, y, "1 x2")
		})
	}
}

// Nor does it come to the session by another queue.
func TestLostSessionGetsNoDeadLetters(t *testing.T) {
	for range 20 { // its subscriptions end in any order
		synctest.Test(t, func(t *testing.T) {
			x, y := newClient(""), newClient("")
			out := message.HandlerFunc[[]byte](func(ctx context.Context, m message.Raw) error {
				if m.Session == y.Session && m.Kind == message.KindData {
					return errors.New("not you")
				}
				return m.Session.Deliver(ctx, m)
			})
			acks := broker.Acks{MaxDeliveries: 1, DeadLetter: "/queue/dead"}
			b := broker.NewMemory(out, broker.Config{Rules: []broker.Rule{{Prefix: "/queue", Mode: broker.Queue, Acks: acks}}})
			defer b.Close()
			o := ops{t, b}
			o.connect(x)
			o.connect(y)
			o.consume(x, "1", "client")
			o.must(o.subscribeAs(x, "2", "/queue/dead", ""))
			o.sendAll("/queue/a", "1")
			o.consume(y, "1", "")
			o.must(o.disconnect(x))
			wantGot(t, x, "1")
			if s := b.Stats(); s.DeadLetters != 1 || s.Bytes == 0 {
				t.Errorf("stats %+v, want a dead letter that waits", s)
			}
		})
	}
}

// After UNSUBSCRIBE what was delivered may still be settled; what is not goes on
// when the session ends, or at its deadline.
func TestUnsubscribeLeavesDeliveriesToSettle(t *testing.T) {
	queues(t, broker.Rule{}, func(t *testing.T, o ops, b *broker.Memory) {
		x, y := o.newClient(), o.newClient()
		o.consume(x, "1", "client-individual")
		o.sendAll("/queue/a", "1", "2", "3")
		o.must(o.unsubscribe(x, "1"))
		o.ack(x, "2")
		o.consume(y, "1", "")
		o.sendAll("/queue/a", "4")
		wantGot(t, y, "4")
		o.nack(x, "1")
		time.Sleep(time.Second)
		wantGot(t, y, "1 x2")
		o.must(o.disconnect(x))
		wantGot(t, y, "3 x2")
	})
}

func TestNackBacksOff(t *testing.T) {
	acks := broker.Acks{MaxDeliveries: 5, Backoff: time.Second, MaxBackoff: 3 * time.Second, Deadline: -1}
	queues(t, broker.Rule{Acks: acks}, func(t *testing.T, o ops, b *broker.Memory) {
		c := o.newClient()
		o.consume(c, "1", "client-individual")
		o.sendAll("/queue/a", "bad")
		wantGot(t, c, "bad")
		for i, wait := range []time.Duration{time.Second, 2 * time.Second, 3 * time.Second, 3 * time.Second} {
			o.nack(c, "bad")
			o.sendAll("/queue/a", "good") // the others do not wait for it
			wantGot(t, c, "good")
			o.ack(c, "good")
			time.Sleep(wait - time.Nanosecond)
			wantGot(t, c)
			time.Sleep(time.Nanosecond)
			wantGot(t, c, fmt.Sprintf("bad x%d", i+2))
		}
		o.nack(c, "bad")
		time.Sleep(time.Hour)
		wantGot(t, c)
		if s := b.Stats(); s.Redelivered != 4 || s.DeadLetters != 1 || s.Dropped["dead"] != 1 || s.Bytes != 0 {
			t.Errorf("stats %+v", s)
		}
	})
}

func TestNackCumulatively(t *testing.T) {
	queues(t, broker.Rule{}, func(t *testing.T, o ops, b *broker.Memory) {
		c := o.newClient()
		o.consume(c, "1", "client")
		o.sendAll("/queue/a", "1", "2", "3")
		wantGot(t, c, "1", "2", "3")
		o.nack(c, "2")
		time.Sleep(time.Second)
		wantGot(t, c, "1 x2", "2 x2")
		o.ack(c, "2")
		time.Sleep(time.Hour)
		if s := b.Stats(); s.Bytes != 0 {
			t.Errorf("stats %+v, want all settled", s)
		}
	})
}

func TestDeadLetters(t *testing.T) {
	rule := broker.Rule{Acks: broker.Acks{MaxDeliveries: 2, DeadLetter: "/queue/dead"}}
	queues(t, rule, func(t *testing.T, o ops, b *broker.Memory) {
		c, undertaker := o.newClient(), o.newClient()
		o.consume(c, "1", "client-individual")
		o.must(o.subscribeAs(undertaker, "1", "/queue/dead", "client-individual"))
		o.must(o.do(message.Raw{Destination: "/queue/a", Payload: []byte("x"), Header: message.Header{}.With("color", "red")}))
		o.nack(c, "x")
		time.Sleep(time.Minute)
		o.nack(c, "x")
		synctest.Wait()
		letter := undertaker.all[len(undertaker.all)-1]
		for name, want := range map[string]string{message.HeaderDeadFrom: "/queue/a", message.HeaderDeliveries: "2", "color": "red"} {
			if got := letter.Header.Get(name); got != want {
				t.Errorf("the dead letter's %s is %q, want %q", name, got, want)
			}
		}
		if letter.Header.Get(message.HeaderMessageID) == c.all[1].Header.Get(message.HeaderMessageID) {
			t.Error("the dead letter has the id of the message")
		}
		wantGot(t, undertaker, "x x2")
		o.nack(undertaker, "x") // nobody takes the dead letters of dead letters
		time.Sleep(time.Minute)
		o.nack(undertaker, "x")
		time.Sleep(time.Minute)
		if s := b.Stats(); s.DeadLetters != 2 || s.Dropped["dead"] != 1 || s.Bytes != 0 {
			t.Errorf("stats %+v", s)
		}
	})
}

func TestDeadline(t *testing.T) {
	queues(t, broker.Rule{Acks: broker.Acks{Deadline: 10 * time.Second}}, func(t *testing.T, o ops, b *broker.Memory) {
		x, y := o.newClient(), o.newClient()
		o.consume(x, "1", "client-individual")
		o.sendAll("/queue/a", "1")
		time.Sleep(5 * time.Second)
		o.sendAll("/queue/a", "2")
		o.must(o.unsubscribe(x, "1"))
		o.consume(y, "1", "client-individual")
		time.Sleep(5*time.Second - time.Nanosecond)
		wantGot(t, y)
		time.Sleep(time.Nanosecond + time.Second) // and the backoff
		wantGot(t, y, "1 x2")
		o.ack(x, "1") // late: it is no error, and settles nothing
		o.ack(x, "2")
		o.ack(y, "1")
		wantCode(t, o.acknowledge(message.KindAck, y, "1"), message.CodeNotFound)
		time.Sleep(time.Hour)
		wantGot(t, y)
		if s := b.Stats(); s.Expired != 1 || s.Redelivered != 1 || s.Bytes != 0 {
			t.Errorf("stats %+v", s)
		}
	})
}

// A client that stood still acknowledges all that it had when it goes on: nothing of it
// is an error, however it names the deliveries.
func TestLateAcknowledgements(t *testing.T) {
	queues(t, broker.Rule{Acks: broker.Acks{Deadline: 10 * time.Second}}, func(t *testing.T, o ops, b *broker.Memory) {
		c := o.newClient()
		for i := range 4 {
			o.consume(c, fmt.Sprint(i), "client-individual")
		}
		for i := range 4 * 64 {
			o.sendAll("/queue/a", fmt.Sprint(i))
		}
		time.Sleep(10*time.Second + time.Millisecond)
		for i, m := range c.all[1:] {
			h := message.Header{}.With(message.HeaderAck, m.Header.Get(message.HeaderAck))
			if i%2 == 1 {
				h = message.Header{}.With(message.HeaderMessageID, m.Header.Get(message.HeaderMessageID))
			}
			o.must(o.do(message.Raw{Kind: message.KindAck, Session: c.Session, Subscription: m.Subscription, Header: h}))
		}
		for _, name := range []string{message.HeaderAck, message.HeaderMessageID} {
			wantCode(t, o.do(message.Raw{Kind: message.KindAck, Session: c.Session, Header: message.Header{}.With(name, "zz")}), message.CodeNotFound)
		}
		if s := b.Stats(); s.Expired != 4*64 {
			t.Errorf("stats %+v", s)
		}
		o.must(o.disconnect(c))
	})
}

// TestAcksAreTheSessionsOwn: nobody settles what another session was delivered.
func TestAcksAreTheSessionsOwn(t *testing.T) {
	queues(t, broker.Rule{}, func(t *testing.T, o ops, b *broker.Memory) {
		x, y, thief := o.newClient(), o.newClient(), o.newClient()
		o.consume(x, "1", "client-individual")
		o.must(o.subscribeAs(thief, "1", "/queue/b", "client-individual"))
		o.sendAll("/queue/a", "1")
		ack := message.Raw{Kind: message.KindAck, Session: thief.Session, Header: message.Header{}.With(message.HeaderAck, x.ackOf("1"))}
		if err := o.do(ack); !errors.Is(err, broker.ErrUnknownAck) {
			t.Errorf("error %v, want ErrUnknownAck", err)
		}
		id := x.all[1].Header.Get(message.HeaderMessageID)
		ack.Header = message.Header{}.With(message.HeaderMessageID, id)
		wantCode(t, o.do(ack), message.CodeNotFound)
		o.must(o.disconnect(x))
		o.consume(y, "1", "")
		wantGot(t, y, "1 x2")
	})
}

// TestAckByMessageID is how clients acknowledge that know no ack ids.
func TestAckByMessageID(t *testing.T) {
	withRules(t, nil, func(t *testing.T, o ops, b *broker.Memory) {
		c := o.newClient()
		o.must(o.subscribeAs(c, "1", "/topic/a", "client-individual"))
		o.must(o.subscribeAs(c, "2", "/topic/a", "client-individual"))
		o.sendAll("/topic/a", "x")
		id := c.all[1].Header.Get(message.HeaderMessageID)
		ack := message.Raw{Kind: message.KindAck, Session: c.Session, Subscription: "2", Header: message.Header{}.With(message.HeaderMessageID, id)}
		o.must(o.do(ack))
		wantCode(t, o.do(ack), message.CodeNotFound)
		ack.Subscription = "" // whichever is left
		o.must(o.do(ack))
		wantCode(t, o.do(ack), message.CodeNotFound)
		if n := b.Stats().Bytes; n != 0 {
			t.Errorf("%d bytes are unsettled", n)
		}
	})
}

// A topic gives each of its subscriptions everything, those that acknowledge too.
func TestTopicWithAcks(t *testing.T) {
	rules := []broker.Rule{{Acks: broker.Acks{Prefetch: 2}}}
	withRules(t, rules, func(t *testing.T, o ops, b *broker.Memory) {
		x, y := o.newClient(), o.newClient()
		o.must(o.subscribeAs(x, "1", "/topic/*", "client-individual"))
		o.must(o.subscribeAs(y, "1", "/topic/a", ""))
		o.sendAll("/topic/a", "1", "2", "3")
		wantGot(t, x, "1", "2")
		wantGot(t, y, "1", "2", "3")
		o.nack(x, "1")
		wantGot(t, x, "3")
		o.ack(x, "2")
		time.Sleep(time.Second)
		wantGot(t, x, "1 x2")
		o.sendAll("/topic/a", "4")
		o.must(o.unsubscribe(x, "1"))
		o.ack(x, "3")
		o.nack(x, "1") // there is nobody to deliver it to again
		time.Sleep(time.Hour)
		wantGot(t, x)
		if s := b.Stats(); s.Queues != 0 || s.Bytes != 0 || s.Dropped["gone"] != 2 {
			t.Errorf("stats %+v", s)
		}
	})
}

// A subscription that acknowledges, and does not, is cut when too much waits for it.
func TestTopicCutsWhoDoesNotAcknowledge(t *testing.T) {
	withRules(t, []broker.Rule{{Backlog: broker.Backlog{Messages: 10}}}, func(t *testing.T, o ops, b *broker.Memory) {
		x, y := o.newClient(), o.newClient()
		o.must(o.subscribeAs(x, "1", "/topic/a", "client"))
		o.must(o.subscribeAs(y, "1", "/topic/a", ""))
		for i := range 11 {
			o.sendAll("/topic/a", fmt.Sprint(i))
		}
		<-x.Done()
		wantCode(t, x.Reason(), message.CodeFull)
		if n := len(y.take()); n != 11 {
			t.Errorf("the other one got %d of 11", n)
		}
		o.must(o.disconnect(x))
		if s := b.Stats(); s.Dropped["full"] != 1 || s.Dropped["gone"] != 10 || s.Bytes != 0 {
			t.Errorf("stats %+v", s)
		}
	})
}

func TestQueueOfAnAutoConsumerWaitsForTheClient(t *testing.T) {
	queues(t, broker.Rule{}, func(t *testing.T, o ops, b *broker.Memory) {
		c := o.newClient()
		o.consume(c, "1", "")
		c.waiting.Store(1 << 20)
		o.sendAll("/queue/a", "1", "2")
		time.Sleep(time.Minute)
		wantGot(t, c)
		if n := c.asked.Load(); n > 200 {
			t.Errorf("looked after %d times in a minute", n)
		}
		c.waiting.Store(0)
		time.Sleep(320 * time.Millisecond)
		wantGot(t, c, "1", "2")
		c.waiting.Store(1 << 20) // it is looked after sooner at first
		o.sendAll("/queue/a", "3")
		c.waiting.Store(0)
		time.Sleep(10 * time.Millisecond)
		wantGot(t, c, "3")
	})
}

// A message is not lost with the goroutine that an interceptor ends, nor the answer to a
// subscription.
func TestQueueAfterAGoexit(t *testing.T) {
	for _, mode := range []string{"", "client"} {
		synctest.Test(t, func(t *testing.T) {
			end := true
			out := message.HandlerFunc[[]byte](func(ctx context.Context, m message.Raw) error {
				if m.Kind == message.KindData && end {
					end = false
					runtime.Goexit()
				}
				return m.Session.Deliver(ctx, m)
			})
			b := broker.NewMemory(out, broker.Config{Rules: []broker.Rule{{Prefix: "/queue", Mode: broker.Queue}, {Prefix: "/topic", Retain: true}}})
			defer b.Close()
			o := ops{t, b}
			c := o.newClient()
			o.consume(c, "1", mode)
			go func() { _ = o.send("/queue/a", "x") }()
			time.Sleep(time.Second)
			wantGot(t, c, "x x2")
			if mode != "" {
				o.ack(c, "x")
			}
			if n := b.Stats().Bytes; n != 0 {
				t.Errorf("%d bytes are left", n)
			}

			o.sendAll("/topic/a", "last")
			end = true
			told := 0
			go func() {
				m := message.Raw{Kind: message.KindSubscribe, Session: c.Session, Subscription: "2", Destination: "/topic/a"}
				m.Done = message.NewCompletion(message.Stored, func(error) { told++ })
				_ = o.do(m)
			}()
			synctest.Wait()
			if told != 1 {
				t.Errorf("the subscriber was told %d times", told)
			}
			o.must(o.disconnect(c))
		})
	}
}

// What the way out does with a delivery.
func TestQueueAndOutbound(t *testing.T) {
	for _, tc := range []struct {
		name, mode string
		err        error
		x, y       []string // what comes to the first, who is refused, and to the second
		drops      uint64
	}{
		{"a veto drops", "", message.ErrDropped, nil, nil, 1},
		{"a veto drops", "client", message.ErrDropped, nil, nil, 1},
		{"a refusal is one of the delivery", "", errors.New("not you"), nil, []string{"1 x2"}, 0},
		{"a refusal is one of the delivery", "client-individual", errors.New("not you"), nil, []string{"1 x2"}, 0},
		{"a client out of reach costs nothing", "", message.Errorf(message.CodeUnavailable, "gone"), nil, []string{"1"}, 0},
		{"a client out of reach costs nothing", "client", message.Errorf(message.CodeFull, "slow"), nil, []string{"1"}, 0},
		{"a panic is an error", "", nil, nil, []string{"1 x2"}, 0},
	} {
		t.Run(tc.name+" "+tc.mode, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				x, y := newClient(""), newClient("")
				out := message.HandlerFunc[[]byte](func(ctx context.Context, m message.Raw) error {
					if m.Session == x.Session && m.Kind == message.KindData {
						if tc.err == nil {
							panic("no")
						}
						return tc.err
					}
					return m.Session.Deliver(ctx, m)
				})
				b := broker.NewMemory(out, broker.Config{
					Rules:  []broker.Rule{{Prefix: "/queue", Mode: broker.Queue}},
					Logger: slog.New(slog.DiscardHandler),
				})
				defer b.Close()
				o := ops{t, b}
				o.connect(x)
				o.connect(y)
				o.consume(x, "1", tc.mode)
				o.consume(y, "1", tc.mode)
				o.sendAll("/queue/a", "1")
				time.Sleep(time.Second)
				wantGot(t, x, tc.x...)
				wantGot(t, y, tc.y...)
				if s := b.Stats(); s.Dropped["vetoed"] != tc.drops || s.Dropped["dead"] != 0 {
					t.Errorf("stats %+v", s)
				}
			})
		})
	}
}

// A delivery may fail when there is nobody any more whom the message could go to.
func TestDeliveryFailsAtTheEnd(t *testing.T) {
	for _, tc := range []struct {
		name, dest, mode string
		end              func(o ops, c *client)
		reason           string
	}{
		{"of the broker", "/queue/a", "", func(o ops, c *client) { o.b.(*broker.Memory).Close() }, "closed"},
		{"of the subscription", "/topic/a", "client", func(o ops, c *client) { o.must(o.unsubscribe(c, "1")) }, "gone"},
	} {
		for _, err := range []error{errors.New("not you"), message.Errorf(message.CodeUnavailable, "gone")} {
			t.Run(tc.name+", "+err.Error(), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					var o ops
					c := newClient("")
					out := message.HandlerFunc[[]byte](func(ctx context.Context, m message.Raw) error {
						if m.Kind == message.KindConnected {
							return nil
						}
						tc.end(o, c)
						return err
					})
					b := broker.NewMemory(out, broker.Config{Rules: []broker.Rule{{Prefix: "/queue", Mode: broker.Queue, Receipts: message.Handled}}})
					defer b.Close()
					o = ops{t, b}
					o.connect(c)
					o.must(o.subscribeAs(c, "1", tc.dest, tc.mode))
					told := 0
					m := message.Raw{Destination: tc.dest, Done: message.NewCompletion(message.Handled, func(error) { told++ })}
					m.Done.Release(o.do(m))
					if s := b.Stats(); s.Bytes != 0 || s.Queues != 0 || s.Dropped[tc.reason] != 1 || told != 1 {
						t.Errorf("told %d times, stats %+v", told, s)
					}
				})
			})
		}
	}
}

func TestReceiptsOfAQueue(t *testing.T) {
	for _, tc := range []struct {
		name     string
		receipts message.Level
		end      func(o ops, c *client)
		at       string // when it is told
		err      message.Code
	}{
		{"stored", 0, func(ops, *client) {}, "sent", ""},
		{"handled by an ack", message.Handled, func(o ops, c *client) { o.ack(c, "x") }, "end", ""},
		{"handled by a nack", message.Handled, func(o ops, c *client) { o.nack(c, "x") }, "end", message.CodeTimeout},
		{"handled, closed", message.Handled, func(o ops, c *client) { o.b.(*broker.Memory).Close() }, "end", message.CodeUnavailable},
	} {
		t.Run(tc.name, func(t *testing.T) {
			queues(t, broker.Rule{Receipts: tc.receipts, Acks: broker.Acks{MaxDeliveries: 1}}, func(t *testing.T, o ops, b *broker.Memory) {
				c := o.newClient()
				o.consume(c, "1", "client")
				told := []error{}
				m := message.Raw{Destination: "/queue/a", Payload: []byte("x")}
				m.Done = message.NewCompletion(message.Handled, func(err error) { told = append(told, err) })
				err := o.do(m)
				m.Done.Release(err)
				if (len(told) == 1) != (tc.at == "sent") {
					t.Errorf("told %v when it is stored", told)
				}
				tc.end(o, c)
				synctest.Wait()
				if len(told) != 1 {
					t.Fatalf("told %v", told)
				}
				if tc.err != "" {
					wantCode(t, told[0], tc.err)
				} else if told[0] != nil {
					t.Errorf("told %v", told[0])
				}
			})
		})
	}
	queues(t, broker.Rule{Receipts: message.Handled, Backlog: broker.Backlog{Messages: 1}}, func(t *testing.T, o ops, b *broker.Memory) {
		o.sendAll("/queue/a", "the one that fits")
		told := []error{}
		m := message.Raw{Destination: "/queue/a"}
		m.Done = message.NewCompletion(message.Handled, func(err error) { told = append(told, err) })
		m.Done.Release(o.do(m))
		if len(told) != 1 {
			t.Fatalf("told %v", told)
		}
		wantCode(t, told[0], message.CodeFull)
	})
}

func TestMemoryRefusesWhatItDoesNotDo(t *testing.T) {
	rules := []broker.Rule{{Prefix: "/queue/", Mode: broker.Queue}, {Prefix: "/topic/secret", NoPatterns: true}}
	withRules(t, rules, func(t *testing.T, o ops, b *broker.Memory) {
		c := o.newClient()
		wantCode(t, o.subscribeAs(c, "1", "/topic/a", "sometimes"), message.CodeInvalid)
		wantCode(t, o.do(message.Raw{Kind: message.KindSubscribe, Session: c.Session, Subscription: "1", Destination: "/topic/a",
			Header: message.Header{}.With(message.HeaderSelector, "a = 1")}), message.CodeInvalid)
		wantCode(t, o.do(message.Raw{Destination: "/topic/a", Header: message.Header{}.With(message.HeaderTransaction, "t")}), message.CodeInvalid)
		o.must(o.subscribeAs(c, "acks", "/topic/a", "client"))
		o.must(o.send("/topic/a", "x"))
		for _, k := range []message.Kind{message.KindAck, message.KindNack} { // nothing of a transaction takes effect before its COMMIT
			h := message.Header{}.With(message.HeaderAck, c.ackOf("x")).With(message.HeaderTransaction, "t")
			wantCode(t, o.do(message.Raw{Kind: k, Session: c.Session, Header: h}), message.CodeInvalid)
		}
		o.ack(c, "x")
		for _, dest := range []string{"/queue/*", "/queue/a/**", "/queue/{x}", "/topic/secret/*", "/topic/**", "/**", "/*/secret", "/topic/s?cret/a", "/topic/{x}/a"} {
			wantCode(t, o.subscribeAs(c, "1", dest, ""), message.CodeDenied)
		}
		wantCode(t, o.send("/queue/*", "x"), message.CodeInvalid)
		for i, dest := range []string{"/topic/secret", "/topic/secret/a", "/topic/public/*", "/topic/secrets/*", "/topic/?/**"} {
			o.must(o.subscribeAs(c, fmt.Sprint(i), dest, ""))
		}
	})
}

func TestClose(t *testing.T) {
	queues(t, broker.Rule{}, func(t *testing.T, o ops, b *broker.Memory) {
		c := o.newClient()
		o.consume(c, "1", "client")
		o.sendAll("/queue/a", "1")
		o.sendAll("/queue/b", "2")
		o.must(o.subscribeAs(c, "left", "/queue/c", "client"))
		o.sendAll("/queue/c", "3")
		o.must(o.unsubscribe(c, "left"))
		b.Close()
		b.Close()
		wantCode(t, o.send("/queue/a", "x"), message.CodeUnavailable)
		wantCode(t, o.send("/topic/a", "x"), message.CodeUnavailable)
		wantCode(t, o.subscribe(c, "2", "/topic/a"), message.CodeUnavailable)
		o.must(o.disconnect(c))
		if s := b.Stats(); s.Dropped["closed"] != 3 || s.Bytes != 0 || s.Queues != 0 || s.Sessions != 0 {
			t.Errorf("stats %+v", s)
		}
	})
}

// A consumer whose deliveries the way out refuses does not spoil the messages: the
// others get them, and it is tried once in a while.
func TestQueueLetsARefusedConsumerRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x, y := newClient(""), newClient("")
		refused := 0
		out := message.HandlerFunc[[]byte](func(ctx context.Context, m message.Raw) error {
			if m.Session == x.Session && m.Kind == message.KindData {
				refused++
				return errors.New("not you")
			}
			return m.Session.Deliver(ctx, m)
		})
		b := broker.NewMemory(out, broker.Config{Rules: []broker.Rule{{Prefix: "/queue", Mode: broker.Queue}}})
		defer b.Close()
		o := ops{t, b}
		for _, c := range []*client{x, y} {
			o.connect(c)
			o.consume(c, "1", "")
		}
		for i := range 100 {
			o.sendAll("/queue/a", fmt.Sprint(i))
		}
		time.Sleep(10 * time.Second)
		if n := len(y.take()); n != 100 || refused > 10 {
			t.Errorf("the other one got %d of 100, %d were refused", n, refused)
		}
		if s := b.Stats(); s.DeadLetters != 0 {
			t.Errorf("stats %+v", s)
		}
	})
}

// What one broker delivered another does not take for its own, although both count what
// they deliver to a session: an adapter has one name space for what is acknowledged.
func TestAcksAreTheBrokersOwn(t *testing.T) {
	queues(t, broker.Rule{}, func(t *testing.T, o ops, b *broker.Memory) {
		users := broker.NewUsers(outbound, broker.UsersConfig{})
		defer users.Stop()
		c, of := o.newClient(), ops{t, users}
		of.connect(c)
		o.consume(c, "1", "client")
		o.must(of.subscribeAs(c, "2", "/user/queue/b", "client"))
		o.sendAll("/queue/a", "the broker's")
		o.must(of.send("/user/"+c.ID()+"/queue/b", "the user's"))
		for _, k := range []message.Kind{message.KindAck, message.KindNack} {
			if err := o.acknowledge(k, c, "the user's"); err != broker.ErrUnknownAck {
				t.Errorf("the broker settles what is the user's: %v", err)
			}
			if err := of.acknowledge(k, c, "the broker's"); err != broker.ErrUnknownAck {
				t.Errorf("users settle what is the broker's: %v", err)
			}
		}
		o.ack(c, "the broker's")
		h := message.Header{}.With(message.HeaderAck, c.ackOf("the user's"))
		wantCode(t, of.do(message.Raw{Kind: message.KindAck, Session: c.Session, Header: h.With(message.HeaderTransaction, "t")}), message.CodeInvalid)
		of.ack(c, "the user's")
	})
}

// Who learns how a message ended may send the next one at once, to the same queue.
func TestQueueTellsWithoutItsLock(t *testing.T) {
	queues(t, broker.Rule{Receipts: message.Handled, Acks: broker.Acks{MaxDeliveries: 1}}, func(t *testing.T, o ops, b *broker.Memory) {
		c := o.newClient()
		o.consume(c, "1", "client")
		send := func(payload, next string) {
			m := message.Raw{Destination: "/queue/a", Payload: []byte(payload)}
			m.Done = message.NewCompletion(message.Handled, func(error) { _ = o.send("/queue/a", next) })
			m.Done.Release(o.do(m))
		}
		send("1", "after 1")
		o.ack(c, "1")
		send("2", "after 2")
		o.nack(c, "2")
		wantGot(t, c, "1", "after 1", "2", "after 2")
		send("3", "after 3")
		b.Close()
	})
}

// An interceptor that ends the goroutine, as the Fatal of a test does, costs a delivery
// and no message.
func TestQueueSurvivesGoexit(t *testing.T) {
	for _, mode := range []string{"auto", "client"} {
		t.Run(mode, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				exits := 1
				b := broker.NewMemory(message.HandlerFunc[[]byte](func(ctx context.Context, m message.Raw) error {
					if m.Kind == message.KindData && exits > 0 {
						exits--
						runtime.Goexit()
					}
					return m.Session.Deliver(ctx, m)
				}), broker.Config{Rules: []broker.Rule{{Prefix: "/queue", Mode: broker.Queue}}})
				defer b.Close()
				o := ops{t, b}
				c := o.newClient()
				o.consume(c, "1", mode)
				go o.sendAll("/queue/a", "1")
				synctest.Wait()
				o.sendAll("/queue/a", "2")
				time.Sleep(2 * time.Second)
				wantGot(t, c, "1 x2", "2")
				if mode == "client" {
					o.ack(c, "1")
					o.ack(c, "2")
				}
				if s := b.Stats(); s.Bytes != 0 {
					t.Errorf("%d bytes are left", s.Bytes)
				}
			})
		})
	}
}

// Whoever leaves does not cost another one his turn.
func TestQueueIsFairWhenOneLeaves(t *testing.T) {
	queues(t, broker.Rule{}, func(t *testing.T, o ops, _ *broker.Memory) {
		first, second, third := o.newClient(), o.newClient(), o.newClient()
		for _, c := range []*client{first, second, third} {
			o.consume(c, "1", "auto")
		}
		o.sendAll("/queue/a", "1", "2")
		o.must(o.unsubscribe(first, "1"))
		o.sendAll("/queue/a", "3", "4")
		wantGot(t, first, "1")
		wantGot(t, second, "2", "4")
		wantGot(t, third, "3")
	})
}

// Whoever fills the broker costs those who acknowledge a topic nothing: its senders are
// refused as long as there is no room, and nobody is cut.
func TestTopicWithAcksWhereTheBrokerIsFull(t *testing.T) {
	b := broker.NewMemory(outbound, broker.Config{MaxBytes: 20_000, Rules: []broker.Rule{{Prefix: "/queue", Mode: broker.Queue}}})
	defer b.Close()
	o := ops{t, b}
	c, plain := o.newClient(), o.newClient()
	for i := range 3 {
		o.must(o.subscribeAs(c, fmt.Sprint(i), "/topic/a", "client"))
	}
	o.must(o.subscribe(plain, "1", "/topic/a"))
	o.must(o.subscribe(plain, "2", "/topic/b"))
	n := 0
	for o.send(fmt.Sprintf("/queue/%d", n), strings.Repeat("x", 500)) == nil {
		n++
	}
	wantCode(t, o.send("/topic/a", "x"), message.CodeFull)
	o.must(o.send("/topic/b", "x")) // which nobody acknowledges
	wantLines(t, plain, "2 /topic/b x")
	wantLines(t, c)
	select {
	case <-c.Done():
		t.Errorf("cut: %v", c.Reason())
	default:
	}
	for i := range 3 { // room again
		o.must(o.subscribe(plain, fmt.Sprint("q", i), fmt.Sprintf("/queue/%d", i)))
	}
	o.must(o.send("/topic/a", "x"))
	if s := b.Stats(); s.Dropped["full"] != 0 || len(c.take()) != 3 {
		t.Errorf("stats %+v", s)
	}
}
