package main

import (
	"cmp"
	"context"

	"github.com/ThreeDotsLabs/watermill/pubsub/gochannel"
	"go.opentelemetry.io/otel/trace"

	"github.com/headrace/headrace"
	"github.com/headrace/headrace/handler"
	"github.com/headrace/headrace/interceptor/telemetry"
	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/message/destination"
	"github.com/headrace/headrace/watermilladapter"
)

// topics are the destinations that are no endpoint's.
var topics = telemetry.Destinations(destination.Slash, "/topic/orders", "/topic/traces")

// node is a node every part of which is traced.
type node struct {
	*headrace.Node
	tracing telemetry.Config
}

func newNode(tracers trace.TracerProvider) *node {
	n := &node{tracing: telemetry.Config{
		TracerProvider: tracers,
		// Here nobody logs in. By default the trace context of strangers is linked, and
		// no parent, for who is trusted decides what is recorded.
		RemoteContext: telemetry.Trust,
		DeliverySpans: true, // there are few subscribers
	}}
	n.tracing.Template = n.template
	n.Node = headrace.New(headrace.Config{
		Handling:   []message.RawInterceptor{telemetry.TraceWith[[]byte](n.tracing)},
		Publishing: []message.RawInterceptor{telemetry.TracePublish(n.tracing)},
		Gate:       []message.RawInterceptor{telemetry.TraceDelivery(n.tracing)},
	})
	n.Inbound.Intercept(telemetry.TraceSendWith[[]byte](n.tracing))
	n.BrokerChannel.Intercept(telemetry.TraceSendWith[[]byte](n.tracing))
	return n
}

// template returns what spans show of a destination: a pattern, so that there are few
// names however many tables order.
func (n *node) template(k message.Kind, dest string) string {
	return cmp.Or(n.Router.Template(k, dest), topics(k, dest))
}

// join lets what one node publishes on /topic/orders be published on another one too.
// The header, and so the trace, goes with the message as metadata.
func join(ctx context.Context, from, to *node, engine *gochannel.GoChannel) (*watermilladapter.Source, error) {
	const topic = "orders"
	sends, takes := from.tracing, to.tracing
	sends.System, takes.System = "gochannel", "gochannel"

	orders := func(m message.Raw) bool { return m.Destination == "/topic/orders" }
	publisher := watermilladapter.To(engine, func(message.Raw) string { return topic })
	traced := message.Chain(publisher, telemetry.TraceSendWith[[]byte](sends))
	from.BrokerChannel.Subscribe(handler.Filter(orders, traced))

	published := message.Chain[[]byte](to.BrokerChannel, telemetry.TraceWith[[]byte](takes))
	ctx = context.WithoutCancel(ctx) // whoever shuts the source down drains it
	return watermilladapter.From(ctx, engine, topic, published, watermilladapter.FromConfig{Destination: "/topic/orders"})
}
