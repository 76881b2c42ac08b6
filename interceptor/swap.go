package interceptor

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/headrace/headrace/message"
)

// Swap is a place for interceptors that are exchanged while messages come: new limits,
// another policy, another router. Its Intercept is mounted where an interceptor is, once
// or in several places. Each message passes all of the old ones or all of the new ones;
// one that is with the old ones already stays with them. The zero value lets everything
// pass. A Swap must not be copied; its methods may be called from any goroutine.
//
//	var limits interceptor.Swap[[]byte]
//	node.Inbound.Intercept(limits.Intercept)
//	...
//	limits.Store(interceptor.RateLimit(stricter))
//
// An interceptor that does not call next takes its place: routes are exchanged by one
// that is another router.
//
// What Store was given is put around the handler when the next message comes: until then
// a policy's report of doors says that it is not mounted.
type Swap[T any] struct {
	current atomic.Pointer[[]message.Interceptor[T]]
	mu      sync.Mutex // held while interceptors are put around a handler
}

// Store exchanges the interceptors, the first of which is the outermost; none lets
// everything pass. It does not wait for messages that are with the old ones. It panics
// when one is nil.
func (s *Swap[T]) Store(interceptors ...message.Interceptor[T]) {
	for i, ic := range interceptors {
		if ic == nil {
			panic(fmt.Sprintf("interceptor: Swap: interceptor %d is nil", i))
		}
	}
	interceptors = slices.Clone(interceptors)
	s.current.Store(&interceptors)
}

// Intercept is an interceptor: what Store was given last is around next.
func (s *Swap[T]) Intercept(next message.Handler[T]) message.Handler[T] {
	return &swapped[T]{swap: s, next: next}
}

// swapped is a Swap around one handler.
type swapped[T any] struct {
	swap  *Swap[T]
	next  message.Handler[T]
	chain atomic.Pointer[chain[T]]
}

// chain is a handler with the interceptors around it that Store was given at a time.
type chain[T any] struct {
	of *[]message.Interceptor[T]
	message.Handler[T]
}

// Handle implements [message.Handler].
func (w *swapped[T]) Handle(ctx context.Context, m message.Message[T]) error {
	current := w.swap.current.Load()
	if current == nil {
		return w.next.Handle(ctx, m)
	}
	c := w.chain.Load()
	if c == nil || c.of != current {
		c = w.build()
	}
	return c.Handle(ctx, m)
}

// build puts the interceptors around next, once for each Store.
func (w *swapped[T]) build() *chain[T] {
	w.swap.mu.Lock()
	defer w.swap.mu.Unlock()
	current := w.swap.current.Load()
	if c := w.chain.Load(); c != nil && c.of == current {
		return c
	}
	c := &chain[T]{current, message.Chain(w.next, *current...)}
	w.chain.Store(c)
	return c
}
