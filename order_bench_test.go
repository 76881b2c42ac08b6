package headrace_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/headrace/headrace"
	"github.com/headrace/headrace/handler"
	"github.com/headrace/headrace/internal/pairs"
	"github.com/headrace/headrace/message"
)

// busy takes a handler's 5 µs of a core.
func busy() {
	for began := time.Now(); time.Since(began) < 5*time.Microsecond; {
	}
}

// lane is a way for messages of some sessions, each of which ends by a call of done.
type lane struct {
	sessions int
	send     func(session int, done func())
	close    func()
}

// throughput sends n messages, of the sessions in turn, and waits until all have ended.
func (l lane) throughput(n int) func() {
	return func() {
		var all sync.WaitGroup
		all.Add(n)
		for i := range n {
			l.send(i%l.sessions, all.Done)
		}
		all.Wait()
	}
}

// latencies returns how long messages take of which each session has one under way.
func (l lane) latencies(n int) []float64 {
	took := make([]float64, n)
	var all sync.WaitGroup
	for s := range l.sessions {
		all.Go(func() {
			for i := s; i < n; i += l.sessions {
				began, ended := time.Now(), make(chan struct{})
				l.send(s, func() { close(ended) })
				<-ended
				took[i] = float64(time.Since(began))
			}
		})
	}
	all.Wait()
	return took
}

// inbound is a node whose endpoint takes 5 µs.
func inbound(b *testing.B, sessions int, unordered bool) lane {
	node := headrace.New(headrace.Config{UnorderedInbound: unordered})
	handler.Consume(node.Router, "/work", func(context.Context, []byte) error { busy(); return nil })
	all := connectAll(b, node, sessions)
	return lane{sessions, func(s int, done func()) {
		m := message.Raw{Session: all[s].Session, Destination: "/app/work", Done: message.NewCompletion(message.Handled, func(err error) {
			if err != nil {
				b.Error(err)
			}
			done()
		})}
		m.Done.Release(node.Handle(context.Background(), m))
	}, node.Close}
}

// arrival is a session that calls the next of ended for each delivery.
type arrival struct {
	*message.Session
	ended chan func()
}

func (a *arrival) Deliver(_ context.Context, m message.Raw) error {
	if m.Kind == message.KindData {
		(<-a.ended)()
	}
	return nil
}

func (a *arrival) Close(error) {}

// outbound is a node whose gate takes 5 µs for each delivery; each session is sent to
// at a destination of its own.
func outbound(b *testing.B, sessions int, unordered bool) lane {
	node := headrace.New(headrace.Config{UnorderedOutbound: unordered, Gate: []message.RawInterceptor{
		func(next message.RawHandler) message.RawHandler {
			return message.HandlerFunc[[]byte](func(ctx context.Context, m message.Raw) error {
				if m.Kind == message.KindData {
					busy()
				}
				return next.Handle(ctx, m)
			})
		},
	}})
	c, all, dests := &clients{tb: b, node: node}, make([]*arrival, sessions), make([]string, sessions)
	for i := range all {
		all[i], dests[i] = &arrival{ended: make(chan func(), 1<<16)}, fmt.Sprint("/topic/", i)
		all[i].Session = message.NewSession(all[i], message.SessionInfo{})
		c.send(message.Raw{Kind: message.KindConnect, Session: all[i].Session})
		c.send(message.Raw{Kind: message.KindSubscribe, Session: all[i].Session, Subscription: "1", Destination: dests[i]})
	}
	c.waiting.Wait()
	return lane{sessions, func(s int, done func()) {
		all[s].ended <- done
		if err := node.BrokerChannel.Handle(context.Background(), message.Raw{Destination: dests[s]}); err != nil {
			b.Error(err)
		}
	}, node.Close}
}

// byHand is what one writes where there is no node: a goroutine for each session.
func byHand(_ *testing.B, sessions int, _ bool) lane {
	queues := make([]chan func(), sessions)
	var working sync.WaitGroup
	for i := range queues {
		queues[i] = make(chan func(), 64)
		working.Go(func() {
			for done := range queues[i] {
				busy()
				done()
			}
		})
	}
	return lane{sessions, func(s int, done func()) { queues[s] <- done }, func() {
		for _, q := range queues {
			close(q)
		}
		working.Wait()
	}}
}

func connectAll(b *testing.B, node *headrace.Node, n int) []*inProcess {
	c, all := &clients{tb: b, node: node}, make([]*inProcess, n)
	for i := range all {
		all[i] = newInProcess()
		c.send(message.Raw{Kind: message.KindConnect, Session: all[i].Session})
	}
	c.waiting.Wait()
	return all
}

// BenchmarkOrder compares the states of UnorderedInbound and UnorderedOutbound, and
// both with a goroutine for each session: the time of a message when as many as can
// be are under way, and how long one takes when each session has one under way.
func BenchmarkOrder(b *testing.B) {
	const n, rounds = 10_000, 10
	for _, sessions := range []int{1, 100} {
		for _, way := range []struct {
			name string
			lane func(*testing.B, int, bool) lane
		}{{"inbound", inbound}, {"outbound", outbound}} {
			b.Run(fmt.Sprintf("%s/%d", way.name, sessions), func(b *testing.B) {
				ordered, unordered, hand := way.lane(b, sessions, false), way.lane(b, sessions, true), byHand(b, sessions, false)
				defer ordered.close()
				defer unordered.close()
				defer hand.close()
				for _, c := range []struct {
					name string
					a, b lane
				}{{"ordered/unordered", ordered, unordered}, {"ordered/by hand", ordered, hand}, {"unordered/by hand", unordered, hand}} {
					fmt.Println("throughput", pairs.Compare(c.name, rounds, n, c.a.throughput(n), c.b.throughput(n)))
					var ratios, as, bs []float64
					for range rounds {
						a, b := pairs.Quantile(c.a.latencies(n), 0.5), pairs.Quantile(c.b.latencies(n), 0.5)
						ratios, as, bs = append(ratios, a/b), append(as, a), append(bs, b)
					}
					fmt.Printf("latency %s: %.2f [%.2f, %.2f], medians %v and %v\n", c.name,
						pairs.Quantile(ratios, 0.5), pairs.Quantile(ratios, 0.25), pairs.Quantile(ratios, 0.75),
						time.Duration(pairs.Quantile(as, 0.5)), time.Duration(pairs.Quantile(bs, 0.5)))
				}
				for range b.N {
				}
			})
		}
	}
}
