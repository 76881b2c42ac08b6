package broker_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/message"
)

// strict counts what members of groups refuse, and lets it be.
type strict struct {
	*gauge
	refused atomic.Int64
}

func (s *strict) Subscribe(ctx context.Context, topic, group string, receive func(context.Context, broker.Envelope) error) (func(), error) {
	return s.gauge.Subscribe(ctx, topic, group, func(ctx context.Context, e broker.Envelope) error {
		engines := e.Done
		engines.Hold()
		e.Done = message.NewCompletion(message.Handled, func(err error) {
			if err == nil {
				engines.Release(nil)
			} else { // it comes again when the member has left
				s.refused.Add(1)
			}
		})
		e.Done.Release(receive(ctx, e))
		return nil
	})
}

// What the engine gives a node that is leaving, such as what this gives back, is not
// refused: an engine would give it that again, behind what it has by then.
func TestLeavingRefusesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		engine := &strict{gauge: newGauge()}
		rule := broker.Rule{Mode: broker.Queue, Acks: broker.Acks{Prefetch: 4}}
		a, b := node(t, engine, "a", rule), node(t, engine, "b", rule)
		c := a.joined("/queue/x", individual)
		a.sendNumbers("/queue/x", 0, 10)
		c.wantDeliveries(t, "0", "1", "2", "3")
		engine.publish = func(context.Context, broker.Envelope) error {
			time.Sleep(100 * time.Millisecond)
			return nil
		}
		a.must(a.disconnect(c))
		engine.want(t, map[string]int{"/queue/x": 1}) // it is at it
		time.Sleep(5 * time.Second)
		engine.want(t, map[string]int{})
		if n := engine.refused.Load(); n > 0 {
			t.Errorf("%d messages are refused", n)
		}
		b.joined("/queue/x").wantDeliveries(t, "0*2", "1*2", "2*2", "3*2", "4", "5", "6", "7", "8", "9")
	})
}
