// Package detach has the context of a message that outlives its sender's call.
package detach

import (
	"context"
	"time"
)

// Context returns a context with the values of one and the end of the other.
// Life answers for nothing but its own end: its values come first.
func Context(values, life context.Context) context.Context {
	return &detached{values: values, life: life}
}

type detached struct {
	values context.Context
	life   context.Context
}

func (d *detached) Deadline() (time.Time, bool) { return d.life.Deadline() }
func (d *detached) Done() <-chan struct{}       { return d.life.Done() }
func (d *detached) Err() error                  { return d.life.Err() }

// Value asks life first, so that its cancellation is found and never that of
// values: then [context.Cause] tells why life ended, and a context derived from
// d costs no goroutine.
func (d *detached) Value(key any) any {
	if v := d.life.Value(key); v != nil {
		return v
	}
	return d.values.Value(key)
}
