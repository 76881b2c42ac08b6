package broker_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/message"
)

var individual = message.Field{Name: message.HeaderAckMode, Value: "client-individual"}

// deliveries waits and returns what c was delivered since the last call, as "payload" or
// "payload*times", in its order.
func (c *client) deliveries() (all []message.Raw, texts []string) {
	synctest.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, m := range c.got {
		if m.Kind != message.KindData {
			continue
		}
		all = append(all, m)
		text := string(m.Payload)
		if times := m.Header.Get(message.HeaderDeliveries); times != "" {
			text += "*" + times
		}
		texts = append(texts, text)
	}
	c.got = nil
	return all, texts
}

func (c *client) wantDeliveries(t *testing.T, want ...string) []message.Raw {
	t.Helper()
	all, got := c.deliveries()
	if !slices.Equal(got, want) {
		t.Fatalf("delivered %q, want %q", got, want)
	}
	return all
}

// settle acknowledges a delivery, or refuses it.
func (o ops) settle(k message.Kind, c *client, m message.Raw) {
	o.t.Helper()
	s := settlement(c, m)
	s.Kind = k
	o.must(o.do(s))
}

func (o ops) sendNumbers(dest string, from, to int) {
	o.t.Helper()
	for i := from; i < to; i++ {
		o.must(o.send(dest, fmt.Sprint(i)))
	}
}

// What the last consumer of a node leaves goes to another node, in its order and with what
// is known of it; and so does what a broker holds that is closed.
func TestQueueMovesToAnotherNode(t *testing.T) {
	for name, tt := range map[string]struct {
		noDone bool // the engine has no acknowledgements
		leave  func(a ops, c *client)
	}{
		"a session ends":           {false, func(a ops, c *client) { a.must(a.disconnect(c)) }},
		"a subscription ends":      {false, func(a ops, c *client) { a.must(a.unsubscribe(c, "1")) }},
		"a broker closes":          {false, func(a ops, c *client) { a.b.(*broker.Memory).Close() }},
		"a broker shuts down":      {false, func(a ops, c *client) { a.must(a.b.(*broker.Memory).Shutdown(a.t.Context())) }},
		"without acknowledgements": {true, func(a ops, c *client) { a.must(a.disconnect(c)) }},
		"a broker closes, without": {true, func(a ops, c *client) { a.b.(*broker.Memory).Close() }},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				engine := newGauge()
				engine.noDone = tt.noDone
				rule := broker.Rule{Mode: broker.Queue, Acks: broker.Acks{Prefetch: 4}}
				a, b := node(t, engine, "a", rule), node(t, engine, "b", rule)
				c := a.joined("/queue/x", individual)
				a.sendNumbers("/queue/x", 0, 10)
				got := c.wantDeliveries(t, "0", "1", "2", "3")
				a.settle(message.KindAck, c, got[1])
				a.settle(message.KindNack, c, got[2])
				c.wantDeliveries(t, "4", "5")
				tt.leave(a, c)
				if !strings.HasPrefix(name, "a broker ") {
					engine.want(t, map[string]int{})
				}
				other := b.joined("/queue/x")
				other.wantDeliveries(t, "0*2", "2*2", "3*2", "4*2", "5*2", "6", "7", "8", "9")
				if n := engine.live["/queue/x"]; n != 1 {
					t.Errorf("%d nodes are members, want 1", n)
				}
				if stats := a.stats(); stats.Bytes != 0 || len(stats.Dropped) > 0 {
					t.Errorf("the node holds %d bytes still, and dropped %v", stats.Bytes, stats.Dropped)
				}
				if name == "a subscription ends" { // what comes late is right, and too late
					a.settle(message.KindAck, c, got[0])
				}
				time.Sleep(time.Minute)
				other.wantDeliveries(t)
			})
		})
	}
}

// What a node leaves that nobody was sent yet keeps its place before what is later.
func TestQueueMovesInItsPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		engine := newGauge()
		rule := broker.Rule{Mode: broker.Queue, Backlog: broker.Backlog{Messages: 5}}
		a, b := node(t, engine, "a", rule), node(t, engine, "b", rule)
		c := a.joined("/queue/x", individual)
		c.err = message.Errorf(message.CodeUnavailable, "away") // it has gone, and that is not told yet
		a.sendNumbers("/queue/x", 0, 10)
		synctest.Wait()
		a.must(a.disconnect(c))
		engine.want(t, map[string]int{})
		other := b.joined("/queue/x")
		time.Sleep(time.Second) // what has no room yet comes after a pause
		other.wantDeliveries(t, "0", "1", "2", "3", "4", "5", "6", "7", "8", "9")
	})
}

// Close does not wait for a slow engine as often as there are queues.
func TestCloseLeavesAllQueuesAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := node(t, &laggard{Backplane: newGauge(), end: 2 * time.Second}, "a", broker.Rule{Mode: broker.Queue})
		for i := range 100 {
			a.joined(fmt.Sprint("/queue/", i))
		}
		begun := time.Now()
		a.b.(*broker.Memory).Close()
		if took := time.Since(begun); took > 5*time.Second {
			t.Errorf("it took %v", took)
		}
	})
}

// A consumer who comes before the node has left its group finds everything as it was.
func TestQueueStaysForWhoComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		engine := newGauge()
		a := node(t, engine, "a", broker.Rule{Mode: broker.Queue})
		c := a.joined("/queue/x", individual)
		for i := range 50 {
			a.must(a.unsubscribe(c, fmt.Sprint(i+1)))
			a.must(a.subscribeWith(c, fmt.Sprint(i+2), "/queue/x", individual))
			a.must(a.send("/queue/x", fmt.Sprint(i)))
			got := c.wantDeliveries(t, fmt.Sprint(i))
			a.settle(message.KindAck, c, got[0])
		}
		time.Sleep(time.Minute)
		c.wantDeliveries(t)
	})
}

// Refusals add up over nodes, and what is dead is buried once, wherever who listens there
// is.
func TestDeadLettersOverNodes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		engine := newGauge()
		acks := broker.Acks{MaxDeliveries: 3, Backoff: time.Second, DeadLetter: "/dead"}
		rules := []broker.Rule{{Prefix: "/queue", Mode: broker.Queue, Acks: acks}}
		a, b, c := node(t, engine, "a", rules...), node(t, engine, "b", rules...), node(t, engine, "c", rules...)
		grave := c.joined("/dead")
		b.must(b.send("/queue/x", "poison"))
		for i, o := range []ops{a, b, a} {
			consumer := o.joined("/queue/x", individual)
			want := "poison"
			if i > 0 {
				want = fmt.Sprintf("poison*%d", i+1)
			}
			o.settle(message.KindNack, consumer, consumer.wantDeliveries(t, want)[0])
			o.must(o.disconnect(consumer))
		}
		time.Sleep(time.Minute)
		m := grave.wantDeliveries(t, "poison*3")[0]
		if from := m.Header.Get(message.HeaderDeadFrom); from != "/queue/x" {
			t.Errorf("the dead letter is from %q", from)
		}
		b.joined("/queue/x").wantDeliveries(t)
	})
}

// A dead letter that the engine does not take is not lost: it comes again.
func TestDeadLetterWithoutTheEngine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		engine := newGauge()
		acks := broker.Acks{MaxDeliveries: 1, DeadLetter: "/dead"}
		rules := []broker.Rule{{Prefix: "/queue", Mode: broker.Queue, Acks: acks}}
		a, b := node(t, engine, "a", rules...), node(t, engine, "b", rules...)
		grave := b.joined("/dead")
		c := a.joined("/queue/x", individual)
		a.must(a.send("/queue/x", "poison"))
		engine.publish = func(context.Context, broker.Envelope) error { return errors.New("connection reset") }
		a.settle(message.KindNack, c, c.wantDeliveries(t, "poison")[0])
		grave.wantDeliveries(t)
		engine.publish = nil
		a.settle(message.KindNack, c, c.wantDeliveries(t, "poison")[0])
		grave.wantDeliveries(t, "poison*1")
		time.Sleep(time.Minute)
		c.wantDeliveries(t)
	})
}

// What a node has no room for waits at the engine, and the others go on.
func TestQueueWithoutRoom(t *testing.T) {
	for _, noDone := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			engine := newGauge()
			engine.noDone = noDone
			rule := broker.Rule{Mode: broker.Queue, Acks: broker.Acks{Prefetch: 2}, Backlog: broker.Backlog{Messages: 5}}
			a, b := node(t, engine, "a", rule), node(t, engine, "b", rule)
			c := a.joined("/queue/x", individual)
			a.sendNumbers("/queue/x", 0, 20)
			got := c.wantDeliveries(t, "0", "1")
			if n := a.stats(); n.Arrived > 6 {
				t.Errorf("%d messages came, and 5 have room", n.Arrived)
			}
			other := b.joined("/queue/x")
			time.Sleep(time.Second)
			if _, texts := other.deliveries(); len(texts) != 14 {
				t.Errorf("the other node delivered %q", texts)
			}
			for len(got) > 0 {
				for _, m := range got {
					a.settle(message.KindAck, c, m)
				}
				time.Sleep(time.Second)
				got, _ = c.deliveries()
			}
			a.must(a.disconnect(c))
			time.Sleep(time.Second)
			other.wantDeliveries(t)
			if n := len(c.all) - 1; n != 6 { // with CONNECTED
				t.Errorf("the first node delivered %d, want 6", n)
			}
		})
	}
}

// The last consumer leaves while a message waits for room at its node: it goes on.
func TestQueueLeavesWithoutRoom(t *testing.T) {
	for _, noDone := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			engine := newGauge()
			engine.noDone = noDone
			rule := broker.Rule{Mode: broker.Queue, Acks: broker.Acks{Prefetch: 2}, Backlog: broker.Backlog{Messages: 2}}
			a, b := node(t, engine, "a", rule), node(t, engine, "b", rule)
			c := a.joined("/queue/x", individual)
			a.sendNumbers("/queue/x", 0, 5)
			c.wantDeliveries(t, "0", "1")
			a.must(a.disconnect(c))
			time.Sleep(time.Second)
			other := b.joined("/queue/x")
			time.Sleep(time.Second) // what has no room yet comes after a pause
			_, got := other.deliveries()
			slices.Sort(got)
			if want := []string{"0*2", "1*2", "2", "3", "4"}; !slices.Equal(got, want) {
				t.Errorf("without Done %v: delivered %q, want %q", noDone, got, want)
			}
		})
	}
}

// What goes through Receiving may be refused there, for good.
func TestReceiving(t *testing.T) {
	for _, dest := range []string{"/topic/x", "/queue/x", "/history/x"} {
		t.Run(dest, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				engine := newGauge()
				seen := ""
				config := broker.Config{
					Backplane: engine,
					Rules:     []broker.Rule{{Prefix: "/queue", Mode: broker.Queue}, {Prefix: "/history", History: broker.History{Messages: 10}}},
					Receiving: []message.RawInterceptor{func(next message.RawHandler) message.RawHandler {
						return message.HandlerFunc[[]byte](func(ctx context.Context, m message.Raw) error {
							seen += string(m.Payload)
							switch string(m.Payload) {
							case "1":
								return message.ErrDropped
							case "2":
								return errors.New("no")
							case "3":
								panic("no")
							}
							m.Header = m.Header.With("seen", "yes")
							return next.Handle(ctx, m)
						})
					}},
				}
				b := broker.NewMemory(outbound, config)
				defer b.Close()
				here := ops{t, b}.joined(dest)
				node(t, engine, "other", config.Rules...).sendNumbers(dest, 1, 5)
				m := here.wantDeliveries(t, "4")[0]
				time.Sleep(time.Minute)
				here.wantDeliveries(t)
				if seen != "1234" || m.Header.Get("seen") != "yes" || b.Stats().Dropped["vetoed"] != 3 {
					t.Errorf("saw %q, delivered with %v, dropped %v", seen, m.Header, b.Stats().Dropped)
				}
			})
		})
	}
}

// settlement is what acknowledges a delivery.
func settlement(c *client, m message.Raw) message.Raw {
	return message.Raw{Kind: message.KindAck, Session: c.Session, Header: message.NewHeader(message.Field{Name: message.HeaderAck, Value: m.Header.Get(message.HeaderAck)})}
}

// taken returns what was delivered since the last call.
func (c *client) taken() (all []message.Raw) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, m := range c.got {
		if m.Kind == message.KindData {
			all = append(all, m)
		}
	}
	c.got = nil
	return all
}

// A broker is closed within 10 s, however many queues there are and whatever the engine does.
func TestCloseDoesNotWaitForTheEngine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		engine := newGauge()
		b := broker.NewMemory(outbound, broker.Config{Backplane: engine, Rules: []broker.Rule{{Mode: broker.Queue}}})
		a := ops{t, b}
		var c *client
		for i := range 20 {
			dest := fmt.Sprintf("/queue/%d", i)
			c = a.joined(dest, individual)
			a.sendNumbers(dest, 0, 3)
			c.wantDeliveries(t, "0", "1", "2")
		}
		engine.publish = hangs
		a.must(a.disconnect(c)) // one is being given back when it closes
		time.Sleep(5 * time.Second)
		begun := time.Now()
		b.Close()
		if took := time.Since(begun); took != 10*time.Second {
			t.Errorf("took %v", took)
		}
		engine.publish = nil
		other := node(t, engine, "b", broker.Rule{Mode: broker.Queue})
		for i := range 20 {
			other.joined(fmt.Sprintf("/queue/%d", i)).wantDeliveries(t, "0", "1", "2") // the engine knows of no deliveries
		}
	})
}
