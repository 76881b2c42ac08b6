// Package channel has the channels that connect handlers: [DirectChannel] calls
// its subscribers on the sender's goroutine, [ExecutorChannel] on workers of its
// own, [QueueChannel] keeps messages until somebody asks.
//
//	sender ─► interceptors ─► channel ─┬─► interceptors ─► subscriber
//	          (sender's goroutine)     └─► interceptors ─► subscriber
//
// Every channel is a [message.Handler], so a channel can be where another one,
// a stage or a router sends to:
//
//	orders := channel.NewExecutorChannel(channel.Config[Order]{Name: "orders"})
//	defer orders.Close()
//	invoices := new(channel.DirectChannel[Invoice])
//	orders.Subscribe(handler.Transform(price, invoices), interceptor.Recover)
//
// # Concurrency
//
// All methods may be called from any goroutine, during a send too. A send uses
// the interceptors that it finds when it starts; subscribers are those that are
// there when the message is handed over, which an ExecutorChannel does later.
//
// # Ordering
//
// An ExecutorChannel handles the messages of one session one at a time and in
// the order in which they were sent, and messages without a session in order
// per destination; see [Config].Key. Sessions do not wait for each other: when
// handlers block, more workers are started, up to Config.MaxWorkers.
// Config.Unordered gives the order up.
//
// # Bounds
//
// Every queue has a bound. What happens at the bound is Config.Overflow: the
// sender waits, is refused, or the oldest message goes.
//
// # Errors
//
// A DirectChannel returns its subscribers' errors. The other channels return
// only what keeps them from taking a message; what becomes of it later is told
// to its [message.Completion], or logged when it has none.
package channel
