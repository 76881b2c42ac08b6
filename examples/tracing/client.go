package main

import (
	"context"
	"log"
	"time"

	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/headrace/headrace/interceptor/telemetry"
	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/message/destination"
	"github.com/headrace/headrace/stompadapter/client"
)

// order does from Go what the page does: it sends to one node and gets the answer from
// the other. It connects for that, and all of it is one trace.
func order(ctx context.Context, tracers trace.TracerProvider, url string) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	// The span stays out of ctx, where it would be the parent of what handles the
	// answer; that is a child of what sent the answer, as the header says.
	_, span := tracers.Tracer("examples/tracing").Start(ctx, "order")
	defer span.End()

	answered := make(chan struct{}, 1)
	answer := message.HandlerFunc[[]byte](func(context.Context, message.Raw) error {
		select {
		case answered <- struct{}{}:
		default: // there is one already: somebody else ordered too
		}
		return nil
	})
	// Interceptors go around every handler, those of a client too.
	tracing := telemetry.Config{TracerProvider: tracers, Template: telemetry.Destinations(destination.Slash, "/topic/orders")}
	traced := message.Chain[[]byte](answer, telemetry.TraceWith[[]byte](tracing))
	if err := send(ctx, url, traceparent(span), traced, answered); err != nil {
		span.RecordError(err)
		log.Print("the Go client: ", err)
	}
}

// send orders from the node in the west and waits for the answer of the one in the east.
func send(ctx context.Context, url string, in message.Field, answer message.RawHandler, answered <-chan struct{}) error {
	header := message.NewHeader(in)
	west, err := client.Dial(ctx, client.Config{URL: url + "/west", Header: header})
	if err != nil {
		return err
	}
	defer west.Close(ctx)
	east, err := client.Dial(ctx, client.Config{URL: url + "/east", Header: header})
	if err != nil {
		return err
	}
	defer east.Close(ctx)
	if _, err := east.Subscribe(ctx, "/topic/orders", client.SubscribeConfig{Header: header}, answer.Handle); err != nil {
		return err
	}
	if err := west.SendReceipt(ctx, "/app/orders/1", Order{Drink: "tea"}, in); err != nil {
		return err
	}
	select {
	case <-answered:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// traceparent is the header that makes a message a child of span.
func traceparent(span trace.Span) message.Field {
	carrier := propagation.MapCarrier{}
	propagation.TraceContext{}.Inject(trace.ContextWithSpan(context.Background(), span), carrier)
	return message.Field{Name: "traceparent", Value: carrier["traceparent"]}
}
