package watermilladapter

import (
	"context"
	"time"
)

// How long an engine has, before its subscription ends, to take what it was told.
// One that delivers again what is refused without more ado does not say that it
// took it.
const (
	ackTime  = time.Second
	nackTime = 100 * time.Millisecond
)

// told has the messages that the engine was told of last. A Watermill subscriber
// ends the context of a message when it has taken that. One whose subscription ends
// before throws a coin: the acknowledgement is lost, and the message comes again.
type told struct {
	last []outcome // a ring
	next int
}

type outcome struct {
	taken <-chan struct{}
	acked bool
}

func newTold(inFlight int) told { return told{last: make([]outcome, max(inFlight, 16))} }

func (t *told) add(d *delivery) {
	t.last[t.next] = outcome{taken: d.message.Context().Done(), acked: isClosed(d.message.Acked())}
	t.next = (t.next + 1) % len(t.last)
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// wait returns when the engine has taken all of last, or no time is left.
func wait(last []outcome) {
	acks, cancel := context.WithTimeout(context.Background(), ackTime)
	defer cancel()
	nacks, cancel := context.WithTimeout(acks, nackTime)
	defer cancel()
	for _, o := range last {
		limit := nacks
		if o.acked {
			limit = acks
		}
		if o.taken != nil {
			select {
			case <-o.taken:
			case <-limit.Done():
			}
		}
	}
}
