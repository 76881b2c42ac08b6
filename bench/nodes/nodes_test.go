// Package nodes_test compares what it takes from a node to another one over core NATS with
// what NATS takes from one connection to another.
package nodes_test

import (
	"context"
	"io"
	"log/slog"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	natsgo "github.com/nats-io/nats.go"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/engines/nats"
	"github.com/headrace/headrace/internal/pairs"
	"github.com/headrace/headrace/message"
)

const messages = 2000

// BenchmarkNodesRatio has the time from publishing 256 bytes at one node, one message at
// a time, until a subscriber of another one has them, beside that between two connections
// to the same server.
func BenchmarkNodesRatio(b *testing.B) {
	s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: -1, NoSigs: true, NoLog: true})
	if err != nil {
		b.Fatal(err)
	}
	s.Start()
	defer s.WaitForShutdown()
	defer s.Shutdown()
	nodes, bare := ours(b, s.ClientURL()), theirs(b, s.ClientURL())
	for b.Loop() {
		var ratios, a, z []float64
		for range 22 {
			x, y := nodes(), bare()
			a, z, ratios = append(a, x), append(z, y), append(ratios, x/y)
		}
		b.ReportMetric(pairs.Quantile(ratios, 0.5), "x-nats")
		b.Logf("publish to deliver, ratio %.2f [%.2f %.2f], %.1f us / %.1f us", pairs.Quantile(ratios, 0.5), pairs.Quantile(ratios, 0.25),
			pairs.Quantile(ratios, 0.75), pairs.Quantile(a, 0.5), pairs.Quantile(z, 0.5))
	}
}

// timed returns the median time, in microseconds, from the beginning of publish until a
// message came.
func timed(came <-chan time.Time, publish func()) func() float64 {
	return func() float64 {
		var took []float64
		for range messages {
			begun := time.Now()
			publish()
			took = append(took, float64((<-came).Sub(begun).Nanoseconds())/1000)
		}
		return pairs.Quantile(took, 0.5)
	}
}

// ours are two nodes' brokers.
func ours(b *testing.B, url string) func() float64 {
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	node := func(outbound message.RawHandler) *broker.Memory {
		core, err := nats.Core(nats.Config{URL: url, Logger: log})
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(core.Close)
		m := broker.NewMemory(outbound, broker.Config{Backplane: core, Logger: log})
		b.Cleanup(m.Close)
		return m
	}
	deliver := message.HandlerFunc[[]byte](func(ctx context.Context, m message.Raw) error { return m.Session.Deliver(ctx, m) })
	came := make(sink, 1)
	from, to := node(deliver), node(deliver)
	session := message.NewSession(came, message.SessionInfo{})
	for _, m := range []message.Raw{
		{Kind: message.KindConnect, Session: session},
		{Kind: message.KindSubscribe, Session: session, Destination: "/topic/bench", Subscription: "1"},
	} {
		if err := to.Handle(b.Context(), m); err != nil {
			b.Fatal(err)
		}
	}
	payload := make([]byte, 256)
	return timed(came, func() {
		if err := from.Handle(context.Background(), message.Raw{Destination: "/topic/bench", Payload: payload}); err != nil {
			b.Fatal(err)
		}
	})
}

// sink is a client that says when a message came.
type sink chan time.Time

func (s sink) Deliver(_ context.Context, m message.Raw) error {
	if m.Kind == message.KindData {
		s <- time.Now()
	}
	return nil
}

func (sink) Close(error) {}

// theirs are two connections.
func theirs(b *testing.B, url string) func() float64 {
	connect := func() *natsgo.Conn {
		c, err := natsgo.Connect(url)
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(c.Close)
		return c
	}
	from, to := connect(), connect()
	came := make(chan time.Time, 1)
	if _, err := to.Subscribe("bench", func(*natsgo.Msg) { came <- time.Now() }); err != nil {
		b.Fatal(err)
	}
	if err := to.Flush(); err != nil {
		b.Fatal(err)
	}
	payload := make([]byte, 256)
	return timed(came, func() {
		if err := from.Publish("bench", payload); err != nil {
			b.Fatal(err)
		}
	})
}
