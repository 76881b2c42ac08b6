package client

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/stompadapter/frame"
)

// Tx is a transaction: what is sent and acknowledged in it takes effect at
// Commit, all or nothing. It belongs to the connection on which it began; when
// that is lost the server aborts it, and its methods return ErrAway. They may
// be called from any goroutine.
type Tx struct {
	client *Client
	link   *link
	field  message.Field // the transaction header
	ended  atomic.Bool

	mu    sync.Mutex
	acked []*delivery // in it
}

// Begin begins a transaction. It waits for room like Send, and returns ErrAway
// when there is no connection. Whoever calls Begin calls Commit or Abort.
func (c *Client) Begin(ctx context.Context) (*Tx, error) {
	c.mu.Lock()
	l, err, cause := c.link, c.err, c.cause
	c.mu.Unlock()
	if err != nil {
		return nil, err
	}
	if l == nil {
		return nil, because(ErrAway, cause)
	}
	tx := &Tx{client: c, link: l, field: message.Field{Name: frame.HeaderTransaction, Value: c.id("t")}}
	if err := c.queue(ctx, &outgoing{frame: tx.frame(frame.Begin), link: l}); err != nil {
		return nil, err
	}
	return tx, nil
}

func (tx *Tx) frame(command frame.Command) frame.Frame {
	return frame.Frame{Command: command, Header: message.NewHeader(tx.field)}
}

// Send is [Client.Send] within the transaction.
func (tx *Tx) Send(ctx context.Context, destination string, payload any, header ...message.Field) error {
	if tx.ended.Load() {
		return ErrTxDone
	}
	f, err := tx.client.sendFrame(destination, payload, header)
	if err != nil {
		return err
	}
	f.Header = f.Header.With(tx.field.Name, tx.field.Value)
	return tx.client.queue(ctx, &outgoing{frame: f, link: tx.link})
}

// Ack is [Client.Ack] within the transaction, also for a message that a handler
// is about to complete. It waits for room like Send. A message whose
// acknowledgement fails, here or by Abort, cannot be acknowledged again: the
// server keeps it until the subscription or the connection ends.
func (tx *Tx) Ack(ctx context.Context, m message.Raw) error {
	if tx.ended.Load() {
		return ErrTxDone
	}
	taken, err := tx.client.take(m.Done, tx.link)
	if err != nil {
		return err
	}
	tx.mu.Lock()
	tx.acked = append(tx.acked, taken...)
	tx.mu.Unlock()
	last := taken[len(taken)-1]
	return tx.client.queue(ctx, &outgoing{frame: last.frame(frame.Ack, tx.field), link: tx.link})
}

// Commit makes the transaction take effect and waits for the receipt. Its
// errors are those of SendReceipt, and ErrTxDone when it is not the first
// Commit or Abort.
func (tx *Tx) Commit(ctx context.Context) error {
	if err := tx.end(ctx, frame.Commit); err != nil {
		return err
	}
	tx.mu.Lock()
	defer tx.mu.Unlock()
	tx.client.handled(tx.acked)
	return nil
}

// Abort drops the transaction and waits for the receipt, with the errors of
// Commit.
func (tx *Tx) Abort(ctx context.Context) error { return tx.end(ctx, frame.Abort) }

func (tx *Tx) end(ctx context.Context, command frame.Command) error {
	if !tx.ended.CompareAndSwap(false, true) {
		return ErrTxDone
	}
	return tx.client.await(ctx, tx.frame(command), tx.link)
}
