package broker_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/messagetest"
)

// laggard is an engine all of whose answers take a while, each another one.
type laggard struct {
	broker.Backplane
	begin, end, publish, receive time.Duration // at most
}

func (l *laggard) Publish(ctx context.Context, topic string, e broker.Envelope) error {
	sleep(l.publish)
	return l.Backplane.Publish(ctx, topic, e)
}

func (l *laggard) Subscribe(ctx context.Context, topic, group string, receive func(context.Context, broker.Envelope) error) (func(), error) {
	sleep(l.begin)
	stop, err := l.Backplane.Subscribe(ctx, topic, group, func(ctx context.Context, e broker.Envelope) error {
		sleep(l.receive)
		return receive(ctx, e)
	})
	sleep(l.begin)
	return func() { sleep(l.end); stop(); sleep(l.end) }, err
}

func sleep(atMost time.Duration) {
	if atMost > 0 {
		time.Sleep(rand.N(atMost))
	}
}

// Eight sessions of one node subscribe to a destination and leave it, again and again,
// while its subscription at the engine comes and goes. Whatever is sent at another node
// after a subscription is stored comes to it, once, in its order.
func TestSubscriptionsComeAndGo(t *testing.T) {
	for _, dest := range []string{"/topic/x", "/history/x"} {
		t.Run(dest, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				engine := &laggard{messagetest.NewBackplane(), 5 * time.Millisecond, 20 * time.Millisecond, 3 * time.Millisecond, 2 * time.Millisecond}
				rule := broker.Rule{Prefix: "/history", History: broker.History{Messages: 3, Age: 10 * time.Millisecond}}
				a, b := node(t, engine, "a", rule), node(t, engine, "b", rule)
				var all sync.WaitGroup
				for i := range 8 {
					all.Go(func() {
						c := newClient("")
						a.connect(c)
						for n := range 100 {
							id := fmt.Sprintf("s%d", n)
							if err := a.subscribe(c, id, dest); err != nil {
								t.Error(err)
								return
							}
							mine := fmt.Sprintf("%d-%d-", i, n)
							for k := range 3 {
								if err := b.send(dest, fmt.Sprint(mine, k)); err != nil {
									t.Error(err)
								}
							}
							time.Sleep(200 * time.Millisecond)
							if err := a.unsubscribe(c, id); err != nil {
								t.Error(err)
							}
							if got, want := c.texts(mine), []string{mine + "0", mine + "1", mine + "2"}; fmt.Sprint(got) != fmt.Sprint(want) {
								t.Errorf("came %q, want %q", got, want)
								return
							}
							sleep(50 * time.Millisecond)
						}
					})
				}
				all.Wait()
				time.Sleep(time.Minute)
				if n := a.stats(); n.Joined != 0 {
					t.Errorf("%d subscriptions are left at the engine", n.Joined)
				}
			})
		})
	}
}

// texts returns the payloads of this prefix that were delivered since the last call.
func (c *client) texts(prefix string) (all []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, m := range c.got {
		if text := string(m.Payload); strings.HasPrefix(text, prefix) {
			all = append(all, text)
		}
	}
	c.got = nil
	return all
}

// Consumers of a queue come and go at three nodes, acknowledge or not, sessions end and
// brokers close: every message is acknowledged by somebody, and in the end nothing is
// left.
func TestConsumersComeAndGo(t *testing.T) {
	for _, noDone := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			const n = 500
			slow := newGauge()
			slow.noDone = noDone
			engine := &laggard{slow, 2 * time.Millisecond, 2 * time.Millisecond, time.Millisecond, time.Millisecond}
			rule := broker.Rule{Mode: broker.Queue, Acks: broker.Acks{Prefetch: 5, Backoff: 10 * time.Millisecond, MaxDeliveries: -1}}
			var nodes []ops
			for i := range 3 {
				nodes = append(nodes, node(t, engine, fmt.Sprint(i), rule))
			}
			acked, doubles := make(map[string]int), 0
			var mu sync.Mutex
			var all sync.WaitGroup
			done := make(chan struct{})
			for i := range 6 {
				o := nodes[i%3]
				all.Go(func() {
					for {
						select {
						case <-done:
							return
						default:
						}
						c := o.joined("/queue/x", individual)
						for range rand.IntN(20) {
							sleep(10 * time.Millisecond)
							for _, m := range c.taken() {
								if rand.IntN(4) == 0 {
									continue // its session will end
								}
								if o.do(settlement(c, m)) != nil {
									continue
								}
								mu.Lock()
								if acked[string(m.Payload)]++; acked[string(m.Payload)] > 1 {
									doubles++
								}
								mu.Unlock()
							}
						}
						o.must(o.disconnect(c))
						sleep(30 * time.Millisecond)
					}
				})
			}
			for i := range n {
				nodes[i%3].must(nodes[i%3].send("/queue/x", fmt.Sprint(i)))
				sleep(5 * time.Millisecond)
			}
			for range 600 {
				time.Sleep(100 * time.Millisecond)
				mu.Lock()
				left := n - len(acked)
				mu.Unlock()
				if left == 0 {
					break
				}
			}
			close(done)
			all.Wait()
			if len(acked) != n || doubles > 0 {
				t.Errorf("without Done %v: %d of %d messages were acknowledged, %d of them twice", noDone, len(acked), n, doubles)
			}
		})
	}
}
