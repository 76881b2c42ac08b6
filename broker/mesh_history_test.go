package broker_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/message"
)

// resume subscribes where m was delivered, and returns what comes first.
func (o ops) resumeAt(m message.Raw) (*client, message.Raw) {
	o.t.Helper()
	c := o.joined(m.Destination,
		message.Field{Name: message.HeaderOffset, Value: m.Header.Get(message.HeaderOffset)},
		message.Field{Name: message.HeaderEpoch, Value: m.Header.Get(message.HeaderEpoch)})
	synctest.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	first := c.got[1] // behind CONNECTED
	c.got = c.got[2:]
	return c, first
}

// A history has what all nodes sent, for as long as it lasts. It is the node's own: at
// another one nobody resumes, and he is told.
func TestHistoryOverNodes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		engine := newGauge()
		rule := broker.Rule{History: broker.History{Messages: 10, Age: time.Minute}}
		a, b := node(t, engine, "a", rule), node(t, engine, "b", rule)
		c := a.joined("/topic/x")
		b.sendNumbers("/topic/x", 0, 2)
		last := c.wantDeliveries(t, "0", "1")[1]
		a.must(a.disconnect(c))
		engine.want(t, map[string]int{"/topic/x": 2}) // the histories
		b.sendNumbers("/topic/x", 2, 4)
		synctest.Wait()
		a.sendNumbers("/topic/x", 4, 5)
		for range 2 {
			c, first := a.resumeAt(last)
			if first.Header.Get(message.HeaderRecovered) != "true" {
				t.Errorf("at its node a client is told %v", first.Header)
			}
			c.wantDeliveries(t, "2", "3", "4")
			a.must(a.disconnect(c))
		}
		c, first := b.resumeAt(last)
		if first.Header.Get(message.HeaderRecovered) != "false" {
			t.Errorf("at another node a client is told %v", first.Header)
		}
		a.sendNumbers("/topic/x", 5, 6)
		c.wantDeliveries(t, "5")
		b.must(b.disconnect(c))
		time.Sleep(3 * time.Minute)
		engine.want(t, map[string]int{}) // it has passed
	})
}

// After the engine was away something may be missing: nobody resumes from before, unless
// the engine keeps what a node misses. What is retained stays.
func TestHistoryAfterAnOutage(t *testing.T) {
	for _, durable := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			engine := newGauge()
			engine.durable = durable
			rules := []broker.Rule{{Prefix: "/topic", History: broker.History{Messages: 10}}, {Prefix: "/state", Retain: true, History: broker.History{Messages: 10}}}
			a := node(t, engine, "a", rules...)
			var last []message.Raw
			for _, dest := range []string{"/topic/x", "/state/x"} {
				c := a.joined(dest)
				a.sendNumbers(dest, 0, 3)
				last = append(last, c.wantDeliveries(t, "0", "1", "2")[2])
				a.must(a.disconnect(c))
			}
			engine.SetAvailable(false)
			engine.SetAvailable(true)
			for i, dest := range []string{"/topic/x", "/state/x"} {
				c, first := a.resumeAt(last[i])
				if got := first.Header.Get(message.HeaderRecovered); got != fmt.Sprint(durable) {
					t.Errorf("%s, durable %v: recovered %s", dest, durable, got)
				}
				if dest == "/state/x" && !durable {
					c.wantDeliveries(t, "2")
				}
				a.sendNumbers(dest, 3, 5)
				next := c.wantDeliveries(t, "3", "4")[0]
				if c, first = a.resumeAt(next); first.Header.Get(message.HeaderRecovered) != "true" {
					t.Errorf("%s: nobody resumes any more", dest)
				}
				c.wantDeliveries(t, "4")
			}
		})
	}
}

// Nor does anybody resume from a place that he was told while the engine was away.
func TestHistoryWithinAnOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		engine := newGauge()
		a := node(t, engine, "a", broker.Rule{History: broker.History{Messages: 10}})
		a.joined("/topic/x") // so that the node is subscribed
		engine.SetAvailable(false)
		nowhere := message.NewHeader(message.Field{Name: message.HeaderOffset, Value: "0"})
		_, told := a.resumeAt(message.Raw{Destination: "/topic/x", Header: nowhere})
		engine.SetAvailable(true)
		if _, first := a.resumeAt(told); first.Header.Get(message.HeaderRecovered) != "false" {
			t.Errorf("over a gap a client is told %v", first.Header)
		}
	})
}

// What comes from another node waits until a topic with a history has room for it: there
// is nobody who could be refused.
func TestHistoryIsBusy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		engine := newGauge()
		rule := broker.Rule{History: broker.History{Messages: 10}}
		stuck := make(chan struct{})
		b := broker.NewMemory(message.HandlerFunc[[]byte](func(ctx context.Context, m message.Raw) error {
			if string(m.Payload) == "stuck" {
				<-stuck
			}
			return outbound(ctx, m)
		}), broker.Config{Backplane: engine, Rules: []broker.Rule{rule}})
		defer b.Close()
		a := ops{t, b}
		c := a.joined("/topic/x")
		go a.send("/topic/x", "stuck")
		synctest.Wait()
		a.sendNumbers("/topic/x", 0, 1024)
		other := node(t, engine, "other", rule)
		other.must(other.send("/topic/x", "remote"))
		time.Sleep(time.Minute)
		close(stuck)
		if _, got := c.deliveries(); len(got) != 1026 || got[1025] != "remote" {
			t.Errorf("%d messages came", len(got))
		}
	})
}

// Clients choose destinations, and an engine may have a connection for each: a node takes so
// many topics with a history, and refuses the next one. Those that there are go on.
func TestHistoriesOverNodesAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		engine := newGauge()
		few := broker.History{Messages: 10, Age: time.Minute, Topics: 3}
		rules := []broker.Rule{
			{Prefix: "/topic", History: few},
			{Prefix: "/other", History: few},
			{Prefix: "/all", History: few, Everywhere: true},
			{Prefix: "/local", History: few, Local: true},
			{Prefix: "/any", History: broker.History{Messages: 10, Topics: -1}},
			{Prefix: "/default", History: broker.History{Messages: 10}},
		}
		a, b := node(t, engine, "a", rules...), node(t, engine, "b", rules...)
		engine.subscribe = func(context.Context) error { return errors.New("broken") }
		for range 4 { // those that did not come about do not count; with one more the engine is left alone
			wantCode(t, a.send("/topic/1", "x"), message.CodeUnavailable)
		}
		engine.subscribe = nil
		c := a.joined("/topic/0")
		a.must(a.send("/topic/1", "x"))
		a.must(a.send("/topic/2", "x"))
		elsewhere := b.joined("/topic/3")
		wantCode(t, a.send("/topic/3", "x"), message.CodeFull)
		wantCode(t, a.subscribe(c, "2", "/topic/3"), message.CodeFull)
		if n := a.stats().Joined; n != 4 { // with that of /all
			t.Errorf("the node takes %d topics", n)
		}
		elsewhere.wantDeliveries(t)

		a.must(a.subscribe(c, "2", "/topic/1"))
		for i := range 3 {
			a.must(a.send(fmt.Sprint("/topic/", i), "x"))
			a.must(a.send(fmt.Sprint("/other/", i), "x"))
		}
		wantCode(t, a.send("/other/3", "x"), message.CodeFull)
		b.must(b.send("/topic/0", "y"))
		b.must(b.send("/topic/1", "y"))
		c.wantDeliveries(t, "x", "x", "y", "y")
		for i := range 1025 {
			for _, prefix := range []string{"/all/", "/local/", "/any/"} {
				a.must(a.send(fmt.Sprint(prefix, i), "x"))
			}
			if err := a.send(fmt.Sprint("/default/", i), "x"); i < 1024 {
				a.must(err)
			} else {
				wantCode(t, err, message.CodeFull)
			}
		}

		time.Sleep(2 * time.Minute) // nothing is kept of /topic/2 any more
		a.must(a.send("/topic/3", "x"))
		elsewhere.wantDeliveries(t, "x")
		wantCode(t, a.send("/topic/4", "x"), message.CodeFull)
	})
}
