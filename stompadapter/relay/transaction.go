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
	o := &outgoing{frame: frame.Frame{Header: message.NewHeader(passing(m.Header)...)}}
	switch m.Kind {
	case message.KindBegin:
		o.frame.Command = frame.Begin
		o.admit = func() error { return s.begin(id) }
		return s.pushOnce(ctx, o, nil)
	case message.KindCommit:
		o.frame.Command = frame.Commit
		o.admit = func() error { return s.complete(id, false) }
	default:
		o.frame.Command = frame.Abort
		o.squeeze = true // there are no more of them than transactions
		o.admit = func() error { return s.complete(id, true) }
	}
	return s.pushOnce(ctx, o, m.Done)
}

func (s *session) begin(id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, open := s.transactions[id]; open {
		return errTransactionOpen
	}
	if len(s.transactions) == maxTransactions {
		return errTransactions
	}
	s.transactions[id] = nil
	return nil
}

// complete forgets an open transaction; what was acknowledged in one that is aborted is not.
func (s *session) complete(id string, abort bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	acked, open := s.transactions[id]
	if !open {
		return errNoTransaction
	}
	delete(s.transactions, id)
	if abort {
		s.deliveries.restore(acked)
	}
	return nil
}

// part sends a frame that is part of a transaction. It has no receipt of its own.
func (s *session) part(ctx context.Context, id string, f frame.Frame) error {
	if err := check(f); err != nil {
		return err
	}
	return s.pushOnce(ctx, &outgoing{frame: f, admit: func() error { return s.isOpen(id) }}, nil)
}

func (s *session) isOpen(id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, open := s.transactions[id]; !open {
		return errNoTransaction
	}
	return nil
}

// pushOnce sends a frame that makes sense on this connection only; done, if it is not
// nil, is told what became of it.
func (s *session) pushOnce(ctx context.Context, o *outgoing, done *message.Completion) error {
	o.once = true
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
