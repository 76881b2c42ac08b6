package telemetry

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/metric"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/semconv/v1.43.0/messagingconv"
	"go.opentelemetry.io/otel/trace"

	"github.com/headrace/headrace/message"
)

// meters are the instruments of events. Those of states are read by [Observe].
type meters struct {
	processed metric.Float64Histogram
	consumed  metric.Int64Counter
	operated  metric.Float64Histogram
	sent      metric.Int64Counter
	wait      metric.Float64Histogram
	panics    metric.Int64Counter
	dropped   metric.Int64Counter
}

func (c *Config) meter() metric.Meter {
	provider := c.MeterProvider
	if provider == nil {
		provider = otel.GetMeterProvider()
	}
	return provider.Meter(instrumentation, metric.WithSchemaURL(schemaURL))
}

func newMeters(c Config) meters {
	m, b := c.meter(), metric.WithExplicitBucketBoundaries(buckets...)
	processed, err1 := messagingconv.NewProcessDuration(m, b)
	consumed, err2 := messagingconv.NewClientConsumedMessages(m)
	operated, err3 := messagingconv.NewClientOperationDuration(m, b)
	sent, err4 := messagingconv.NewClientSentMessages(m)
	wait, err5 := m.Float64Histogram(queueWait, b, metric.WithUnit("s"),
		metric.WithDescription("How long messages waited in a channel."))
	panics, err6 := m.Int64Counter(handlerPanics, metric.WithUnit("{panic}"),
		metric.WithDescription("Number of handlers that panicked."))
	dropped, err7 := m.Int64Counter(messagesDropped, metric.WithUnit("{message}"),
		metric.WithDescription("Number of messages that an interceptor dropped."))
	report(err1, err2, err3, err4, err5, err6, err7)
	return meters{processed.Inst(), consumed.Inst(), operated.Inst(), sent.Inst(), wait, panics, dropped}
}

// report tells the handler of OpenTelemetry what it cannot do.
func report(errs ...error) {
	for _, err := range errs {
		if err != nil {
			otel.Handle(err)
		}
	}
}

// enabled reports whether messages of an operation are measured.
func (ms *meters) enabled(ctx context.Context, op *operation) bool {
	switch op {
	case process:
		return ms.processed.Enabled(ctx) || ms.consumed.Enabled(ctx)
	case &send, &resend:
		return ms.operated.Enabled(ctx) || ms.sent.Enabled(ctx)
	}
	return false
}

// measure records a message that took so long. What failed shows why, not where to: by
// both there would be as many series as destinations times codes.
func (ms *meters) measure(ctx context.Context, s *shape, took time.Duration, err error) {
	add, record := s.add, s.record
	if err != nil && !errors.Is(err, message.ErrDropped) {
		failed := set(s.fixed, semconv.ErrorTypeKey.String(errorType(err)))
		add, record = []metric.AddOption{failed}, []metric.RecordOption{failed}
	}
	if s.op != process {
		ms.operated.Record(ctx, took.Seconds(), record...)
		ms.sent.Add(ctx, 1, add...)
		return
	}
	ms.processed.Record(ctx, took.Seconds(), record...)
	ms.consumed.Add(ctx, 1, add...)
	if _, ok := errors.AsType[*message.PanicError](err); ok || err == errPanicked {
		ms.panics.Add(ctx, 1, set(s.fixed))
	}
}

// drop counts a message that an interceptor dropped, by that one's name if it says it.
// It returns err for those before it, who do not count it again.
func (ms *meters) drop(ctx context.Context, s *shape, err error) error {
	if err == nil || !errors.Is(err, message.ErrDropped) || !ms.dropped.Enabled(ctx) {
		return err
	}
	if _, ok := errors.AsType[*countedDrop](err); ok {
		return err
	}
	if by := message.DroppedBy(err); by != "" {
		ms.dropped.Add(ctx, 1, set(s.fixed, interceptorKey.String(by)))
	} else {
		ms.dropped.Add(ctx, 1, set(s.fixed))
	}
	return &countedDrop{err}
}

// countedDrop is a drop that a mount has counted.
type countedDrop struct{ error }

func (d *countedDrop) Unwrap() error { return d.error }

// queued is when a message came to a channel.
type queued struct {
	channel string
	at      time.Time
	taken   atomic.Bool
}

// unqueued measures how long the message waited, once.
func (ms *meters) unqueued(ctx context.Context, span trace.Span) {
	q, ok := ctx.Value(queuedKey).(*queued)
	if !ok || q.taken.Swap(true) {
		return
	}
	waited, name := time.Since(q.at), channelKey.String(q.channel)
	ms.wait.Record(ctx, waited.Seconds(), metric.WithAttributes(name))
	if span.IsRecording() {
		span.SetAttributes(name, waitKey.Float64(float64(waited)/float64(time.Millisecond)))
	}
}

// Sessions counts sessions that are there, by transport, and those that ended, by
// the reason as well, as [message.EndReason] has it. It is mounted on the send side
// of the channel that adapters send into, and goes by the KindConnect and
// KindDisconnect of each session, whatever becomes of them.
func Sessions(c Config) message.RawInterceptor {
	m := c.meter()
	active, err1 := m.Int64UpDownCounter(sessionsActive, metric.WithUnit("{session}"),
		metric.WithDescription("Number of sessions."))
	closed, err2 := m.Int64Counter(sessionsClosed, metric.WithUnit("{session}"),
		metric.WithDescription("Number of sessions that ended."))
	report(err1, err2)
	return func(next message.RawHandler) message.RawHandler {
		return message.HandlerFunc[[]byte](func(ctx context.Context, msg message.Raw) error {
			if s := msg.Session; s != nil && (msg.Kind == message.KindConnect || msg.Kind == message.KindDisconnect) {
				over := overKey.String(s.Transport())
				if msg.Kind == message.KindConnect {
					active.Add(ctx, 1, metric.WithAttributes(over))
				} else {
					active.Add(ctx, -1, metric.WithAttributes(over))
					closed.Add(ctx, 1, metric.WithAttributes(over, reasonKey.String(message.EndReason(s.Reason()))))
				}
			}
			return next.Handle(ctx, msg)
		})
	}
}
