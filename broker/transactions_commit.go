package broker

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/headrace/headrace/message"
)

// commit is a COMMIT under way. Its messages have completions of their own: a broker
// that has stored the first of them, or wants no more to be waited for, must not
// answer for the others.
type commit struct {
	stage *Transactions
	done  *message.Completion // of the COMMIT; nil when nobody waits

	mu      sync.Mutex
	pending int     // messages whose end is not known
	errs    []error // by message
	left    bool    // Handle has returned, so done has to be told
}

// commit hands the messages of a transaction on.
func (t *Transactions) commit(ctx context.Context, m message.Raw, next message.RawHandler) error {
	tx, err := t.take(m)
	if err != nil {
		return err
	}
	defer func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.release(tx)
	}()
	c := &commit{stage: t, done: m.Done, errs: make([]error, len(tx.messages))}
	if m.Done != nil {
		c.pending = len(tx.messages)
	}
	for i, held := range tx.messages {
		if err := c.pass(ctx, i, held, next); i == 0 && err != nil {
			t.count(&t.stats.Refused)
			return err
		}
	}
	t.count(&t.stats.Committed)
	return c.leave()
}

func (t *Transactions) count(n *uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	*n++
}

// pass hands one message on. Without anybody who waits for the COMMIT it has no
// completion, so that who takes it over knows that he has to log what goes wrong.
func (c *commit) pass(ctx context.Context, i int, held heldMessage, next message.RawHandler) error {
	m := held.m
	if c.done != nil {
		m.Done = message.NewCompletion(message.Handled, func(err error) { c.ended(i, err) })
	}
	err := protect(held.during(ctx), next, &m)
	c.failed(i, err)
	m.Done.Release(err)
	return err
}

// failed notes an error of a message. The first one counts.
func (c *commit) failed(i int, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.errs[i] == nil {
		c.errs[i] = err
	}
}

// ended is the completion of a message.
func (c *commit) ended(i int, err error) {
	c.failed(i, err)
	c.mu.Lock()
	c.pending--
	last := c.left && c.pending == 0
	c.mu.Unlock()
	if last {
		c.done.Release(c.outcome())
	}
}

// leave returns the outcome if it is known, and else takes the COMMIT over until it
// is.
func (c *commit) leave() error {
	c.mu.Lock()
	if c.left = c.pending > 0; c.left {
		c.done.Hold()
	}
	left := c.left
	c.mu.Unlock()
	if left {
		return nil
	}
	return c.outcome()
}

// outcome makes one error of those of the messages, when all have ended. The client
// is told the first. The others are for the log, which takes an error without a cause
// for the client's own.
func (c *commit) outcome() error {
	errs := failures(c.errs)
	if len(errs) == 0 {
		return nil
	}
	c.stage.count(&c.stage.stats.Partial)
	switch {
	case len(errs) == 1:
		return errs[0]
	case slices.ContainsFunc(errs, ours):
		return message.Public(errs[0]).WithCause(errors.Join(errs...))
	}
	return errors.Join(errs...)
}

// failures returns the errors of all. Drops, which are no failures, count where there
// is nothing else.
func failures(all []error) []error {
	var failed, dropped []error
	for _, err := range all {
		switch {
		case errors.Is(err, message.ErrDropped):
			dropped = append(dropped, err)
		case err != nil:
			failed = append(failed, err)
		}
	}
	if failed == nil {
		return dropped
	}
	return failed
}

// ours reports whether an error is more than what was authored for the client.
func ours(err error) bool {
	e, ok := errors.AsType[*message.Error](err)
	return !ok || e.Unwrap() != nil
}

// during returns the context of a message while its COMMIT is handled in ctx: its own
// values, and the end of ctx. Usually both end with the session's.
func (h heldMessage) during(ctx context.Context) context.Context {
	if h.ctx.Done() == ctx.Done() {
		return h.ctx
	}
	return heldContext{context.WithoutCancel(h.ctx), ctx}
}

type heldContext struct {
	context.Context // the values
	commit          context.Context
}

func (c heldContext) Deadline() (time.Time, bool) { return c.commit.Deadline() }
func (c heldContext) Done() <-chan struct{}       { return c.commit.Done() }
func (c heldContext) Err() error                  { return c.commit.Err() }

// AfterFunc spares contexts that are derived from c a goroutine.
func (c heldContext) AfterFunc(f func()) (stop func() bool) { return context.AfterFunc(c.commit, f) }
