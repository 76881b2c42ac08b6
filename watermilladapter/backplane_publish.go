package watermilladapter

import (
	"context"
	"errors"
	"time"

	wmessage "github.com/ThreeDotsLabs/watermill/message"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/message"
)

const (
	slowEngine = time.Second      // who gave it less did not learn anything of it
	workerIdle = 10 * time.Second // how long a worker waits for another call
)

// Publish returns when the publisher did, or when ctx ends: the envelope may arrive
// all the same then, even after later ones. Errors have [message.CodeUnavailable],
// and a cause; that too many calls wait is told at once. A publisher that refuses the
// message returns an authored error with another code, which is returned as it is.
func (b *Backplane) Publish(ctx context.Context, topic string, e broker.Envelope) error {
	if err := b.begin(ctx); err != nil {
		return err
	}
	m := fromEnvelope(e)
	m.SetContext(ctx)
	begun := time.Now()
	if b.config.Prompt {
		err := b.publish(topic, m)
		if err != nil && ctx.Err() != nil {
			b.late(ctx, begun)
		} else {
			b.available.is(err == nil || refused(err))
		}
		return answer(err)
	}
	result := make(chan error, 1)
	b.work(func() {
		err := b.publish(topic, m)
		b.available.is(err == nil || refused(err))
		result <- err
	})
	select {
	case err := <-result:
		return answer(err)
	case <-ctx.Done():
		b.late(ctx, begun)
		return errPublish.WithCause(context.Cause(ctx))
	}
}

// answer is what who publishes is told of a publisher's error.
func answer(err error) error {
	if err == nil || refused(err) {
		return err
	}
	return errPublish.WithCause(err)
}

// late notes that a call was not over in time. Who did not wait long learned nothing.
func (b *Backplane) late(ctx context.Context, begun time.Time) {
	if ctx.Err() == context.DeadlineExceeded && time.Since(begun) >= slowEngine {
		b.available.is(false)
	}
}

// refused reports whether err is about the message or its topic, and not about the engine.
func refused(err error) bool {
	e, ok := errors.AsType[*message.Error](err)
	return ok && e.Code != message.CodeUnavailable && e.Code != message.CodeTimeout
}

// begin takes a place among the calls that wait.
func (b *Backplane) begin(ctx context.Context) error {
	switch {
	case b.ctx.Err() != nil:
		return errClosed
	case ctx.Err() != nil:
		return errPublish.WithCause(context.Cause(ctx))
	}
	select {
	case b.pending <- struct{}{}:
		return nil
	default:
		return errBusy
	}
}

// work runs call on a worker: publishers may wait longer than the context says. The
// places among the calls that wait bound how many there are.
func (b *Backplane) work(call func()) {
	select {
	case b.idle <- call:
	default:
		go b.worker(call)
	}
}

// worker runs call, and others until none came for a while.
func (b *Backplane) worker(call func()) {
	timer := time.NewTimer(workerIdle)
	defer timer.Stop()
	for {
		call()
		timer.Reset(workerIdle)
		select {
		case call = <-b.idle:
		case <-timer.C:
			return
		case <-b.ctx.Done():
			return
		}
	}
}

// publish calls the publisher, and gives the place back that it has.
func (b *Backplane) publish(topic string, m *wmessage.Message) (err error) {
	defer func() { <-b.pending }()
	defer message.Recover(&err)
	return b.config.Publisher.Publish(b.config.Topic(topic), m)
}
