package broker_test

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/message"
)

// worker is the sink of a session that acknowledges each message for itself, on a
// goroutine of its own.
type worker struct {
	*message.Session
	acks chan string
}

func (w *worker) Deliver(_ context.Context, m message.Raw) error {
	if m.Kind == message.KindData {
		w.acks <- m.Header.Get(message.HeaderAck)
	}
	return nil
}

func (w *worker) Close(error) {}

// BenchmarkQueue is one message through a queue whose consumers compete: it is sent,
// delivered and acknowledged, at least 300,000 times a second.
func BenchmarkQueue(b *testing.B) {
	for _, workers := range []int{1, 2, 16, 100} {
		b.Run(fmt.Sprintf("%d consumers", workers), func(b *testing.B) { benchmarkQueue(b, workers) })
	}
}

func benchmarkQueue(b *testing.B, workers int) {
	const prefetch, window = 64, 5_000 // of each consumer, and of all that may be unsettled
	memory := broker.NewMemory(outbound, broker.Config{Rules: []broker.Rule{{Prefix: "/queue", Mode: broker.Queue}}})
	defer memory.Close()
	do := func(m message.Raw) {
		if err := memory.Handle(context.Background(), m); err != nil {
			b.Error(err)
		}
	}
	var working sync.WaitGroup
	var settled atomic.Int64
	individually := message.Header{}.With(message.HeaderAckMode, "client-individual")
	all := make([]*worker, workers)
	for i := range all {
		w := &worker{acks: make(chan string, prefetch)}
		w.Session = message.NewSession(w, message.SessionInfo{})
		all[i] = w
		do(message.Raw{Kind: message.KindConnect, Session: w.Session})
		do(message.Raw{Kind: message.KindSubscribe, Session: w.Session, Subscription: "1", Destination: "/queue/jobs", Header: individually})
		working.Go(func() {
			for ack := range w.acks {
				do(message.Raw{Kind: message.KindAck, Session: w.Session, Header: message.Header{}.With(message.HeaderAck, ack)})
				settled.Add(1)
			}
		})
	}
	b.ReportAllocs()
	sent, payload := int64(0), make([]byte, 128)
	for b.Loop() {
		for sent-settled.Load() > window {
			runtime.Gosched()
		}
		do(message.Raw{Destination: "/queue/jobs", Payload: append([]byte(nil), payload...)})
		sent++
	}
	for settled.Load() < sent {
		runtime.Gosched()
	}
	b.ReportMetric(float64(sent)/b.Elapsed().Seconds(), "messages/s")
	for _, w := range all {
		close(w.acks)
	}
	working.Wait()
}
