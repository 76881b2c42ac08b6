package telemetry_test

import (
	"context"
	"fmt"

	"go.opentelemetry.io/otel"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/headrace/headrace/channel"
	"github.com/headrace/headrace/interceptor"
	"github.com/headrace/headrace/interceptor/telemetry"
	"github.com/headrace/headrace/message"
)

func Example() {
	exporter := tracetest.NewInMemoryExporter() // an application takes one that leaves the process
	otel.SetTracerProvider(sdktrace.NewTracerProvider(sdktrace.WithSyncer(exporter)))

	orders := channel.NewExecutorChannel(channel.Config[string]{Name: "orders"})
	orders.Intercept(telemetry.TraceSend)
	channel.SubscribeFunc(orders, func(_ context.Context, m message.Message[string]) error {
		return nil
	}, interceptor.Recover, telemetry.Trace)

	ctx := context.Background()
	if err := orders.Handle(ctx, message.Message[string]{Destination: "/orders", Payload: "ACME"}); err != nil {
		fmt.Println(err)
	}
	if err := orders.Shutdown(ctx); err != nil {
		fmt.Println(err)
	}

	spans := make(map[string]tracetest.SpanStub)
	for _, s := range exporter.GetSpans() {
		spans[s.Name] = s
	}
	send, process := spans["send /orders"], spans["process /orders"]
	fmt.Println(send.Name, send.SpanKind)
	fmt.Println(process.Name, process.SpanKind, process.Parent.SpanID() == send.SpanContext.SpanID())
	// Output:
	// send /orders producer
	// process /orders consumer true
}
