package channel

import (
	"context"
	"time"

	"github.com/headrace/headrace/message"
)

// detached is the context of a message that outlives its sender's call: the
// sender's values, the executor's end.
type detached struct {
	values context.Context
	life   context.Context
}

func (d *detached) Deadline() (time.Time, bool) { return d.life.Deadline() }
func (d *detached) Done() <-chan struct{}       { return d.life.Done() }
func (d *detached) Err() error                  { return d.life.Err() }

// Value asks life first: it answers for nothing but its own cancellation, which
// must not be found in the sender's context. So [context.Cause] tells the
// executor's end, and a context derived from d costs no goroutine.
func (d *detached) Value(key any) any {
	if v := d.life.Value(key); v != nil {
		return v
	}
	return d.values.Value(key)
}

// detach returns the context in which m is handled later. A context that ends
// with nothing but m's session passes unchanged and so costs nothing; anything
// else keeps its values and loses its cancellation.
func detach[T any](ctx, life context.Context, m *message.Message[T]) context.Context {
	if done := ctx.Done(); m.Session != nil && done != nil && done == m.Session.Context().Done() {
		return ctx
	}
	return &detached{values: ctx, life: life}
}
