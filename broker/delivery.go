package broker

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/headrace/headrace/message"
)

// delivery sends messages to subscriptions through the outbound handler, and
// events to whom they interest.
type delivery struct {
	outbound  message.RawHandler
	events    message.Handler[Event]
	logger    *slog.Logger
	idPrefix  string // of messages
	ackPrefix string // of what deliveries are acknowledged by
	lastID    atomic.Uint64
	published atomic.Uint64
	delivered atomic.Uint64
	failed    atomic.Uint64
}

func (d *delivery) init(outbound message.RawHandler, events message.Handler[Event], logger *slog.Logger) {
	if outbound == nil {
		panic("broker: the outbound handler is nil")
	}
	d.outbound, d.events, d.logger = outbound, events, logger
	name := strings.ToLower(rand.Text()[:8])
	d.idPrefix, d.ackPrefix = name+"-", name+"."
}

// ackID returns what the n-th delivery to a session is acknowledged by. Those of
// another broker are others: one session may have deliveries of several.
func (d *delivery) ackID(n uint64) string {
	var buf [32]byte
	return string(strconv.AppendUint(append(buf[:0], d.ackPrefix...), n, 36))
}

// ackNumber returns n of what ackID has made, or 0, which no delivery has.
func (d *delivery) ackNumber(id string) uint64 {
	digits, ok := strings.CutPrefix(id, d.ackPrefix)
	if !ok {
		return 0
	}
	n, _ := strconv.ParseUint(digits, 36, 64)
	return n
}

// prepare returns the message that all subscriptions of one publication share:
// the id is set once, so that they share one header too.
func (d *delivery) prepare(m message.Raw) message.Raw {
	d.published.Add(1)
	var buf [32]byte
	id := strconv.AppendUint(append(buf[:0], d.idPrefix...), d.lastID.Add(1), 36)
	return message.Raw{
		Destination: m.Destination,
		Header:      m.Header.With(message.HeaderMessageID, string(id)),
		Payload:     m.Payload,
	}
}

// to delivers one message. A panic of an outbound interceptor is an error of
// this delivery only.
func (d *delivery) to(ctx context.Context, m *message.Raw) error {
	err := d.outgoing(ctx, m)
	if err != nil {
		d.failed.Add(1)
	} else {
		d.delivered.Add(1)
	}
	return err
}

func (d *delivery) outgoing(ctx context.Context, m *message.Raw) error {
	err := protect(ctx, d.outbound, m)
	if p, ok := errors.AsType[*message.PanicError](err); ok {
		d.log().ErrorContext(ctx, "delivery panicked", "destination", m.Destination, "session", m.Session.ID(), "error", p, "stack", string(p.Stack))
	}
	return err
}

// tell hands over an event.
func (d *delivery) tell(ctx context.Context, e Event) { Tell(ctx, d.events, d.log(), e) }

// Tell hands an event to a handler, if it is not nil, as brokers do: nobody has to
// listen, and what goes wrong with a listener is not the session's, so errors are
// ignored and panics logged.
func Tell(ctx context.Context, to message.Handler[Event], log *slog.Logger, e Event) {
	if to == nil {
		return
	}
	err := protect(ctx, to, &message.Message[Event]{Session: e.Session, Payload: e})
	if p, ok := errors.AsType[*message.PanicError](err); ok {
		log.ErrorContext(ctx, "event handler panicked", "event", e.Kind, "destination", e.Destination, "error", p, "stack", string(p.Stack))
	}
}

func protect[T any](ctx context.Context, h message.Handler[T], m *message.Message[T]) (err error) {
	defer message.Recover(&err)
	return h.Handle(ctx, *m)
}

func (d *delivery) log() *slog.Logger {
	if d.logger != nil {
		return d.logger
	}
	return slog.Default()
}
