package message

import "context"

// Handler takes messages.
//
// Handle may be called from any number of goroutines at once. It returns nil
// when the message was handled or taken over (see [Completion]), [ErrDropped]
// when it was dropped on purpose, and any other error when it was refused or
// failed. It may block for as long as ctx allows; a handler that must not
// block says so. It may keep the message, but not change its payload.
type Handler[T any] interface {
	// Handle takes m in the context ctx. What is not handled when it returns nil
	// was taken over, and its outcome is told to m.Done.
	Handle(ctx context.Context, m Message[T]) error
}

// HandlerFunc is a function that is a [Handler].
type HandlerFunc[T any] func(ctx context.Context, m Message[T]) error

// Handle calls f.
func (f HandlerFunc[T]) Handle(ctx context.Context, m Message[T]) error { return f(ctx, m) }

// Interceptor puts code around a handler: what it does before it calls next
// runs before the message is handled, what it does after it runs afterwards.
// An interceptor that returns without calling next decides the outcome itself:
// [ErrDropped] drops the message, any other error refuses it and reaches the
// sender, nil means that the message was handled here.
//
// The function is called when the interceptor is mounted, and again when what
// surrounds it changes: state that lasts from message to message belongs into
// what made the interceptor. The handler it returns is called for every message
// and from any goroutine.
type Interceptor[T any] func(next Handler[T]) Handler[T]

// RawHandler takes messages whose payload is still encoded.
type RawHandler = Handler[[]byte]

// RawInterceptor is an interceptor that only makes sense on the wire.
type RawInterceptor = Interceptor[[]byte]

// Chain puts interceptors around h. The first is the outermost: it sees a
// message first and its outcome last.
func Chain[T any](h Handler[T], interceptors ...Interceptor[T]) Handler[T] {
	for i := len(interceptors) - 1; i >= 0; i-- {
		h = interceptors[i](h)
	}
	return h
}
