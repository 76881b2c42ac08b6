package headrace

import (
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/headrace/headrace/message"
)

// transacted are the transactions of sessions that are open, each with the relays where it
// has begun as well.
type transacted struct {
	mu   sync.Mutex
	open map[*message.Session]map[string][]*relayed
}

// join reports whether a transaction is open, which r is part of from now on, and whether
// it was not before.
func (t *transacted) join(m message.Raw, r *relayed) (open, first bool) {
	id := m.Header.Get(message.HeaderTransaction)
	t.mu.Lock()
	defer t.mu.Unlock()
	at, open := t.open[m.Session][id]
	if !open || slices.Contains(at, r) {
		return open, false
	}
	t.open[m.Session][id] = append(at, r)
	return true, true
}

func (t *transacted) begin(m message.Raw) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.open == nil {
		t.open = make(map[*message.Session]map[string][]*relayed)
	}
	if t.open[m.Session] == nil {
		t.open[m.Session] = make(map[string][]*relayed)
	}
	t.open[m.Session][m.Header.Get(message.HeaderTransaction)] = nil
}

// end forgets a transaction and returns its relays.
func (t *transacted) end(m message.Raw) []*relayed {
	id := m.Header.Get(message.HeaderTransaction)
	t.mu.Lock()
	defer t.mu.Unlock()
	at := t.open[m.Session][id]
	if delete(t.open[m.Session], id); len(t.open[m.Session]) == 0 {
		delete(t.open, m.Session)
	}
	return at
}

func (t *transacted) forget(session *message.Session) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.open, session)
}

// transact passes what a transaction sends to relays by the stage that holds the rest of
// it: handling is what comes behind that.
func (s *split) transact(stage, handling message.RawHandler) message.RawHandler {
	if len(s.relays) == 0 {
		return stage
	}
	return message.HandlerFunc[[]byte](func(ctx context.Context, m message.Raw) error {
		switch m.Kind {
		case message.KindData:
			if _, ok := m.Header.Lookup(message.HeaderTransaction); ok && m.Session != nil {
				if r := s.relayOf(m.Destination); r != nil {
					return s.part(ctx, m, r, stage, handling)
				}
			}
		case message.KindBegin:
			err := stage.Handle(ctx, m)
			if err == nil {
				s.transacted.begin(m)
			}
			return err
		case message.KindCommit, message.KindAbort:
			return s.endTransaction(ctx, m, stage)
		case message.KindDisconnect:
			s.transacted.forget(m.Session)
		}
		return stage.Handle(ctx, m)
	})
}

// part hands a message of a transaction to its relay, where the first one begins it. One
// that is refused ends the transaction, so that a COMMIT behind it finds nothing.
func (s *split) part(ctx context.Context, m message.Raw, r *relayed, stage, handling message.RawHandler) (err error) {
	open, first := s.transacted.join(m, r)
	if !open {
		return stage.Handle(ctx, m) // which knows what to say
	}
	id := message.NewHeader(message.Field{Name: message.HeaderTransaction, Value: m.Header.Get(message.HeaderTransaction)})
	if first {
		err = r.broker.Handle(ctx, message.Raw{Kind: message.KindBegin, Session: m.Session, Header: id})
	}
	if err == nil {
		err = func() (err error) {
			defer message.Recover(&err)
			return handling.Handle(ctx, m)
		}()
	}
	if err != nil && !errors.Is(err, message.ErrDropped) {
		_ = s.endTransaction(ctx, message.Raw{Kind: message.KindAbort, Session: m.Session, Header: id}, stage) // the sender is told of err
	}
	return err
}

// endTransaction ends one at the stage, and as that says at the relays. One that does not
// commit it is told to forget it.
func (s *split) endTransaction(ctx context.Context, m message.Raw, stage message.RawHandler) error {
	relays := s.transacted.end(m)
	err := stage.Handle(ctx, m)
	if err != nil {
		m = message.Raw{Kind: message.KindAbort, Session: m.Session, Header: m.Header}
	}
	for _, r := range relays {
		failed := r.broker.Handle(ctx, m)
		if failed != nil && m.Kind == message.KindCommit {
			_ = r.broker.Handle(ctx, message.Raw{Kind: message.KindAbort, Session: m.Session, Header: m.Header})
		}
		err = errors.Join(err, failed)
	}
	return err
}
