package stompadapter

import "github.com/headrace/headrace/stompadapter/frame"

// entry is one client frame that is under way.
type entry struct {
	command frame.Command
	receipt string // what the answer has to echo
	wanted  bool   // a receipt was asked for; its value may be empty
	last    bool   // the connection is closed after this one
	done    bool
	err     error
	next    *entry
}

func newEntry(f frame.Frame) *entry {
	receipt, wanted := f.Header.Lookup(frame.HeaderReceipt)
	return &entry{command: f.Command, receipt: receipt, wanted: wanted}
}

// ledger holds the frames under way in the order in which they came, so that
// answers go out in that order. The entries are the list: an idle session
// holds none.
type ledger struct {
	head, tail *entry
	len        int
}

func (l *ledger) push(e *entry) {
	if l.head == nil {
		l.head = e
	} else {
		l.tail.next = e
	}
	l.tail = e
	l.len++
}

// pop takes the oldest entry off if it is done; else it returns nil.
func (l *ledger) pop() *entry {
	e := l.head
	if e == nil || !e.done {
		return nil
	}
	l.head = e.next
	l.len--
	return e
}
