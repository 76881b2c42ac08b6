package telemetry

import (
	"context"
	"errors"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/headrace/headrace/message"
)

// Trace opens a span around the handling of each message, "process
// {destination}" of kind CONSUMER for data, as a child of the context in the
// message's header, and measures how long it takes. It is mounted around a
// subscriber, a router, a group or a route as it is, without a type argument, and
// uses the global providers.
func Trace[T any](next message.Handler[T]) message.Handler[T] { return TraceWith[T](Config{})(next) }

// TraceSend opens a span around the sending of each message, "send
// {destination}" of kind PRODUCER, and puts its context into the message's
// header unless there is one already. It is mounted on the send side of a
// channel as it is, without a type argument, and uses the global providers.
// Messages of another kind than [message.KindData] pass, and are counted where they
// are dropped.
func TraceSend[T any](next message.Handler[T]) message.Handler[T] {
	return TraceSendWith[T](Config{})(next)
}

// TraceWith is [Trace] with a configuration.
func TraceWith[T any](c Config) message.Interceptor[T] {
	t := newTracing(c)
	return func(next message.Handler[T]) message.Handler[T] {
		return message.HandlerFunc[T](func(ctx context.Context, m message.Message[T]) error {
			op := handling(m.Kind)
			l := t.lineage(ctx, m.Session, m.Header, op)
			s := t.shape(op, m.Destination)
			ctx, span := t.start(&l, s, m.Subscription)
			if l.drop != (found{}) {
				m.Header = t.admit(ctx, m.Header, l.drop)
			}
			return run(ctx, t, s, span, &m, next)
		})
	}
}

// TraceSendWith is [TraceSend] with a configuration.
func TraceSendWith[T any](c Config) message.Interceptor[T] {
	t := newTracing(c)
	return func(next message.Handler[T]) message.Handler[T] {
		return message.HandlerFunc[T](func(ctx context.Context, m message.Message[T]) error {
			if m.Kind != message.KindData {
				err := next.Handle(ctx, m)
				if err != nil {
					err = t.meters.drop(ctx, t.shape(handling(m.Kind), m.Destination), err)
				}
				return err
			}
			ctx, span, s := outgoing(ctx, t, &m, &send, &resend)
			if t.config.Channel != "" && (span.IsRecording() || t.meters.wait.Enabled(ctx)) {
				ctx = context.WithValue(ctx, queuedKey, &queued{channel: t.config.Channel, at: time.Now()})
			}
			return run(ctx, t, s, span, &m, next)
		})
	}
}

// outgoing opens the span of a message that is sent, which is op or, where there is
// a context that the message was created in, again. Without one the message gets
// that of the span.
func outgoing[T any](ctx context.Context, t *tracing, m *message.Message[T], op, again *operation) (context.Context, trace.Span, *shape) {
	l := t.lineage(ctx, m.Session, m.Header, op)
	if l.created {
		op = again
	}
	s := t.shape(op, m.Destination)
	ctx, span := t.start(&l, s, "")
	if l.drop != (found{}) {
		m.Header = t.admit(ctx, m.Header, l.drop)
	}
	if !l.created && !l.drop.context {
		m.Header = t.inject(ctx, m.Header)
	}
	if t.config.LinkMode == LinkOnly {
		ctx = context.WithValue(ctx, senderKey, span.SpanContext().SpanID())
	}
	return ctx, span, s
}

// start opens the span of a message.
func (t *tracing) start(l *lineage, s *shape, subscription string) (context.Context, trace.Span) {
	options := s.start
	if len(l.links) > 0 || subscription != "" {
		options = append(make([]trace.SpanStartOption, 0, 4), options...)
		options = append(options, trace.WithLinks(l.links...))
		if subscription != "" {
			options = append(options, trace.WithAttributes(semconv.MessagingDestinationSubscriptionName(subscription)))
		}
	}
	return t.tracer.Start(l.ctx, s.name, options...)
}

// run calls next within span, ends it and measures.
func run[T any](ctx context.Context, t *tracing, s *shape, span trace.Span, m *message.Message[T], next message.Handler[T]) error {
	if m.Done != nil && span.SpanContext().IsValid() {
		m.Done.Within(ctx)
	}
	metered := t.meters.enabled(ctx, s.op)
	if !metered && !span.IsRecording() {
		defer span.End()
		return t.meters.drop(ctx, s, next.Handle(ctx, *m))
	}
	return observed(ctx, t, s, span, m, next, metered)
}

func observed[T any](ctx context.Context, t *tracing, s *shape, span trace.Span, m *message.Message[T], next message.Handler[T], metered bool) (err error) {
	var start time.Time
	if metered {
		start = time.Now()
	}
	if span.IsRecording() {
		describe(span, &t.config, m)
	}
	if s.op.consumes {
		t.meters.unqueued(ctx, span)
	}
	err = errPanicked // until it returned
	defer func() {
		conclude(span, err)
		if metered {
			t.meters.measure(ctx, s, time.Since(start), err)
		}
		err = t.meters.drop(ctx, s, err)
		span.End()
	}()
	err = next.Handle(ctx, *m)
	return err
}

// errPanicked is the outcome of a handler whose panic goes on.
var errPanicked = errors.New("handler panicked")

// describe adds what only matters on a span that is recorded.
func describe[T any](span trace.Span, c *Config, m *message.Message[T]) {
	var room [5]attribute.KeyValue
	set := room[:0]
	if id := m.Header.Get(message.HeaderMessageID); id != "" {
		set = append(set, semconv.MessagingMessageID(id))
	}
	if id := m.Header.Get(message.HeaderCorrelationID); id != "" {
		set = append(set, semconv.MessagingMessageConversationID(id))
	}
	if m.Session != nil {
		set = append(set, sessionKey.String(m.Session.ID()))
		if c.EndUser {
			if user := m.Session.User(); user != nil {
				set = append(set, semconv.EnduserID(user.Name()))
			}
		}
	}
	if payload, ok := any(m.Payload).([]byte); ok && c.BodySize {
		set = append(set, semconv.MessagingMessageBodySize(len(payload)))
	}
	if len(set) > 0 {
		span.SetAttributes(set...)
	}
}

// conclude tells span how it ended.
func conclude(span trace.Span, err error) {
	switch {
	case err == nil || !span.IsRecording():
	case errors.Is(err, message.ErrDropped):
		span.SetAttributes(droppedKey.Bool(true))
		if by := message.DroppedBy(err); by != "" {
			span.SetAttributes(interceptorKey.String(by))
		}
	default:
		span.SetStatus(codes.Error, err.Error())
		span.SetAttributes(semconv.ErrorTypeKey.String(errorType(err)))
	}
}

func errorType(err error) string { return string(message.Public(err).Code) }
