// Package handler has what stands between channels. It comes in two halves.
//
// Pipeline stages connect channels that carry Go types. Each is a
// [message.Handler], wired in one line:
//
//	orders ──► Filter ──► Transform ──► invoices ──► Batch ──► archive
//
//	orders.Subscribe(handler.Transform(price, invoices), interceptor.Recover)
//
// [Filter], [Transform], [Split], [Switch], [Decode] and [Encode] are done when
// Handle returns. [Aggregate], [Batch] and [Delay] keep messages for a while:
// they are bounded, and whoever makes one ends it with Shutdown or Close.
// [Bridge] moves what a pollable channel holds to a handler.
//
// The [Router] hands the messages of clients to typed endpoints and sends what
// they answer to the broker; the [Template] sends from anywhere else:
//
//	inbound ──► Router ──► group ──► codec ──► func(ctx, Trade) (Result, error) ──► codec ──► broker, outbound
//
//	trades := router.Group("/trade", handler.SendToUser("/queue/position-updates"))
//	handler.Handle(trades, "/{symbol}", executeTrade, handler.SendTo("/topic/trades.{symbol}"))
//	handler.OnError(trades, explain, handler.SendToSession("/queue/errors"))
//
//	             is given        answers
//	Handle       a message       once, when it returns
//	Consume      a message       never
//	Stream       a message       with every value of an iter.Seq2, until the session is to end
//	Later        a message       once, when its Future is completed
//	OnSubscribe  a subscription  once, on that; with Live, a stream follows
//
// # Concurrency
//
// All handlers of this package may be called from any number of goroutines at
// once. Stages that are done when Handle returns run on the sender's goroutine
// and block as long as what comes after them; so do endpoints. Aggregate, Batch and Delay need a
// goroutine only while their timer has something to pass on.
//
// # Ordering
//
// A stage passes messages on in the order in which it takes them. Batches and
// groups go on one at a time, in the order in which they end.
//
// The replies to a message are sent before its endpoint is done, the user's
// before everybody's, so they keep the order in which a channel hands the router
// the messages of a session. [Later] is the exception: see there. A [Stream] has
// its session's turn: what the session sends meanwhile, to unsubscribe too, is
// handled when the stream is over.
//
// # Errors
//
// An error goes back to the sender. A message that was kept is completed with
// the outcome of the message it became a part of: through Done, and through the
// log when it has none. A panic behind a stage that keeps messages is a
// [message.PanicError] of those messages; elsewhere it is the sender's.
//
// The error of an endpoint goes to the nearest error handler ([Catch], [OnError],
// [OnErrorIs]), and back to the sender when there is none. What is wrong with an
// input is an [InputError].
package handler
