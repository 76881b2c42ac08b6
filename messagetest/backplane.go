package messagetest

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/headrace/headrace/broker"
)

// Backplane checks that a driver keeps the contract of [broker.Backplane]:
// envelopes arrive once and unchanged at every subscription, or at one of each
// group; one at a time, and in order where the engine keeps one; and not after a
// subscription has ended. What a member of a group refuses, or does not settle
// before it leaves, comes again where the engine has acknowledgements. new connects a driver with the engine, the same each
// time; t.Cleanup is where it is closed. Checks use topics that no other check
// has. The suite waits ten seconds for what must happen.
func Backplane(t *testing.T, new func(t *testing.T) broker.Backplane) {
	for name, check := range backplaneChecks {
		t.Run(name, func(t *testing.T) {
			check(newWire(t, func() broker.Backplane { return new(t) }))
		})
	}
}

var backplaneChecks = map[string]func(*wire){
	"Envelopes":   envelopes,
	"FanOut":      fanOut,
	"Groups":      groups,
	"Settlement":  settlement,
	"Order":       wireOrder,
	"OneAtATime":  oneAtATime,
	"Topics":      wireTopics,
	"Unsubscribe": unsubscribeWaits,
	"Watch":       watches,
}

// wire is an engine with two drivers, in one check.
type wire struct {
	*trial // for its name and what it waits for; there is no broker
	a, b   broker.Backplane
}

func newWire(t testing.TB, build func() broker.Backplane) *wire {
	w := &wire{trial: &trial{t: t, name: uniqueName()}, a: build(), b: build()}
	w.features = w.a.Features()
	return w
}

// receiver notes what a subscription receives.
type receiver struct {
	mu  sync.Mutex
	got []broker.Envelope
}

func (r *receiver) receive(_ context.Context, e broker.Envelope) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.got = append(r.got, e)
	return nil
}

func (r *receiver) len() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.got)
}

func (r *receiver) all() []broker.Envelope {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.got)
}

// subscribe subscribes until the check ends.
func (w *wire) subscribe(at broker.Backplane, topic, group string) *receiver {
	w.t.Helper()
	r := new(receiver)
	stop, err := at.Subscribe(w.t.Context(), topic, group, r.receive)
	w.must(err)
	w.t.Cleanup(stop)
	return r
}

// send publishes a text. It may be called from any goroutine.
func (w *wire) send(at broker.Backplane, topic, text string) {
	w.t.Helper()
	if err := at.Publish(w.t.Context(), topic, broker.Envelope{ID: text, Origin: "suite", Destination: topic, Payload: []byte(text)}); err != nil {
		w.t.Errorf("publish %s to %s: %v", text, topic, err)
	}
}

// received waits until r has got n envelopes, and returns them.
func (w *wire) received(r *receiver, n int) []broker.Envelope {
	w.t.Helper()
	w.eventually(fmt.Sprintf("%d envelopes came", n), func() bool { return r.len() >= n })
	return r.all()
}

// envelopes compares what one driver publishes with what the other receives.
func envelopes(w *wire) {
	r := w.subscribe(w.b, w.name, "")
	var octets []byte
	for i := range 256 {
		octets = append(octets, byte(i))
	}
	want := []broker.Envelope{
		{ID: "1", Origin: "a", Destination: "/topic/é 水"},
		{ID: "2", Origin: "a", Destination: "/queue/x", Header: header("colour", "red", "colour", "blue", "hr-x", "a:b\nc", "", ""), Payload: octets},
		{ID: "3", Origin: "a", Destination: "/queue/x", Payload: bytes.Repeat([]byte("x"), 64<<10)},
	}
	for _, e := range want {
		w.must(w.a.Publish(w.t.Context(), w.name, e))
	}
	got := w.received(r, len(want))
	slices.SortFunc(got, func(a, b broker.Envelope) int { return bytes.Compare([]byte(a.ID), []byte(b.ID)) })
	if len(got) != len(want) {
		w.t.Fatalf("%d envelopes came of %d", len(got), len(want))
	}
	for i, e := range got {
		if o := want[i]; e.ID != o.ID || e.Origin != o.Origin || e.Destination != o.Destination || fieldsOf(e) != fieldsOf(o) || !bytes.Equal(e.Payload, o.Payload) {
			w.t.Errorf("%.200v came, want %.200v", e, o)
		}
	}
}

func fieldsOf(e broker.Envelope) (text string) {
	for name, value := range e.Header.All() {
		text += fmt.Sprintf("%q: %q\n", name, value)
	}
	return text
}

// count finds what is lost and doubled among 50 messages of each of 20 publishers,
// which reached several receivers.
func (w *wire) count(receivers ...*receiver) {
	w.t.Helper()
	n := 0
	w.eventually("all envelopes came", func() bool {
		n = 0
		for _, r := range receivers {
			n += r.len()
		}
		return n >= wirePublishers*wireEach
	})
	y := w.tally()
	for i, r := range receivers {
		for _, e := range r.all() {
			y.add(i, e.Payload)
		}
	}
}

const wirePublishers, wireEach = 20, 50

// publishAll publishes 50 messages of each of 20 publishers, through both drivers.
func (w *wire) publishAll(topic string) {
	parallel(wirePublishers, func(p int) {
		for i := range wireEach {
			w.send([]broker.Backplane{w.a, w.b}[p%2], topic, stream{p, i}.String())
		}
	})
}

// fanOut publishes to three subscriptions, two of them at one driver.
func fanOut(w *wire) {
	all := []*receiver{w.subscribe(w.a, w.name, ""), w.subscribe(w.a, w.name, ""), w.subscribe(w.b, w.name, "")}
	w.publishAll(w.name)
	for _, r := range all {
		w.count(r)
	}
}

// groups publishes to two groups with members at both drivers, where the engine
// has groups.
func groups(w *wire) {
	if !w.features.Queues {
		if stop, err := w.a.Subscribe(w.t.Context(), w.name, "one", new(receiver).receive); err == nil {
			stop()
			w.t.Error("a group is not refused, and the engine has none")
		}
		return
	}
	one := []*receiver{w.subscribe(w.a, w.name, "one"), w.subscribe(w.a, w.name, "one"), w.subscribe(w.b, w.name, "one")}
	two := []*receiver{w.subscribe(w.a, w.name, "two"), w.subscribe(w.b, w.name, "two")}
	alone := w.subscribe(w.b, w.name, "")
	w.publishAll(w.name)
	w.count(one...)
	w.count(two...)
	w.count(alone)
}

// wireOrder publishes 1,000 messages from one goroutine.
func wireOrder(w *wire) {
	const n = 1000
	r := w.subscribe(w.b, w.name, "")
	for i := range n {
		w.send(w.a, w.name, stream{0, i}.String())
	}
	y := w.tally()
	for _, e := range w.received(r, n) {
		y.add(0, e.Payload)
	}
}

// gate is a receiver that waits with its first envelope until it is opened.
type gate struct {
	opened chan struct{}
	open   func()
	stop   func() // unsubscribes
	calls  atomic.Int64
	inside atomic.Int64
	most   atomic.Int64 // calls at the same time
}

func (g *gate) receive(context.Context, broker.Envelope) error {
	g.calls.Add(1)
	if n := g.inside.Add(1); n > 1 {
		g.most.Store(n)
	}
	<-g.opened
	g.inside.Add(-1)
	return nil
}

// gate subscribes to the topic of the check.
func (w *wire) gate() *gate {
	w.t.Helper()
	g := &gate{opened: make(chan struct{})}
	g.open = sync.OnceFunc(func() { close(g.opened) })
	stop, err := w.b.Subscribe(w.t.Context(), w.name, "", g.receive)
	w.must(err)
	g.stop = sync.OnceFunc(stop)
	w.t.Cleanup(g.stop)
	w.t.Cleanup(g.open)
	return g
}

// oneAtATime keeps a subscription in its first call of receive until everybody
// else has got 20 envelopes.
func oneAtATime(w *wire) {
	const n = 20
	g := w.gate()
	probe := w.subscribe(w.b, w.name, "")
	for i := range n {
		w.send(w.a, w.name, stream{0, i}.String())
	}
	w.received(probe, n)
	g.open()
	w.eventually("all was received", func() bool { return g.calls.Load() == n })
	g.stop()
	if most := g.most.Load(); most > 1 {
		w.t.Errorf("%d calls of receive at the same time", most)
	}
}

// unsubscribeWaits ends a subscription while it receives: unsubscribe returns
// after receive, which is not called any more.
func unsubscribeWaits(w *wire) {
	g := w.gate()
	probe := w.subscribe(w.b, w.name, "")
	w.send(w.a, w.name, "1")
	w.eventually("something was received", func() bool { return g.calls.Load() > 0 })
	var ended atomic.Bool
	var stopping sync.WaitGroup
	stopping.Go(func() {
		g.stop()
		ended.Store(true)
	})
	w.send(w.a, w.name, "2")
	w.received(probe, 2)
	if ended.Load() {
		w.t.Error("unsubscribe returned before receive did")
	}
	g.open()
	stopping.Wait()
	before := g.calls.Load()
	w.send(w.a, w.name, "3")
	w.received(probe, 3)
	if n := g.calls.Load() - before; n > 0 {
		w.t.Errorf("receive was called %d times after unsubscribe", n)
	}
}

// wireTopics publishes to 20 topics, each with its subscription.
func wireTopics(w *wire) {
	const topics, each = 20, 20
	topic := func(i int) string { return fmt.Sprintf("%s-%d", w.name, i) }
	var all []*receiver
	for i := range topics {
		all = append(all, w.subscribe(w.b, topic(i), ""))
	}
	parallel(topics, func(i int) {
		for n := range each {
			w.send(w.a, topic(i), stream{i, n}.String())
		}
	})
	for i, r := range all {
		for _, e := range w.received(r, each) {
			if m, err := streamOf(e.Payload); err != nil || m.publisher != i {
				w.t.Errorf("%s came to topic %d", e.Payload, i)
			}
		}
	}
}

// watches is told at the beginning.
func watches(w *wire) {
	var told, available atomic.Int64
	stop := w.a.Watch(func(is bool) {
		told.Add(1)
		if is {
			available.Add(1)
		}
	})
	w.eventually("the engine is available", func() bool { return available.Load() > 0 })
	stop()
	if told.Load() != 1 {
		w.t.Errorf("told %d times of an engine that is there", told.Load())
	}
}
