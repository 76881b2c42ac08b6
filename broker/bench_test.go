package broker_test

import (
	"context"
	"fmt"
	"runtime"
	"strconv"
	"testing"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/internal/pairs"
	"github.com/headrace/headrace/message"
)

// tally is a sink that only counts.
type tally struct{ n int }

func (s *tally) Deliver(context.Context, message.Raw) error { s.n++; return nil }
func (s *tally) Close(error)                                {}

// throng is a broker and sessions that only count what they are delivered.
type throng struct {
	tb       testing.TB
	b        *broker.Memory
	sessions []*message.Session
}

func newThrong(tb testing.TB, n int, rules ...broker.Rule) *throng {
	c := &throng{tb, broker.NewMemory(outbound, broker.Config{MaxSubscriptions: -1, Rules: rules}), make([]*message.Session, n)}
	tb.Cleanup(c.b.Close)
	for i := range c.sessions {
		c.sessions[i] = message.NewSession(new(tally), message.SessionInfo{})
		c.do(message.Raw{Kind: message.KindConnect, Session: c.sessions[i]})
	}
	return c
}

func (c *throng) do(m message.Raw) {
	if err := c.b.Handle(context.Background(), m); err != nil {
		c.tb.Fatal(err)
	}
}

// held is a subscription of the throng's, with its strings.
type held struct {
	session  *message.Session
	id, dest string
}

func (c *throng) subscribe(s held) {
	c.do(message.Raw{Kind: message.KindSubscribe, Session: s.session, Subscription: s.id, Destination: s.dest})
}

func (c *throng) unsubscribe(s held) {
	c.do(message.Raw{Kind: message.KindUnsubscribe, Session: s.session, Subscription: s.id})
}

// subscriptions makes n of them, that the sessions share evenly.
func (c *throng) subscriptions(n int, dest func(i int) string) []held {
	all := make([]held, n)
	for i := range all {
		all[i] = held{c.sessions[i%len(c.sessions)], strconv.Itoa(i / len(c.sessions)), dest(i)}
	}
	return all
}

var shapes = []struct {
	name string
	dest func(i int) string
}{
	{"own destinations", func(i int) string { return fmt.Sprintf("/topic/price/%d", i) }},
	{"one destination", func(int) string { return "/topic/price" }},
}

// BenchmarkPublishAmongOthersRatio compares a publication to 1,000 subscribers
// among 100,000 subscriptions to other destinations with one where there are no
// others: at most 1.15 times. It is the time of one goroutine, per delivery;
// bench/fanout measures the CPU of a server.
func BenchmarkPublishAmongOthersRatio(b *testing.B) {
	const subscribers, publications = 1_000, 20
	publish := func(others int) func() {
		c := newThrong(b, subscribers)
		for _, s := range c.subscriptions(others, shapes[0].dest) {
			c.subscribe(s)
		}
		for _, session := range c.sessions {
			c.subscribe(held{session, "news", "/topic/news"})
		}
		m := message.Raw{Destination: "/topic/news", Payload: make([]byte, 128)}
		return func() {
			for range publications {
				c.do(m)
			}
		}
	}
	among, alone := publish(100_000), publish(0)
	for b.Loop() {
		fmt.Println(pairs.Compare("publish, 100,000 others / none", 200, subscribers*publications, among, alone))
	}
}

// BenchmarkSubscribeRatio compares one subscription that comes and goes among
// 100,000 with one among 10: at most 3 times. A session has up to 100 of them. The
// oldest of all goes and comes back, or the same one each time.
func BenchmarkSubscribeRatio(b *testing.B) {
	const changes = 20_000
	change := func(n int, dest func(int) string, oldest bool) func() {
		c := newThrong(b, max(1, n/100))
		all := c.subscriptions(n, dest)
		for _, s := range all {
			c.subscribe(s)
		}
		turning, next := 1, 0
		if oldest {
			turning = n
		}
		return func() {
			for range changes {
				s := all[next%turning]
				c.unsubscribe(s)
				c.subscribe(s)
				next++
			}
		}
	}
	for _, shape := range shapes {
		for _, which := range []string{"same", "oldest"} {
			name := shape.name + ", " + which
			b.Run(name, func(b *testing.B) {
				many, few := change(100_000, shape.dest, which == "oldest"), change(10, shape.dest, which == "oldest")
				for b.Loop() {
					fmt.Println(pairs.Compare(name, 20, changes, many, few))
				}
			})
		}
	}
}

// BenchmarkSubscriptionMemory reports the bytes that a subscription takes beside its
// strings: at most 300.
func BenchmarkSubscriptionMemory(b *testing.B) {
	for _, shape := range shapes {
		for _, n := range []int{20_000, 50_000, 100_000, 200_000} {
			b.Run(fmt.Sprintf("%s/%d", shape.name, n), func(b *testing.B) {
				for b.Loop() {
					b.ReportMetric(memoryOfSubscriptions(b, n, shape.dest), "B/subscription")
				}
			})
		}
	}
}

func memoryOfSubscriptions(tb testing.TB, n int, dest func(int) string) float64 {
	c := newThrong(tb, n/100)
	all := c.subscriptions(n, dest)
	before := live()
	for _, s := range all {
		c.subscribe(s)
	}
	after := live()
	runtime.KeepAlive(all)
	runtime.KeepAlive(c)
	return float64(after-before) / float64(n)
}

// live returns how many bytes are in use.
func live() int64 {
	runtime.GC()
	runtime.GC() // what the first one freed is swept now
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// BenchmarkHistory compares a publication that is kept with one that is not: at most
// 150 ns and 1 allocation more.
func BenchmarkHistory(b *testing.B) {
	const publications = 2_000
	payload := make([]byte, 128)
	publish := func(subscribers int, rules ...broker.Rule) func() {
		c := newThrong(b, subscribers, rules...)
		for _, session := range c.sessions {
			c.subscribe(held{session, "news", "/topic/news"})
		}
		return func() {
			for range publications {
				c.do(message.Raw{Destination: "/topic/news", Payload: append([]byte(nil), payload...)})
			}
		}
	}
	for _, subscribers := range []int{0, 1, 10} {
		b.Run(fmt.Sprintf("%d subscribers", subscribers), func(b *testing.B) {
			with := publish(subscribers, broker.Rule{Prefix: "/topic", History: broker.History{Messages: 1_000}})
			without := publish(subscribers)
			for b.Loop() {
				r := pairs.Compare("with history / without", 500, publications, with, without)
				fmt.Println(r)
				b.ReportMetric(float64(r.A-r.B), "ns-more")
			}
		})
	}
}
