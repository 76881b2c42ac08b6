// Package client is a STOMP 1.0, 1.1 and 1.2 client over WebSocket, TCP and
// TLS.
//
//	Send, Ack, Tx ─► outbox, bounded ─► writer ──► ┌────────┐
//	                 outlives connections          │ server │
//	handler, Messages ◄─ queue ◄─ reader ◄──────── └────────┘
//
// It speaks with any STOMP broker, and its messages are those of this module:
//
//	c, err := client.Dial(ctx, client.Config{URL: "wss://example.com/ws", Login: "ada", Passcode: secret})
//	if err != nil {
//		return err
//	}
//	defer c.Close(ctx)
//
//	_, err = c.Subscribe(ctx, "/topic/news", client.SubscribeConfig{}, func(ctx context.Context, m message.Raw) error {
//		fmt.Printf("%s\n", m.Payload)
//		return nil
//	})
//	if err != nil {
//		return err
//	}
//	return c.SendReceipt(ctx, "/topic/news", News{Title: "Rain"}) // as JSON
//
// # Connections
//
// A lost connection is replaced, after a delay that grows. The new one begins
// with the subscriptions; then comes what was sent in the meantime, as much as
// Config.Buffer allows. What was written and not confirmed is not sent again,
// for the server may have handled it. Messages that waited for an
// acknowledgement are dropped, for the server sends them again. Transactions
// end with their connection. A subscription with SubscribeConfig.Resume misses
// nothing of a destination with a history.
//
// A server may refuse a client that comes back, since its token has expired
// meanwhile. The client goes on trying, with what Config.Credentials returns each
// time.
//
// # Concurrency
//
// A client has a goroutine that reads and one that writes, and one for each
// subscription with a handler. All methods may be called from any goroutine,
// handlers included but for Close. A subscription whose handler does not keep
// up holds up everything that the server sends, receipts too: a handler that
// waits for receipts needs a Pending that covers what may come meanwhile.
//
// # Acknowledgements
//
// With a mode other than [AckAuto] a message is acknowledged by what its handler
// returns, or by the Done of whoever the handler has handed it to. That is the
// way to prefer: a message is then answered once, and for [AckCumulative] not
// before all that came before it. [Client.Ack] and [Client.Nack] are for the loop
// over [Subscription.Messages].
//
// # Ordering
//
// Frames are written in the order in which the calls that sent them returned.
// The messages of a subscription come in the order of the server.
//
// # Errors
//
// A server refuses a frame by an ERROR frame, which ends the connection. The
// call that waited for that frame returns a *[ServerError]; others that waited
// return [ErrAway], for they do not know. A client that has ended returns
// [ErrClosed] with the cause. Frames that STOMP cannot express and payloads
// that no codec can write give a [message.Error], and nothing is sent.
package client
