package channel_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/headrace/headrace/channel"
	"github.com/headrace/headrace/internal/pairs"
	"github.com/headrace/headrace/message"
)

// blockedCounts are how many keys' handlers hang while others are timed.
var blockedCounts = []int{0, 1, 8, 256}

// latencies times n messages of free keys, one after the other, from the send
// to the handler, in nanoseconds, while handlers of so many keys hang: from the
// moment on in which all of these are sent, before there are workers for them.
func latencies(tb testing.TB, blocked, n int) []float64 {
	c := channel.NewExecutorChannel(channel.Config[int]{})
	g, arrived := newGate(), make(chan struct{})
	channel.SubscribeFunc(c, func(ctx context.Context, m message.Message[int]) error {
		if m.Payload < 0 {
			return g.Handle(ctx, m)
		}
		arrived <- struct{}{}
		return nil
	})
	defer c.Close()
	defer close(g.open)
	for i := range blocked {
		if err := c.Handle(tb.Context(), to(fmt.Sprint("blocked ", i), -1)); err != nil {
			tb.Fatal(err)
		}
	}
	times := make([]float64, n)
	for i := range n {
		m := to("free "+string(rune('a'+i%16)), i)
		start := time.Now()
		if err := c.Handle(tb.Context(), m); err != nil {
			tb.Fatal(err)
		}
		<-arrived
		times[i] = float64(time.Since(start))
	}
	return times
}

// TestBlockedKeys: keys whose handlers hang do not slow the others down. The
// bound is wide, for other programs run here too; with a fixed number of
// workers the first message would never arrive.
func TestBlockedKeys(t *testing.T) {
	baseline := pairs.Quantile(latencies(t, 0, 2000), 0.99)
	for _, blocked := range blockedCounts[1:] {
		limit := max(3*baseline, float64(50*time.Millisecond))
		if p99 := pairs.Quantile(latencies(t, blocked, 2000), 0.99); p99 > limit {
			t.Errorf("%d blocked: p99 %v, want at most %v (baseline %v)", blocked, time.Duration(p99), time.Duration(limit), time.Duration(baseline))
		}
	}
}

// BenchmarkBlocked prints how long messages of free keys take while handlers of
// others hang: the p99 is to stay within 3 times that without any, or 2 ms.
func BenchmarkBlocked(b *testing.B) {
	p99 := make([][]float64, len(blockedCounts))
	for b.Loop() {
		for i, blocked := range blockedCounts { // in turn: what else the machine does hits all alike
			p99[i] = append(p99[i], pairs.Quantile(latencies(b, blocked, 5000), 0.99))
		}
	}
	for i, rounds := range p99 {
		at := func(q float64) time.Duration { return time.Duration(pairs.Quantile(rounds, q)) }
		fmt.Printf("%3d blocked  p99 %v [%v %v]  (%d rounds)\n", blockedCounts[i], at(0.5), at(0.25), at(0.75), len(rounds))
	}
}
