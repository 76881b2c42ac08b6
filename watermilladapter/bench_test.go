package watermilladapter_test

import (
	"context"
	"testing"

	"github.com/ThreeDotsLabs/watermill"
	wmessage "github.com/ThreeDotsLabs/watermill/message"
	"github.com/ThreeDotsLabs/watermill/pubsub/gochannel"

	"github.com/headrace/headrace/internal/pairs"
	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/watermilladapter"
)

const (
	benchPairs    = 31
	benchMessages = 2000
)

var benchPayload = make([]byte, 256)

// reportAdded says what each message costs more than without us.
func reportAdded(b *testing.B, name string, with, without func()) {
	for b.Loop() {
		r := pairs.Compare(name, benchPairs, benchMessages, with, without)
		b.Log(r)
		b.ReportMetric(float64(r.A-r.B), "added-ns/msg")
		b.ReportMetric(float64(r.B), "watermill-ns/msg")
		b.ReportMetric(0, "ns/op")
	}
}

func newBenchMessage() *wmessage.Message {
	m := wmessage.NewMessage(watermill.NewUUID(), benchPayload)
	m.Metadata["content-type"] = "application/json"
	m.Metadata["traceparent"] = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	m.Metadata["symbol"] = "ACME"
	return m
}

// BenchmarkFromAdded compares messages that go through From with those that a loop
// takes and acknowledges: at most 2 µs more. Each is published when the one before
// was acknowledged, so that all of the time is on its way.
func BenchmarkFromAdded(b *testing.B) {
	run := func(consume func(*gochannel.GoChannel)) func() {
		pubsub := gochannel.NewGoChannel(gochannel.Config{BlockPublishUntilSubscriberAck: true}, nil)
		b.Cleanup(func() { _ = pubsub.Close() })
		consume(pubsub)
		return func() {
			for range benchMessages {
				if err := pubsub.Publish("orders", newBenchMessage()); err != nil {
					b.Error(err)
				}
			}
		}
	}
	with := run(func(pubsub *gochannel.GoChannel) {
		source, err := watermilladapter.From(context.Background(), pubsub, "orders", rawFunc(accept), watermilladapter.FromConfig{})
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(source.Close)
	})
	without := run(func(pubsub *gochannel.GoChannel) {
		in, err := pubsub.Subscribe(context.Background(), "orders")
		if err != nil {
			b.Fatal(err)
		}
		go func() {
			for m := range in {
				m.Ack()
			}
		}()
	})
	reportAdded(b, "From", with, without)
}

// BenchmarkToAdded compares messages that go through To with those that are made and
// published: at most 2 µs more.
func BenchmarkToAdded(b *testing.B) {
	pubsub := gochannel.NewGoChannel(gochannel.Config{}, nil)
	b.Cleanup(func() { _ = pubsub.Close() })
	to := watermilladapter.To(pubsub, nil)
	header := message.NewHeader(
		message.Field{Name: "content-type", Value: "application/json"},
		message.Field{Name: "traceparent", Value: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"},
		message.Field{Name: "symbol", Value: "ACME"},
	)
	with := func() {
		for range benchMessages {
			if err := to.Handle(context.Background(), message.Raw{Destination: "orders", Header: header, Payload: benchPayload}); err != nil {
				b.Error(err)
			}
		}
	}
	without := func() {
		for range benchMessages {
			if err := pubsub.Publish("orders", newBenchMessage()); err != nil {
				b.Error(err)
			}
		}
	}
	reportAdded(b, "To", with, without)
}
