package broker_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/messagetest"
)

// Who catches up has everything that was sent before, and nobody is sent anything of it.
func TestCatchUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		engine := newGauge()
		slow := &laggard{Backplane: engine, receive: 100 * time.Millisecond}
		rules := []broker.Rule{
			{Prefix: "/all", Everywhere: true}, {Prefix: "/queue", Mode: broker.Queue},
			{Prefix: "/here", Local: true}, {Prefix: "/history", History: broker.History{Messages: 10}},
		}
		a, b := node(t, slow, "a", rules...), node(t, engine, "b", rules...)
		catchUp := func(dest string) error { return a.b.(*broker.Memory).CatchUp(t.Context(), dest) }
		there := b.joined("/topic/x")
		b.must(b.subscribe(there, "2", "/all/**"))
		for dest, pattern := range map[string]string{"/topic/x": "/topic/x", "/all/x": "/all/**", "/history/x": "/history/x"} {
			here := a.joined(pattern)
			b.sendNumbers(dest, 0, 20)
			a.must(catchUp(pattern))
			if got := len(here.taken()); got != 20 {
				t.Errorf("%s: %d messages came, want 20", pattern, got)
			}
			synctest.Wait()
			there.taken()
			b.must(b.subscribe(there, "3"+dest, dest))
			a.must(catchUp(pattern))
			synctest.Wait()
			if got := there.taken(); dest != "/history/x" && len(got) > 0 {
				t.Errorf("%s: others were sent %v", pattern, got)
			}
		}
		begun, published := time.Now(), len(engine.published)
		for _, dest := range []string{"/topic/nobody", "/queue/x", "/here/x", "/user/queue/x"} {
			a.must(catchUp(dest))
		}
		if len(engine.published) != published || time.Since(begun) != 0 {
			t.Error("who has nothing to catch up with waited for the engine")
		}
		wantCode(t, catchUp("/topic/{"), message.CodeInvalid)
		// A client cannot make a message a marker.
		a.must(a.do(message.Raw{Destination: "/topic/x", Header: message.NewHeader(message.Field{Name: "hr-marker", Value: "x"}), Payload: []byte("forged")}))
		synctest.Wait()
		there.wantDeliveries(t, "forged", "forged")
	})
}

// An engine that loses what it took costs 10 s.
func TestCatchUpHasALimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := node(t, &deaf{messagetest.NewBackplane()}, "a")
		a.joined("/topic/x")
		begun := time.Now()
		wantCode(t, a.b.(*broker.Memory).CatchUp(t.Context(), "/topic/x"), message.CodeUnavailable)
		if took := time.Since(begun); took != 10*time.Second {
			t.Errorf("took %v", took)
		}
	})
	alone := broker.NewMemory(outbound, broker.Config{})
	defer alone.Close()
	if err := alone.CatchUp(t.Context(), "/topic/x"); err != nil {
		t.Error(err)
	}
}

// Who catches up while a subscription begins at the engine, which fails, takes nothing
// away from the next one.
func TestCatchUpLeavesWhatItHeld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		engine, calls := newGauge(), 0
		engine.subscribe = func(context.Context) error {
			if calls++; calls > 1 {
				return nil
			}
			time.Sleep(time.Second)
			return errors.New("reset")
		}
		a, b := node(t, engine, "a"), node(t, engine, "b")
		first := newClient("")
		a.connect(first)
		go func() { wantCode(t, a.subscribe(first, "1", "/topic/x"), message.CodeUnavailable) }()
		synctest.Wait()
		go func() {
			wantCode(t, a.b.(*broker.Memory).CatchUp(t.Context(), "/topic/x"), message.CodeUnavailable)
		}()
		time.Sleep(2 * time.Second)
		second := a.joined("/topic/x")
		time.Sleep(20 * time.Second)
		engine.want(t, map[string]int{"/topic/x": 1})
		b.must(b.send("/topic/x", "1"))
		synctest.Wait()
		wantLines(t, second, "1 /topic/x 1")
	})
}

type deaf struct{ *messagetest.LocalBackplane }

func (*deaf) Publish(context.Context, string, broker.Envelope) error { return nil }
