package broker_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/message"
)

// prompt tells when the engine has a message, before the sender's node knows.
type prompt struct {
	*gauge
	has func(broker.Envelope)
}

func (p *prompt) Publish(ctx context.Context, topic string, e broker.Envelope) error {
	err := p.gauge.Publish(ctx, topic, e)
	if err == nil && p.has != nil {
		p.has(e)
	}
	return err
}

// jam is a node at which the first message of /topic/x is stuck on its way to a client,
// with others behind it, and another node.
type jam struct {
	here, there ops
	engine      *prompt
	c, other    *client
	open        func()
}

func jammed(t *testing.T, behind int, f func(t *testing.T, w *jam)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		stuck := make(chan struct{})
		w := &jam{engine: &prompt{gauge: newGauge()}, open: sync.OnceFunc(func() { close(stuck) })}
		rule := broker.Rule{History: broker.History{Messages: 3000, Bytes: 8 << 20}}
		b := broker.NewMemory(message.HandlerFunc[[]byte](func(ctx context.Context, m message.Raw) error {
			if string(m.Payload) == "stuck" {
				<-stuck
			}
			return outbound(ctx, m)
		}), broker.Config{Backplane: w.engine, NodeID: "here", Rules: []broker.Rule{rule}})
		defer b.Close()
		defer w.open()
		w.here, w.there = ops{t, b}, node(t, w.engine, "there", rule)
		w.c, w.other = w.here.joined("/topic/x"), w.there.joined("/topic/x")
		go func() { _ = w.here.send("/topic/x", "stuck") }()
		synctest.Wait()
		w.here.sendNumbers("/topic/x", 0, behind)
		f(t, w)
	})
}

// want checks that both nodes have delivered the same, and that who resumes behind the
// first message gets the rest of it.
func (w *jam) want(t *testing.T, n int, last ...string) {
	t.Helper()
	w.open()
	synctest.Wait()
	all, got := w.c.deliveries()
	_, others := w.other.deliveries()
	slices.Sort(got)
	slices.Sort(others)
	if len(got) != n || !slices.Equal(got, others) {
		t.Errorf("%d messages came here and %d there, want %d", len(got), len(others), n)
	}
	c, first := w.here.resumeAt(all[0])
	if recovered := first.Header.Get(message.HeaderRecovered); recovered != "true" {
		t.Errorf("recovered %s", recovered)
	}
	if _, got := c.deliveries(); len(got) != n-1 || !slices.Equal(got[len(got)-len(last):], last) {
		t.Errorf("%d messages are resumed, want %d with %q at the end", len(got), n-1, last)
	}
}

// Who finds too much on its way from a topic with a history is refused before the other
// nodes have anything of his message, and may send it again.
func TestHistoryRefusesBeforeTheEngineHasIt(t *testing.T) {
	jammed(t, steps, func(t *testing.T, w *jam) {
		began, published := time.Now(), len(w.engine.published)
		wantCode(t, w.here.send("/topic/x", "again"), message.CodeFull)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		wantCode(t, w.here.b.Handle(ctx, message.Raw{Destination: "/topic/x"}), message.CodeFull)
		if waited := time.Since(began); waited != 11*time.Second {
			t.Errorf("two waited %v", waited)
		}
		if n := len(w.engine.published) - published; n > 0 {
			t.Errorf("the engine has %d messages that were refused", n)
		}
		taken := make(chan error)
		go func() { taken <- w.here.send("/topic/x", "again") }()
		synctest.Wait()
		w.open()
		w.here.must(<-taken)
		w.want(t, steps+2, "again")
	})
}

// What the engine has is kept and delivered at the sender's node too, whatever has become
// of the room there, and of the sender, meanwhile.
func TestHistoryHasWhatTheEngineHas(t *testing.T) {
	const senders = 50
	jammed(t, steps-1, func(t *testing.T, w *jam) {
		ctx, cancel := context.WithCancel(t.Context())
		answer := make(chan struct{})
		w.engine.has = func(broker.Envelope) { <-answer }
		var sending sync.WaitGroup
		for range senders {
			sending.Go(func() {
				m := message.Raw{Destination: "/topic/x", Payload: []byte("late")}
				if err := w.here.b.Handle(ctx, m); err != nil {
					t.Errorf("refused: %v", err)
				}
			})
		}
		synctest.Wait()
		cancel()
		close(answer)
		sending.Wait()
		wantCode(t, w.here.send("/topic/x", "too much"), message.CodeFull)
		w.want(t, steps+senders, "late", "late")
	})
}

// What the engine has is delivered also when its sender has ended and nothing else is on its
// way, be it kept or not.
func TestWhatASenderLeftIsDelivered(t *testing.T) {
	for name, rule := range map[string]broker.Rule{
		"topic":   {},
		"history": {History: broker.History{Messages: 10}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { deliversWhatASenderLeft(t, rule) })
		})
	}
}

func deliversWhatASenderLeft(t *testing.T, rule broker.Rule) {
	engine := &prompt{gauge: newGauge()}
	b := broker.NewMemory(message.HandlerFunc[[]byte](func(ctx context.Context, m message.Raw) error {
		if err := ctx.Err(); err != nil { // as a channel that has no room
			return err
		}
		return outbound(ctx, m)
	}), broker.Config{Backplane: engine, Rules: []broker.Rule{rule}})
	defer b.Close()
	a := ops{t, b}
	c := a.joined("/topic/x")
	for i := range 3 {
		ctx, cancel := context.WithCancel(t.Context())
		engine.has = func(broker.Envelope) { cancel() }
		a.must(b.Handle(ctx, message.Raw{Destination: "/topic/x", Payload: fmt.Append(nil, i)}))
	}
	c.wantDeliveries(t, "0", "1", "2")
}

// Who waits for room gives the engine nothing any more when the broker is closed. What it
// has by then is taken.
func TestHistoryClosesWhileASenderWaits(t *testing.T) {
	jammed(t, steps-1, func(t *testing.T, w *jam) {
		told, taken, answer := make(chan error), make(chan error), make(chan struct{})
		w.engine.has = func(e broker.Envelope) {
			if string(e.Payload) == "in time" {
				<-answer
			}
		}
		go func() { taken <- w.here.send("/topic/x", "in time") }()
		synctest.Wait()
		w.here.must(w.there.send("/topic/x", "fills it"))
		synctest.Wait()
		go func() { told <- w.here.send("/topic/x", "late") }()
		synctest.Wait()
		began, published := time.Now(), len(w.engine.published)
		w.here.must(w.here.b.(*broker.Memory).Shutdown(t.Context()))
		wantCode(t, <-told, message.CodeUnavailable)
		if waited := time.Since(began); waited > 0 || len(w.engine.published) > published {
			t.Errorf("the broker was closed after %v, and the engine got %d messages more", waited, len(w.engine.published)-published)
		}
		close(answer)
		w.here.must(<-taken)
	})
}

// A sender whom the engine refuses leaves no history behind.
func TestHistoryOfNothingSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		engine := &prompt{gauge: newGauge()}
		engine.publish = func(context.Context, broker.Envelope) error { return message.Errorf(message.CodeInvalid, "too long") }
		a := node(t, engine, "a", broker.Rule{History: broker.History{Messages: 10}})
		wantCode(t, a.send("/topic/x", "x"), message.CodeInvalid)
		if n := a.stats().Topics; n != 0 {
			t.Errorf("%d topics are left", n)
		}
		engine.want(t, map[string]int{})
	})
}
