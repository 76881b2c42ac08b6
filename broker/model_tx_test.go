package broker_test

import (
	"context"

	"pgregory.net/rapid"

	"github.com/headrace/headrace/message"
)

// txn names a transaction of a peer; zero stands for none.
type txn struct {
	peer *peer
	id   string
}

// inTxn is a message that is held in a transaction.
type inTxn struct {
	m    message.Raw
	sent *posting // or nil
}

// passed is a message that the stage handed on.
type passed struct {
	m   message.Raw
	err error
}

// commit is a COMMIT that was handled.
type commit struct {
	parts  []*posting
	failed bool
	told   []error
}

// pass is what the stage of transactions hands on to.
func (w *world) pass(ctx context.Context, m message.Raw) error {
	at := len(w.passed)
	w.passed = append(w.passed, passed{m: m})
	err := w.l.Handle(ctx, m)
	w.passed[at].err = err
	return err
}

// compare finds what the stage should not have handed on, or should have. Nothing
// comes after the first message of a transaction if that is refused.
func (w *world) compare(m message.Raw, got []passed, pass []message.Raw) {
	if m.Kind == message.KindCommit && len(got) > 0 && got[0].err != nil {
		pass = pass[:1]
	}
	w.l.mu.Lock()
	defer w.l.mu.Unlock()
	if len(got) != len(pass) {
		w.l.fail("of %s, %d messages are handed on, want %d", m.Kind, len(got), len(pass))
		return
	}
	for i, want := range pass {
		got, ack := got[i].m, got[i].m.Header.Get(message.HeaderAck)
		if got.Kind != want.Kind || string(got.Payload) != string(want.Payload) || ack != want.Header.Get(message.HeaderAck) {
			w.l.fail("of %s, %s %s%s is handed on, want %s %s", m.Kind, got.Kind, got.Payload, ack, want.Kind, want.Payload)
		}
	}
}

// The bounds of the stage.
const (
	modelTxOpen     = 2
	modelTxMessages = 3
)

// drawTx returns a transaction that may be open, or none.
func (w *world) drawTx(t *rapid.T) txn {
	if !rapid.Bool().Draw(t, "in a transaction") {
		return txn{}
	}
	return w.drawAnyTx(t)
}

func (w *world) drawAnyTx(t *rapid.T) txn {
	return txn{w.drawPeer(t), rapid.SampledFrom([]string{"t1", "t2", "t3"}).Draw(t, "transaction")}
}

func (tx txn) message(kind message.Kind) message.Raw {
	return message.Raw{Kind: kind, Session: tx.peer.Session, Header: message.Header{}.With(message.HeaderTransaction, tx.id)}
}

// sendIn sends a message in a transaction, or without one.
func (w *world) sendIn(tx txn, m message.Raw, sent *posting) {
	if tx.peer == nil {
		w.do(m)
		return
	}
	p, whole := tx.peer, m
	m.Session, m.Header = p.Session, m.Header.With(message.HeaderTransaction, tx.id)
	open, ok := p.open[tx.id]
	code := message.Code("")
	switch {
	case !ok:
		code = message.CodeNotFound
	case len(open) == modelTxMessages:
		code = message.CodeFull
		delete(p.open, tx.id)
	default:
		p.open[tx.id] = append(open, inTxn{whole, sent})
	}
	if sent != nil {
		sent.held = code == ""
	}
	_, err := w.send(m)
	w.l.expect(m, code)(err)
	if sent != nil && err != nil {
		sent.handled, sent.err = true, err
	}
}

func (w *world) drawBegin(t *rapid.T) {
	tx := w.drawAnyTx(t)
	if tx.peer == nil {
		return
	}
	_, ok := tx.peer.open[tx.id]
	code := message.Code("")
	switch {
	case ok:
		code = message.CodeConflict
	case len(tx.peer.open) == modelTxOpen:
		code = message.CodeFull
	default:
		tx.peer.open[tx.id] = nil
	}
	m := tx.message(message.KindBegin)
	_, err := w.send(m)
	w.l.expect(m, code)(err)
}

func (w *world) drawAbort(t *rapid.T) {
	tx := w.drawAnyTx(t)
	if tx.peer == nil {
		return
	}
	m := tx.message(message.KindAbort)
	code := tx.end(nil)
	_, err := w.send(m)
	w.l.expect(m, code)(err)
}

// end returns the code of what ends a transaction, and puts into into what it held.
func (tx txn) end(into *[]inTxn) message.Code {
	open, ok := tx.peer.open[tx.id]
	if !ok {
		return message.CodeNotFound
	}
	delete(tx.peer.open, tx.id)
	if into != nil {
		*into = open
	}
	return ""
}

// drawCommit: what was held is handed on in its order, and the receipt of the
// COMMIT waits for all of it.
func (w *world) drawCommit(t *rapid.T) {
	tx := w.drawAnyTx(t)
	if tx.peer == nil {
		return
	}
	var held []inTxn
	var pass []message.Raw
	c := new(commit)
	c.failed = tx.end(&held) != ""
	for _, h := range held {
		pass = append(pass, h.m)
	}
	m := tx.message(message.KindCommit)
	m.Done = message.NewCompletion(message.Handled, func(err error) {
		w.l.mu.Lock()
		defer w.l.mu.Unlock()
		c.told = append(c.told, err)
	})
	handed, _ := w.send(m, pass...)
	for i, got := range handed {
		c.failed = c.failed || got.err != nil
		if sent := held[i].sent; sent != nil {
			c.parts = append(c.parts, sent)
		}
	}
	w.commits = append(w.commits, c)
}

// committed compares the receipt of a COMMIT with what became of its messages.
func (l *ledger) committed(c *commit) {
	over, well := true, !c.failed
	for _, p := range c.parts {
		done, good := l.outcome(p)
		over, well = over && done, well && good
	}
	l.compareTold("a COMMIT", c.told, over, well)
}

// transactions compares what the stage holds with what is open.
func (w *world) transactions() {
	open, messages := 0, 0
	for _, p := range w.l.peers {
		open += len(p.open)
		for _, held := range p.open {
			messages += len(held)
		}
	}
	if got := w.stage.Stats(); got.Open != open || got.Messages != messages || (got.Bytes == 0) != (open == 0) {
		w.l.fail("%d transactions hold %d messages, want %d and %d: %+v", got.Open, got.Messages, open, messages, got)
	}
}
