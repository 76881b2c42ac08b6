package relay

import (
	"context"

	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/stompadapter/frame"
)

// maxTransactions is how many a session may have open.
const maxTransactions = 16

var (
	errNoTransactionID = message.Errorf(message.CodeInvalid, "the message names no transaction")
	errTransactionOpen = message.Errorf(message.CodeConflict, "the session has a transaction of this id already")
	errNoTransaction   = message.Errorf(message.CodeNotFound, "the session has no transaction of this id")
	errTransactions    = message.Errorf(message.CodeFull, "the session has %d transactions already", maxTransactions)
)

// transaction begins and ends one at the broker.
func (s *session) transaction(ctx context.Context, m message.Raw) error {
	id := m.Header.Get(message.HeaderTransaction)
	if id == "" {
		return errNoTransactionID
	}
	s.mu.Lock()
	acked, open := s.transactions[id]
	var err error
	switch {
	case m.Kind != message.KindBegin && !open:
		err = errNoTransaction
	case m.Kind != message.KindBegin:
		delete(s.transactions, id)
	case open:
		err = errTransactionOpen
	case len(s.transactions) == maxTransactions:
		err = errTransactions
	default:
		s.transactions[id] = nil
	}
	s.mu.Unlock()
	if err != nil {
		return err
	}
	f := frame.Frame{Header: message.NewHeader(passing(m.Header)...)}
	switch m.Kind {
	case message.KindBegin:
		f.Command = frame.Begin
		return s.pushOnce(ctx, f, nil)
	case message.KindCommit:
		f.Command = frame.Commit
		return s.pushOnce(ctx, f, m.Done)
	}
	f.Command = frame.Abort
	s.mu.Lock()
	s.deliveries.restore(acked)
	s.mu.Unlock()
	return s.pushOnce(ctx, f, m.Done)
}

// part sends a frame that is part of a transaction. It has no receipt of its own.
func (s *session) part(ctx context.Context, id string, f frame.Frame) error {
	s.mu.Lock()
	_, open := s.transactions[id]
	s.mu.Unlock()
	if !open {
		return errNoTransaction
	}
	if err := check(f); err != nil {
		return err
	}
	return s.pushOnce(ctx, f, nil)
}

// pushOnce sends a frame that makes sense on this connection only; done, if it is not
// nil, is told what became of it.
func (s *session) pushOnce(ctx context.Context, f frame.Frame, done *message.Completion) error {
	o := &outgoing{frame: f, once: true}
	if done != nil {
		done.Hold()
		o.settle = func(err error) {
			if err != nil && isAway(err) {
				err = errTxLost
			}
			if err == nil {
				done.Reached(message.Stored)
			}
			done.Release(err)
		}
	}
	err := s.link.send(ctx, o, s.broker.config.SendTimeout)
	if err != nil {
		done.Release(nil) // the error is told by who is given it
	}
	return err
}
