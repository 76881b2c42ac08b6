// Package interceptor has the interceptors that work the same for every
// payload, one per file. An interceptor is a function from handler to handler
// and goes wherever handlers meet:
//
//	sender ──► Intercept(…) ──► channel ──► Subscribe(handler, …) ──► handler
//	           sender's goroutine           worker's goroutine
//
// A plain interceptor is a generic function and is mounted as it is; one that
// takes arguments names the payload type once:
//
//	orders.Subscribe(handler,
//		interceptor.Log[Order](nil),
//		interceptor.Recover,
//		interceptor.Timeout[Order](time.Second),
//	)
//
// The first is the outermost. Mount Log before Recover and Recover before
// Timeout: each sees as an error what those behind it made of the message. [Retry]
// goes before those that each attempt is to have, [Validate] and [Deduplicate] go
// right around the handler.
//
// # What clients may do
//
// Those that only make sense where clients are take a [message.Raw] and are mounted on
// the channel that clients send into, in this order: first what logs them in, then
//
//	inbound.Intercept(authenticate, interceptor.RateLimit(limits), interceptor.Authorize(policy))
//
// A [Policy] is a list of rules, of which the first that matches decides. [Authorize]
// asks it about what comes in, [AuthorizeDelivery] about what goes out to a session.
//
// # Who clients are
//
// [Authenticate], [Expire] and [KeepAlive] see to whom a session belongs, and for how
// long. They take a [message.Raw], and come first on the channel that clients send into;
// Expire is on the way out as well.
//
// # Writing one
//
// Before next is called is before the message is handled, after it is
// afterwards, a deferred function runs in any case. To return without calling
// next is a veto: [message.ErrDropped] drops the message, any other error
// refuses it, nil says that it was handled here. [Around] takes the flat form:
//
//	limit := interceptor.Around(func(ctx context.Context, m message.Message[Order], next message.Handler[Order]) error {
//		if m.Payload.Quantity > 1000 {
//			return message.Errorf(message.CodeDenied, "at most 1000 pieces")
//		}
//		return next.Handle(ctx, m)
//	})
//
// # Concurrency
//
// Whatever is returned by an interceptor of this package may be called from any
// number of goroutines at once. None of them starts a goroutine, but for the timers of
// [Expire] and [KeepAlive], one for each session while it lasts. [Retry] waits on the
// goroutine that it runs on.
//
// # Ordering
//
// All of them run next within the call, on the caller's goroutine, and so keep
// its order; [Ordered] hands it to an executor, which orders by key.
//
// # Errors
//
// Wiring mistakes, such as a nil handler, panic when the interceptor is made.
package interceptor
