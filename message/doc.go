// Package message is the ground floor of headrace: the types that every other
// room speaks.
//
// Everything that takes a message is a [Handler]. A channel is a handler that
// others subscribe to. An interceptor is a function from handler to handler.
// Routers, brokers, pipeline stages and channels therefore plug into one
// another without glue:
//
//	price := message.HandlerFunc[Order](func(ctx context.Context, m message.Message[Order]) error {
//		fmt.Println(m.Payload.Symbol)
//		return nil
//	})
//	guarded := message.Chain(price, audit, limit) // audit runs first
//	err := guarded.Handle(ctx, message.Message[Order]{Payload: Order{Symbol: "ACME"}})
//
// # Ownership
//
// A [Message] is a value. Handing it on copies it and shares its payload, which
// must not be changed once the message was sent. A [Header] is copied when it
// is written, so nobody sees another holder's write.
//
// # Context
//
// The context is the first argument of every call and never a field. Values
// for the rest of the same process travel in the context; only the header
// travels over a wire. The context of a message that came from a client is
// its session's ([Session.Context]): it ends when the node is closed, not when
// the client leaves, because what was accepted is handled.
//
// # Outcome
//
// Handle returns nil when the message was handled, or taken over by somebody
// who answers later through [Message.Done]. See [Completion] for the rule that
// every message is completed exactly once.
//
// # Errors
//
// Only an authored [Error] shows its text to a client. Everything else becomes
// a bare [Code]; the cause goes to the log and the span.
package message
