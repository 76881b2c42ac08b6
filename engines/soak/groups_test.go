package soak_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/internal/chaos"
	"github.com/headrace/headrace/message"
)

// member is one of a group: it notes what comes, and does something with that.
type member struct {
	mu   sync.Mutex
	came map[string]int
	all  []*message.Completion
}

func (m *member) count(id string) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.came[id]
}

func (m *member) len() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.came)
}

// join makes b a member, that holds what comes, or settles it at once.
func join(t *testing.T, b closer, holds bool) *member {
	t.Helper()
	m := &member{came: make(map[string]int)}
	must(t, func(ctx context.Context) error {
		_, err := b.Subscribe(ctx, queue, "workers", func(_ context.Context, e broker.Envelope) error {
			m.mu.Lock()
			defer m.mu.Unlock()
			m.came[e.ID]++
			if holds {
				e.Done.Hold()
				m.all = append(m.all, e.Done)
			}
			return nil
		})
		return err
	})
	return m
}

const tasks = 20

// fill publishes tasks, which wait for the group.
func fill(t *testing.T, b closer) {
	t.Helper()
	for i := range tasks {
		must(t, publish(b, queue, fmt.Sprint(i)))
	}
}

// eachStoring runs a test on the engines that keep what waits for a group.
func eachStoring(t *testing.T, test func(t *testing.T, e engine, proxy *chaos.Proxy)) {
	each(t, func(t *testing.T, e engine, proxy *chaos.Proxy) {
		if e.node(t, proxy.Addr()).Features().Backlog {
			test(t, e, proxy)
		}
	})
}

// TestGroupGetsWhatWaited: what was published before a group had members comes to the
// first, and once.
func TestGroupGetsWhatWaited(t *testing.T) {
	eachStoring(t, func(t *testing.T, e engine, proxy *chaos.Proxy) {
		a, b := e.node(t, proxy.Addr()), e.node(t, proxy.Addr())
		fill(t, a)
		m := join(t, a, false)
		eventually(t, "all came", 20*time.Second, func() bool { return m.len() == tasks })
		a.Close()
		other := join(t, b, false)
		must(t, publish(b, queue, "end"))
		eventually(t, "the end came", 20*time.Second, func() bool { return other.len() > 0 })
		if other.len() != 1 {
			t.Errorf("%d came, of which all but one were settled", other.len())
		}
	})
}

// TestGroupWaitsForTheSlow: what a member works on for longer than AckWait comes to nobody
// else, and is settled in the end.
func TestGroupWaitsForTheSlow(t *testing.T) {
	eachStoring(t, func(t *testing.T, e engine, proxy *chaos.Proxy) {
		a, b := e.node(t, proxy.Addr()), e.node(t, proxy.Addr())
		slow := join(t, a, true)
		fill(t, b)
		eventually(t, "all came", 20*time.Second, func() bool { return slow.len() == tasks })
		other := join(t, b, false)
		<-time.After(ackWait * 5 / 3)
		if other.len() > 0 {
			t.Errorf("%d came to somebody else", other.len())
		}
		slow.mu.Lock()
		for _, done := range slow.all {
			done.Release(nil)
		}
		slow.mu.Unlock()
		a.Close()
		must(t, publish(b, queue, "end"))
		eventually(t, "the end came", 20*time.Second, func() bool { return other.count("end") > 0 })
		if other.len() != 1 {
			t.Errorf("%d came, of which all but one were settled", other.len())
		}
	})
}

// TestGroupOfADeadNode: what a node had that is not heard of any more comes to another.
func TestGroupOfADeadNode(t *testing.T) {
	eachStoring(t, func(t *testing.T, e engine, proxy *chaos.Proxy) {
		way := chaos.New(t, proxy.Addr())
		a, b := e.node(t, way.Addr()), e.node(t, proxy.Addr())
		dead := join(t, a, true)
		fill(t, b)
		eventually(t, "all came", 20*time.Second, func() bool { return dead.len() == tasks })
		way.Refuse()
		way.Reset()
		other := join(t, b, false)
		eventually(t, "all came to the other", 60*time.Second, func() bool { return other.len() == tasks })
	})
}

// TestCloseWhileTheEngineIsAway: it is not waited for, and neither do those who wait for it.
func TestCloseWhileTheEngineIsAway(t *testing.T) {
	for how, cut := range cuts {
		t.Run(how, func(t *testing.T) {
			each(t, func(t *testing.T, e engine, proxy *chaos.Proxy) {
				b := e.node(t, proxy.Addr())
				var came atomic.Int64
				must(t, listen(b, topic, &came))
				m := join(t, b, true)
				must(t, publish(b, topic, "1"))
				must(t, publish(b, queue, "1"))
				eventually(t, "both came", 20*time.Second, func() bool { return came.Load() > 0 && m.len() > 0 })
				cut(proxy)
				waiting := make(chan error, 1)
				go func() { waiting <- publish(b, topic, "2")(context.WithoutCancel(t.Context())) }()
				began := time.Now()
				b.Close()
				if took := time.Since(began); took > 8*time.Second {
					t.Errorf("Close took %v", took)
				}
				proxy.Heal()
				proxy.Reset()
				select {
				case err := <-waiting:
					if _, ok := errors.AsType[*message.Error](err); !ok && err != nil {
						t.Errorf("who waited is told %v", err)
					}
				case <-time.After(20 * time.Second):
					t.Error("who waited for the engine waits for ever")
				}
			})
		})
	}
}
