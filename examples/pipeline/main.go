// Pipeline wires typed stages by hand: no adapter, no Node. Orders are priced on
// workers, cross a Watermill topic as JSON, and are booked in batches; every hop
// is traced, and the program prints the traces as trees.
//
//	go run ./examples/pipeline
package main

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/ThreeDotsLabs/watermill"
	"github.com/ThreeDotsLabs/watermill/pubsub/gochannel"
	"go.opentelemetry.io/otel"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/headrace/headrace/channel"
	"github.com/headrace/headrace/handler"
	"github.com/headrace/headrace/interceptor"
	"github.com/headrace/headrace/interceptor/telemetry"
	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/watermilladapter"
)

// Order is what comes in.
type Order struct {
	Symbol string
	Shares int
}

// Invoice is what an order becomes.
type Invoice struct {
	Symbol string  `json:"symbol"`
	Total  float64 `json:"total"`
}

var prices = map[string]float64{"ACME": 42.50, "INIT": 7.25}

func price(_ context.Context, o Order) (Invoice, error) {
	p, ok := prices[o.Symbol]
	if !ok {
		return Invoice{}, message.Errorf(message.CodeNotFound, "%s is not traded", o.Symbol)
	}
	return Invoice{Symbol: o.Symbol, Total: p * float64(o.Shares)}, nil
}

// books returns where the batches end; it tells how many invoices each had.
func books(booked chan<- int) message.Handler[[]Invoice] {
	return message.HandlerFunc[[]Invoice](func(_ context.Context, m message.Message[[]Invoice]) error {
		sum := 0.0
		for _, i := range m.Payload {
			sum += i.Total
		}
		fmt.Printf("booked %d invoices, %.2f in all\n", len(m.Payload), sum)
		booked <- len(m.Payload)
		return nil
	})
}

func main() {
	var traces tree
	if err := run(context.Background(), &traces); err != nil {
		log.Fatal(err)
	}
	traces.print()
}

func run(ctx context.Context, traces sdktrace.SpanExporter) error {
	provider := sdktrace.NewTracerProvider(sdktrace.WithSyncer(traces))
	otel.SetTracerProvider(provider)
	topic := gochannel.NewGoChannel(gochannel.Config{}, watermill.NopLogger{})
	booked := make(chan int, 10)

	orders := channel.NewExecutorChannel(channel.Config[Order]{Name: "orders"})
	invoices, ledger := new(channel.DirectChannel[Invoice]), new(channel.DirectChannel[Invoice])
	batches := handler.Batch(handler.BatchConfig{Size: 3}, books(booked))

	// orders ─► filter ─► price ─► invoices ─► JSON ─► topic ─► JSON ─► ledger ─► batches
	orders.Intercept(telemetry.TraceSend)
	orders.Subscribe(handler.Filter(positive, handler.Transform(price, invoices)), interceptor.Recover, telemetry.Trace)
	invoices.Subscribe(handler.Encode[Invoice](nil, "application/json",
		watermilladapter.To(topic, func(message.Raw) string { return "invoices" })))
	source, err := watermilladapter.From(ctx, topic, "invoices", handler.Decode(nil, ledger), watermilladapter.FromConfig{InFlight: 3})
	if err != nil {
		return err
	}
	ledger.Subscribe(batches, telemetry.Trace)

	for _, o := range []Order{{"ACME", 2}, {"INIT", 10}, {"NONE", 1}, {"ACME", 0}, {"ACME", 4}} {
		m := message.Message[Order]{Destination: "orders", Payload: o, Done: message.NewCompletion(message.Handled, func(err error) {
			fmt.Printf("order %s x %d: %s\n", o.Symbol, o.Shares, outcome(err))
		})}
		m.Done.Release(orders.Handle(ctx, m))
	}

	for n := 0; n < 3; { // the other two orders ended before they became invoices
		n += <-booked
	}

	// Who constructs closes, from the source to the sink: everything drains.
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	for _, shutdown := range []func(context.Context) error{orders.Shutdown, source.Shutdown, batches.Shutdown, provider.Shutdown} {
		if err := shutdown(ctx); err != nil {
			return err
		}
	}
	return topic.Close()
}

func positive(m message.Message[Order]) bool { return m.Payload.Shares > 0 }

func outcome(err error) string {
	if err != nil {
		return message.Public(err).Message
	}
	return "done"
}
