package telemetry

import (
	"context"
	"sync/atomic"

	"go.opentelemetry.io/otel/trace"

	"github.com/headrace/headrace/message"
)

// TracePublish opens a span around the fan-out of each message, "publish
// {destination}" of kind INTERNAL, which has the number of deliveries that
// [TraceDelivery] saw meanwhile as headrace.fanout.count. It is mounted before a
// broker, behind a [TraceSend] if there is one. A message without a context gets
// that of the span, before the fan-out: all deliveries share one header. Messages
// of another kind than [message.KindData] pass.
func TracePublish(c Config) message.RawInterceptor {
	t := newTracing(c)
	return func(next message.RawHandler) message.RawHandler {
		counted := counting(next)
		return message.HandlerFunc[[]byte](func(ctx context.Context, m message.Raw) error {
			if m.Kind != message.KindData {
				return next.Handle(ctx, m)
			}
			ctx, span, s := outgoing(ctx, t, &m, &publish, &publish)
			if !span.IsRecording() {
				return run(ctx, t, s, span, &m, next)
			}
			return run(context.WithValue(ctx, deliveriesKey, new(fanout)), t, s, span, &m, counted)
		})
	}
}

// TraceRelay opens a span around the handing over of each message to another broker,
// "relay {destination}" of kind CLIENT, a link to the context that the message was created
// in where that is not the parent. It is mounted before a relay, as Relay.Sending of the
// node, with a Config whose System names the broker and whose Attributes say where it is.
// Messages of another kind than [message.KindData] pass.
func TraceRelay(c Config) message.RawInterceptor {
	t := newTracing(c)
	return func(next message.RawHandler) message.RawHandler {
		return message.HandlerFunc[[]byte](func(ctx context.Context, m message.Raw) error {
			if m.Kind != message.KindData {
				return next.Handle(ctx, m)
			}
			ctx, span, s := outgoing(ctx, t, &m, &relay, &relay)
			return run(ctx, t, s, span, &m, next)
		})
	}
}

// fanout counts the deliveries of one message.
type fanout struct{ atomic.Int64 }

// counting tells the span how many deliveries there were.
func counting(next message.RawHandler) message.RawHandler {
	return message.HandlerFunc[[]byte](func(ctx context.Context, m message.Raw) error {
		err := next.Handle(ctx, m)
		if f, ok := ctx.Value(deliveriesKey).(*fanout); ok {
			trace.SpanFromContext(ctx).SetAttributes(fanoutKey.Int64(f.Load()))
		}
		return err
	})
}

// TraceDelivery counts deliveries for the span of [TracePublish], and with
// [Config.DeliverySpans] opens one for each, "deliver {destination}" of kind
// INTERNAL. It is mounted on the channel of what clients are sent.
//
// A delivery keeps the header that it came with, for deliveries that share one are
// encoded once. Only what no broker published and has no context, such as the
// answer to a subscription, gets that of the span in which it was sent.
func TraceDelivery(c Config) message.RawInterceptor {
	t := newTracing(c)
	return func(next message.RawHandler) message.RawHandler {
		return message.HandlerFunc[[]byte](func(ctx context.Context, m message.Raw) error {
			if m.Kind != message.KindData {
				return next.Handle(ctx, m)
			}
			if f, ok := ctx.Value(deliveriesKey).(*fanout); ok {
				f.Add(1)
			}
			if _, published := m.Header.Lookup(message.HeaderMessageID); !published && !t.find(m.Header).context {
				m.Header = t.inject(ctx, m.Header)
			}
			if !t.config.DeliverySpans {
				return next.Handle(ctx, m)
			}
			l := t.lineage(ctx, nil, m.Header, &deliver)
			s := t.shape(&deliver, m.Destination)
			ctx, span := t.start(&l, s, m.Subscription)
			return run(ctx, t, s, span, &m, next)
		})
	}
}
