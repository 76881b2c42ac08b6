package message

import (
	"context"
	"sync/atomic"
)

// Level says how far a message must get before its [Completion] is told that
// all is well.
type Level uint8

// The levels, each further than the one before.
const (
	// Accepted: a channel took the message.
	Accepted Level = iota + 1
	// Stored: a broker has the message, an engine acknowledged it.
	Stored
	// Handled: everybody who took the message over is done with it.
	Handled
)

// Completion is told exactly once how a message ended. Adapters make a receipt
// or an error of it.
//
// The rule that makes it exact: a Completion is held by whoever is responsible
// for the message. It begins held once, by the one who made it. Who takes a
// message over and returns before its outcome is known (a channel that queues
// it, a stage that delays it) calls Hold before Handle returns and Release when
// the outcome is known. Code that finishes within Handle does neither: its
// result is the value it returns. The completion function then runs
//
//   - with the error of the first Release that has one,
//   - with nil when Reached names the level asked for,
//   - with nil when the last holder released: nothing can happen any more,
//
// whichever comes first. All methods may be called from any goroutine, and on
// a nil Completion, where they do nothing.
type Completion struct {
	level   atomic.Uint32 // a Level
	fired   atomic.Bool
	holders atomic.Int64
	within  atomic.Pointer[context.Context]
	done    func(error)
}

// NewCompletion returns a Completion that is held once by the caller, who must
// Release it. done runs on the goroutine that completes the message, whoever's
// that is: it must neither block nor panic.
func NewCompletion(level Level, done func(error)) *Completion {
	c := &Completion{done: done}
	c.level.Store(uint32(level))
	c.holders.Store(1)
	return c
}

// Suffice says that it is enough when the message got as far as level. It is for
// interceptors of the way in: a level further than the one asked for changes
// nothing, and neither does one that comes after the completion was told.
func (c *Completion) Suffice(level Level) {
	if c == nil {
		return
	}
	for at := c.level.Load(); uint32(level) < at; at = c.level.Load() {
		if c.level.CompareAndSwap(at, uint32(level)) {
			return
		}
	}
}

// Within says that the message is handled in ctx now: who logs how it ended then logs
// that with the values of the ctx said last, see Context. It is for interceptors that
// put into ctx what log lines show, such as a span.
func (c *Completion) Within(ctx context.Context) {
	if c != nil {
		c.within.Store(&ctx)
	}
}

// Context returns the values of the ctx that Within was given last, or of the one given
// here if there is none. It does not end.
func (c *Completion) Context(or context.Context) context.Context {
	if c != nil {
		if ctx := c.within.Load(); ctx != nil {
			or = *ctx
		}
	}
	return context.WithoutCancel(or)
}

// Hold makes the caller one more holder. It must come before the Handle call
// that took the message over returns.
func (c *Completion) Hold() {
	if c != nil {
		c.holders.Add(1)
	}
}

// Release ends one hold with its outcome. An error completes at once.
func (c *Completion) Release(err error) {
	if c == nil {
		return
	}
	if err != nil {
		c.complete(err) // before the hold ends: the last holder must not say nil first
	}
	if c.holders.Add(-1) == 0 {
		c.complete(nil)
	}
}

// Reached reports that the message got as far as level.
func (c *Completion) Reached(level Level) {
	if c != nil && uint32(level) >= c.level.Load() {
		c.complete(nil)
	}
}

func (c *Completion) complete(err error) {
	if c.fired.CompareAndSwap(false, true) {
		c.done(err)
	}
}
