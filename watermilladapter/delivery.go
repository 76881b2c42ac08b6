package watermilladapter

import (
	"context"
	"errors"
	"log/slog"
	"time"

	wmessage "github.com/ThreeDotsLabs/watermill/message"

	"github.com/headrace/headrace/message"
)

// errDeadline is the cause with which a message's context ends at its deadline.
var errDeadline = message.Errorf(message.CodeTimeout, "message was not handled in time")

// delivery is one message on its way.
type delivery struct {
	source  *Source
	message *wmessage.Message
	ctx     context.Context
	cancel  context.CancelCauseFunc
	timer   *time.Timer // its deadline, then its NackDelay; the source's lock guards it
}

// begin hands m on. The message holds a slot, which is given back when it is
// settled.
func (s *Source) begin(m *wmessage.Message) {
	d := &delivery{source: s, message: m}
	d.ctx, d.cancel = context.WithCancelCause(m.Context())
	if !s.open(d) {
		d.refuse()
		return
	}
	done := message.NewCompletion(message.Handled, d.complete)
	done.Release(s.handle(d.ctx, m, done))
}

// expire refuses a message that takes too long. The slot stays taken until the
// handler is done: that bounds how many run, however often they are too late.
func (d *delivery) expire() {
	if d.message.Nack() {
		d.log("message expired", errDeadline)
	}
	d.cancel(errDeadline)
}

// complete is the outcome of the message. It runs once.
func (d *delivery) complete(err error) {
	d.disarm()
	if err == nil || errors.Is(err, message.ErrDropped) {
		d.message.Ack()
		d.settled()
		return
	}
	if err != errEnded {
		d.log("message failed", err)
	}
	if delay := d.source.config.NackDelay; delay > 0 && !d.expired() && d.arm(delay, d.refuse) {
		return
	}
	d.refuse()
}

func (d *delivery) expired() bool { return context.Cause(d.ctx) == errDeadline }

func (d *delivery) refuse() {
	d.message.Nack()
	d.settled()
}

func (d *delivery) settled() {
	d.cancel(nil)
	d.source.forget(d)
	<-d.source.slots
}

func (d *delivery) log(text string, err error) {
	logMessage(d.ctx, d.source.config.logger(), d.source.topic, d.message, text, err)
}

// logMessage tells of a message that failed.
func logMessage(ctx context.Context, log *slog.Logger, topic string, m *wmessage.Message, text string, err error) {
	attrs := []slog.Attr{
		slog.String("topic", topic),
		slog.String("message_id", m.UUID),
		slog.Any("error", err),
	}
	if p, ok := errors.AsType[*message.PanicError](err); ok {
		attrs = append(attrs, slog.String("stack", string(p.Stack)))
	}
	log.LogAttrs(ctx, slog.LevelError, text, attrs...)
}
