package broker

import (
	"cmp"
	"context"
	"strings"
	"sync"

	"github.com/headrace/headrace/message"
)

// Transactions holds what sessions send in transactions until they commit. It is a
// stage before the one who handles the messages of sessions, mounted as an
// interceptor around him:
//
//	tx := broker.NewTransactions(broker.TransactionsConfig{})
//	inbound.Subscribe(handler, tx.Intercept)
//
// Between KindBegin and KindCommit of the same [message.HeaderTransaction], messages
// of KindData, KindAck and KindNack that have the header are taken and held; what
// their senders are told is that they are part of the transaction. KindCommit hands
// them on in their order, KindAbort drops them, as does the end of the session. All
// that has no such header passes.
//
// Either all messages of a transaction are handed on or none. One that finds no room
// ends its transaction, so that a COMMIT behind it finds nothing; so does the first
// message when it is refused at the COMMIT, which is then refused with that error.
// Once the first was taken, the others are handed on whatever becomes of them. The
// COMMIT is handled when all of them are, those too that somebody took over, and
// answers with the first error, where [message.ErrDropped] comes last; the other
// errors stand in its text for the log. A message is handled with the values of the
// context that it came with, which ends with that of the COMMIT.
//
// A message that is refused before it comes to the stage is not part of the
// transaction, whatever its header says: its sender was told.
//
// The stage needs the messages of a session in order, KindConnect first and
// KindDisconnect last. Of messages that come side by side none is lost, but one that
// overtakes its BEGIN is refused. It has no goroutines and needs no closing; its
// methods may be called from any goroutine.
type Transactions struct {
	config TransactionsConfig

	mu       sync.Mutex
	sessions map[*message.Session]*txSession // those that are connected
	stats    TransactionsStats
}

// TransactionsConfig describes [Transactions]. What goes over a bound is refused with
// CodeFull.
type TransactionsConfig struct {
	// MaxOpen is how many transactions one session may have open. Zero means 16,
	// -1 means any number.
	MaxOpen int
	// MaxMessages is how many messages one transaction may hold. Zero means 256,
	// -1 means any number.
	MaxMessages int
	// MaxBytes is how much memory the transactions of one session may take:
	// payloads, destinations, headers and ids, with 32 bytes for each header field
	// and 256 for each message and each transaction beside them. Zero means
	// 512 KiB, -1 means any amount.
	MaxBytes int
}

func (c TransactionsConfig) withDefaults() TransactionsConfig {
	c.MaxOpen = cmp.Or(c.MaxOpen, 16)
	c.MaxMessages = cmp.Or(c.MaxMessages, 256)
	c.MaxBytes = cmp.Or(c.MaxBytes, 512<<10)
	return c
}

// What the stage answers to messages that it refuses.
var (
	errNoTransactionID = message.Errorf(message.CodeInvalid, "the message names no transaction")
	errTransactionOpen = message.Errorf(message.CodeConflict, "the session has a transaction of this id already")
	errNoTransaction   = message.Errorf(message.CodeNotFound, "the session has no transaction of this id")
)

func errTooManyTransactions(limit int) error {
	return message.Errorf(message.CodeFull, "the session has %d transactions already", limit)
}

func errTooManyHeld(limit int) error {
	return message.Errorf(message.CodeFull, "a transaction holds at most %d messages; this one is over", limit)
}

func errTooMuchHeld(limit int) error {
	return message.Errorf(message.CodeFull, "the transactions of a session take at most %d bytes; this one is over", limit)
}

// txSession is a connected session.
type txSession struct {
	open  map[string]*transaction
	bytes int // of those that are open or being committed
}

// transaction is what a session sent in a transaction so far. Once it is not open
// any more, it belongs to who closed it.
type transaction struct {
	session  *txSession
	messages []heldMessage
	bytes    int
}

// heldMessage has no completion: its sender was told.
type heldMessage struct {
	ctx context.Context
	m   message.Raw
}

// NewTransactions returns a stage in which no session is connected.
func NewTransactions(config TransactionsConfig) *Transactions {
	return &Transactions{config: config.withDefaults(), sessions: make(map[*message.Session]*txSession)}
}

// Intercept is the stage as a [message.RawInterceptor]. Its handler never blocks
// unless next does; errors that are its own are authored for the sender.
func (t *Transactions) Intercept(next message.RawHandler) message.RawHandler {
	return message.HandlerFunc[[]byte](func(ctx context.Context, m message.Raw) error {
		switch m.Kind {
		case message.KindData, message.KindAck, message.KindNack:
			if _, ok := m.Header.Lookup(message.HeaderTransaction); ok {
				return t.hold(ctx, m)
			}
		case message.KindBegin:
			return t.begin(m)
		case message.KindCommit:
			return t.commit(ctx, m, next)
		case message.KindAbort:
			return t.abort(m)
		case message.KindConnect:
			return t.connect(ctx, m, next)
		case message.KindDisconnect:
			t.forget(m.Session)
		}
		return next.Handle(ctx, m)
	})
}

// connect knows the session before it can send anything else. Nothing is kept for
// one that is not known, so what comes after its end leaves nothing.
func (t *Transactions) connect(ctx context.Context, m message.Raw, next message.RawHandler) error {
	t.mu.Lock()
	_, known := t.sessions[m.Session]
	if !known && m.Session != nil {
		t.sessions[m.Session] = &txSession{open: make(map[string]*transaction)}
	}
	t.mu.Unlock()
	err := protect(ctx, next, &m)
	if err != nil && !known {
		t.forget(m.Session)
	}
	return err
}

// forget aborts what the session has open.
func (t *Transactions) forget(session *message.Session) {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.sessions[session]
	if s == nil {
		return
	}
	delete(t.sessions, session)
	for id, tx := range s.open {
		t.close(tx, id)
		t.release(tx)
		t.stats.Abandoned++
	}
}

func (t *Transactions) begin(m message.Raw) error {
	id, err := transactionID(m)
	if err != nil {
		return err
	}
	n := messageOverhead + len(id)
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.sessions[m.Session]
	switch {
	case s == nil:
		return errNotConnected
	case s.open[id] != nil:
		return errTransactionOpen
	case over(len(s.open)+1, t.config.MaxOpen):
		return errTooManyTransactions(t.config.MaxOpen)
	case over(s.bytes+n, t.config.MaxBytes):
		return errTooMuchHeld(t.config.MaxBytes)
	}
	tx := &transaction{session: s}
	s.open[strings.Clone(id)] = tx
	t.stats.Open++
	t.grow(tx, n)
	return nil
}

func (t *Transactions) hold(ctx context.Context, m message.Raw) error {
	id, err := transactionID(m)
	if err != nil {
		return err
	}
	m, n := heldCopy(m)
	t.mu.Lock()
	defer t.mu.Unlock()
	tx := t.find(m.Session, id)
	if tx == nil {
		return errNoTransaction
	}
	if err := t.room(tx, n); err != nil {
		t.close(tx, id)
		t.release(tx)
		t.stats.Overflowed++
		return err
	}
	tx.messages = append(tx.messages, heldMessage{ctx, m})
	t.stats.Messages++
	t.grow(tx, n)
	return nil
}

func (t *Transactions) abort(m message.Raw) error {
	tx, err := t.take(m)
	if err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.release(tx)
	t.stats.Aborted++
	return nil
}

// take ends the transaction that m is about and returns it, to be released.
func (t *Transactions) take(m message.Raw) (*transaction, error) {
	id, err := transactionID(m)
	if err != nil {
		return nil, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	tx := t.find(m.Session, id)
	if tx == nil {
		return nil, errNoTransaction
	}
	t.close(tx, id)
	return tx, nil
}

// find returns an open transaction, or nil. The lock is held, here and below.
func (t *Transactions) find(session *message.Session, id string) *transaction {
	if s := t.sessions[session]; s != nil {
		return s.open[id]
	}
	return nil
}

// room says why there is none for a message of n bytes.
func (t *Transactions) room(tx *transaction, n int) error {
	if over(len(tx.messages)+1, t.config.MaxMessages) {
		return errTooManyHeld(t.config.MaxMessages)
	}
	if over(tx.session.bytes+n, t.config.MaxBytes) {
		return errTooMuchHeld(t.config.MaxBytes)
	}
	return nil
}

func (t *Transactions) grow(tx *transaction, n int) {
	tx.bytes += n
	tx.session.bytes += n
	t.stats.Bytes += n
}

// close takes a transaction from those that are open. Its memory counts until it is
// released.
func (t *Transactions) close(tx *transaction, id string) {
	delete(tx.session.open, id)
	t.stats.Open--
}

func (t *Transactions) release(tx *transaction) {
	tx.session.bytes -= tx.bytes
	t.stats.Bytes -= tx.bytes
	t.stats.Messages -= len(tx.messages)
}

// over reports whether n is more than the limit, of which a negative one is none.
func over(n, limit int) bool { return limit >= 0 && n > limit }

func transactionID(m message.Raw) (string, error) {
	id := m.Header.Get(message.HeaderTransaction)
	switch {
	case m.Session == nil:
		return "", errNoSession
	case id == "":
		return "", errNoTransactionID
	}
	return id, nil
}

// What a held message takes beside its strings and its payload.
const (
	messageOverhead = 256
	fieldOverhead   = 32
)

// heldCopy returns m without its transaction and its completion, and about how much
// memory it takes.
func heldCopy(m message.Raw) (message.Raw, int) {
	m.Header, m.Done = m.Header.Without(message.HeaderTransaction), nil
	m = owned(m)
	n := messageOverhead + len(m.Destination) + len(m.Subscription) + len(m.Payload)
	for name, value := range m.Header.All() {
		n += fieldOverhead + len(name) + len(value)
	}
	return m, n
}

// TransactionsStats is a snapshot of [Transactions]. Every transaction that was begun
// and is not open any more is counted once: as Committed, Refused, Aborted, Overflowed
// or Abandoned.
type TransactionsStats struct {
	// Open is how many transactions are open.
	Open int
	// Messages is how many messages are held, those of a COMMIT under way counted.
	Messages int
	// Bytes is about how much memory they and the transactions take.
	Bytes int
	// Committed counts transactions that took effect.
	Committed uint64
	// Partial counts those of them of which a message failed.
	Partial uint64
	// Refused counts those whose first message was refused at the COMMIT.
	Refused uint64
	// Aborted counts those that their session aborted.
	Aborted uint64
	// Overflowed counts those that were aborted because a message found no room.
	Overflowed uint64
	// Abandoned counts those that were open when their session ended.
	Abandoned uint64
}

// Stats returns a snapshot.
func (t *Transactions) Stats() TransactionsStats {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.stats
}
