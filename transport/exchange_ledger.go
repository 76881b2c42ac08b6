package transport

import "github.com/headrace/headrace/message"

// entry is a request that is under way.
type entry struct {
	request Request // without its content
	fatal   bool    // an error of this one ends the session
	last    bool    // its answer is the last
	done    bool
	err     error
	told    *message.Completion // what inbound was given, or nil
	next    *entry
}

// newEntry forgets what an answer does not need: it may be long in coming.
func newEntry(r Request) *entry {
	r.Message = message.Raw{Kind: r.Message.Kind}
	return &entry{request: r}
}

// ledger holds the requests under way in the order in which they came, so that
// answers go out in that order. The entries are the list: an idle session holds
// none.
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
	if l.head = e.next; l.head == nil {
		l.tail = nil // or it would keep the last entry
	}
	l.len--
	return e
}
