package broker

import (
	"context"
	"strings"
	"time"

	"github.com/headrace/headrace/message"
)

// letter is a message in a [queue]. It is in one list at a time. All that changes
// is under the queue's lock.
type letter struct {
	queue *queue
	ctx   context.Context
	m     message.Raw // without session, subscription and ack; Done is nil or told when it is settled
	size  int         // about how much memory it takes
	seq   uint64      // its place in the queue

	tries
	ack uint64    // what its delivery is settled by; 0: it is not under way
	to  *consumer // that it is under way to
	due time.Time // when the delivery has to be settled, or the next one may be made

	list       *letters
	prev, next *letter
}

// letters is a list of them.
type letters struct {
	first, last *letter
	n           int
}

// push appends l.
func (ls *letters) push(l *letter) { ls.after(ls.last, l) }

// insert puts l behind the last one that does not come after it.
func (ls *letters) insert(l *letter, before func(a, b *letter) bool) {
	at := ls.last
	for at != nil && before(l, at) {
		at = at.prev
	}
	ls.after(at, l)
}

func bySeq(a, b *letter) bool { return a.seq < b.seq }
func byDue(a, b *letter) bool { return a.due.Before(b.due) }

// after puts l behind at, which is nil for the beginning.
func (ls *letters) after(at, l *letter) {
	l.list, l.prev = ls, at
	if at == nil {
		l.next, ls.first = ls.first, l
	} else {
		l.next, at.next = at.next, l
	}
	if l.next == nil {
		ls.last = l
	} else {
		l.next.prev = l
	}
	ls.n++
}

// leave takes l out of its list, if it is in one.
func (l *letter) leave() {
	ls := l.list
	if ls == nil {
		return
	}
	if l.prev == nil {
		ls.first = l.next
	} else {
		l.prev.next = l.next
	}
	if l.next == nil {
		ls.last = l.prev
	} else {
		l.next.prev = l.prev
	}
	l.list, l.prev, l.next = nil, nil, nil
	ls.n--
}

// letterBytes is what a letter takes beside its message, about.
const letterBytes = 384

// sizeOf is about how much memory a message takes.
func sizeOf(m *message.Raw) int {
	n := letterBytes + len(m.Destination) + len(m.Payload)
	for name, value := range m.Header.All() {
		n += 32 + len(name) + len(value)
	}
	return n
}

// owned returns m with strings of its own. Those of what a client sent share the memory
// of all that came with them, and would keep it for as long as the message stays.
func owned(m message.Raw) message.Raw {
	n := len(m.Destination) + len(m.Subscription)
	for name, value := range m.Header.All() {
		n += len(name) + len(value)
	}
	var all strings.Builder
	all.Grow(n) // so that it stays where it is
	own := func(s string) string {
		at := all.Len()
		all.WriteString(s)
		return all.String()[at:]
	}
	m.Destination, m.Subscription = own(m.Destination), own(m.Subscription)
	fields := make([]message.Field, 0, m.Header.Len())
	for name, value := range m.Header.All() {
		fields = append(fields, message.Field{Name: own(name), Value: own(value)})
	}
	m.Header = message.NewHeader(fields...)
	return m
}
