package soak

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/headrace/headrace/bench/internal/load"
	"github.com/headrace/headrace/bench/internal/site"
)

// smallBuffer makes the kernel hold back little, so that slow clients are seen.
const smallBuffer = 64 << 10

// Subscribers that stop reading are cut, and the others do not notice.
func TestR05SlowConsumers(t *testing.T) {
	timeout, slow := size(time.Second, 10*time.Second), size(20, 500)
	config := site.Config{SendBuffer: smallBuffer, WriteTimeout: timeout}
	run := func(slow int) (*load.Histogram, *site.Watch) {
		server := serve(t, config)
		watch := &site.Watch{Process: server}
		paced := load.Paced{
			Subscribers: size(60, 5000) - slow, Slow: slow, Rate: size(100, 200), Bytes: 1024,
			For: phase(8*time.Second, 30*time.Second),
		}
		times, err := paced.Run(server.URL("ws"), watch.Start)
		watch.Stop()
		if err != nil {
			t.Fatal(err)
		}
		return times, watch
	}
	var before, after []time.Duration // p99 of those who read
	for range size(1, 3) {
		without, _ := run(0)
		with, watch := run(slow)
		cut, last := watch.Cut()
		b, a := without.Quantile(0.99), with.Quantile(0.99)
		before, after = append(before, b), append(after, a)
		t.Logf("p99 %v without and %v with %d slow ones; %d cut, the last after %v; %d MB at the peak", b, a, slow, cut, last, watch.Peak()>>20)
		if cut != slow {
			t.Errorf("%d of %d slow ones were cut", cut, slow)
		}
		// The kernel takes the first messages, for less than a second.
		if bound := timeout + size(6*time.Second, time.Second); last > bound {
			t.Errorf("the last was cut after %v, want %v", last, bound)
		}
		if bound := uint64(slow)*512<<10 + 64<<20; watch.Peak() > bound {
			t.Errorf("%d MB of heap and stacks, want at most %d", watch.Peak()>>20, bound>>20)
		}
	}
	slices.Sort(before)
	slices.Sort(after)
	middle := len(before) / 2
	if limit := size(10*time.Second, before[middle]*6/5); after[middle] > limit {
		t.Errorf("the others' p99 is %v, want at most %v", after[middle], limit)
	}
}

// A write that is stuck is ended by its deadline, with no other traffic.
func TestR06StuckWrite(t *testing.T) {
	timeout := size(time.Second, 10*time.Second)
	for _, scheme := range []string{"ws", "wss", "tcp", "tls"} {
		t.Run(scheme, func(t *testing.T) {
			n := size(10, 100)
			s := here(t, site.Config{SendBuffer: smallBuffer, WriteTimeout: timeout})
			subscribers(t, s.URL(scheme), n, topic, load.Options{Window: 4 << 10})
			sent := time.Now()
			if err := s.Node.Template.Send(context.Background(), topic, make([]byte, 1<<20)); err != nil {
				t.Fatal(err)
			}
			var first, last time.Duration
			eventually(t, "all are cut", timeout+20*time.Second, func() bool {
				cut := s.Stomp.Stats().Transport.Closed["send_limit"]
				if last = time.Since(sent); cut == 0 {
					first = last
				}
				return cut == uint64(n)
			})
			t.Logf("%d cut between %v and %v", n, first, last)
			if early, late := timeout-timeout/10, timeout+size(5*time.Second, 500*time.Millisecond); first < early || last > late {
				t.Errorf("cut between %v and %v, want between %v and %v", first, last, early, late)
			}
		})
	}
}
