package headrace_test

import (
	"context"
	"fmt"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/headrace/headrace"
	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/message"
)

// inProcess is a session without a network. Each message that it is delivered is
// acknowledged where it asks for that.
type inProcess struct {
	*message.Session
	acks chan string
}

func newInProcess() *inProcess {
	s := &inProcess{acks: make(chan string, 64)}
	s.Session = message.NewSession(s, message.SessionInfo{})
	return s
}

func (s *inProcess) Deliver(_ context.Context, m message.Raw) error {
	if ack := m.Header.Get(message.HeaderAck); ack != "" {
		s.acks <- ack
	}
	return nil
}

func (s *inProcess) Close(error) {}

// clients send into a node; the outcome of all can be awaited.
type clients struct {
	tb      testing.TB
	node    *headrace.Node
	waiting sync.WaitGroup
}

func (c *clients) send(m message.Raw) {
	c.waiting.Add(1)
	m.Done = message.NewCompletion(message.Handled, func(err error) {
		if err != nil {
			c.tb.Error(err)
		}
		c.waiting.Done()
	})
	m.Done.Release(c.node.Handle(context.Background(), m))
}

// BenchmarkSubscriptionMemory reports the bytes that a subscription takes in a node
// beside its strings: at the broker, and with what Users knows of it.
func BenchmarkSubscriptionMemory(b *testing.B) {
	const sessions, each = 1_000, 100
	ids, dests := make([]string, each), make([]string, sessions*each)
	for i := range ids {
		ids[i] = strconv.Itoa(i)
	}
	for i := range dests {
		dests[i] = fmt.Sprintf("/topic/price/%d", i)
	}
	for b.Loop() {
		node := headrace.New(headrace.Config{})
		c := &clients{tb: b, node: node}
		all := make([]*inProcess, sessions)
		for i := range all {
			all[i] = newInProcess()
			c.send(message.Raw{Kind: message.KindConnect, Session: all[i].Session})
		}
		c.waiting.Wait()
		before := live()
		for i, dest := range dests {
			c.send(message.Raw{Kind: message.KindSubscribe, Session: all[i%sessions].Session, Subscription: ids[i/sessions], Destination: dest})
			if i%sessions == sessions-1 {
				c.waiting.Wait() // the mailboxes are small
			}
		}
		b.ReportMetric(float64(live()-before)/(sessions*each), "B/subscription")
		runtime.KeepAlive(all)
		node.Close()
	}
}

// live returns how many bytes are in use.
func live() int64 {
	runtime.GC()
	runtime.GC() // what the first one freed is swept now
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// BenchmarkQueue is one message through a queue of a node whose consumers compete: a
// session sends it, another one is delivered it and acknowledges.
func BenchmarkQueue(b *testing.B) {
	const consumers, window = 16, 2_000
	node := headrace.New(headrace.Config{Rules: []broker.Rule{{Prefix: "/queue", Mode: broker.Queue}}})
	defer node.Close()
	c := &clients{tb: b, node: node}
	var settled atomic.Int64
	var working sync.WaitGroup
	all := make([]*inProcess, consumers)
	individually := message.Header{}.With(message.HeaderAckMode, "client-individual")
	for i := range all {
		s := newInProcess()
		all[i] = s
		c.send(message.Raw{Kind: message.KindConnect, Session: s.Session})
		c.send(message.Raw{Kind: message.KindSubscribe, Session: s.Session, Subscription: "1", Destination: "/queue/jobs", Header: individually})
		working.Go(func() {
			for ack := range s.acks {
				if err := node.Handle(context.Background(), message.Raw{Kind: message.KindAck, Session: s.Session, Header: message.Header{}.With(message.HeaderAck, ack)}); err != nil {
					b.Error(err)
				}
				settled.Add(1)
			}
		})
	}
	c.waiting.Wait()
	senders := []*inProcess{newInProcess(), newInProcess()}
	for _, s := range senders {
		c.send(message.Raw{Kind: message.KindConnect, Session: s.Session})
	}
	c.waiting.Wait()
	b.ReportAllocs()
	sent, payload := int64(0), make([]byte, 128)
	for b.Loop() {
		for sent-settled.Load() > window {
			runtime.Gosched()
		}
		m := message.Raw{Session: senders[sent%2].Session, Destination: "/queue/jobs", Payload: append([]byte(nil), payload...)}
		if err := node.Handle(context.Background(), m); err != nil {
			b.Fatal(err)
		}
		sent++
	}
	for settled.Load() < sent {
		runtime.Gosched()
	}
	b.ReportMetric(float64(sent)/b.Elapsed().Seconds(), "messages/s")
	for _, s := range all {
		close(s.acks)
	}
	working.Wait()
}
