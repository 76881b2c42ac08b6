// Package ledger decides what was lost, doubled, put out of order or made up, for all
// tests in the same way.
package ledger

import (
	"fmt"
	"sync"
)

// ID is the number that a publisher gave a message: its first is 0, and each is one
// more than the one before.
type ID struct{ Publisher, Number int }

// Publish is a message that was published, or tried to be.
type Publish struct {
	ID
	// Acked says that the publisher was told that all is well.
	Acked bool
}

// Delivery is a message that came.
type Delivery struct {
	ID
	// Receiver is who has got it: a subscription, or all of a group.
	Receiver string
}

// Verdict is what [Check] finds.
type Verdict struct {
	// Acked is how many messages each receiver has to have.
	Acked int
	// Lost counts what was acknowledged and did not come, for each receiver.
	Lost int
	// Doubled counts what came to a receiver that had it.
	Doubled int
	// Reordered counts what came to a receiver for the first time after a later message
	// of the same publisher.
	Reordered int
	// Ghosts counts what came and nobody published.
	Ghosts int
}

func (v Verdict) String() string {
	return fmt.Sprintf("%d acknowledged, %d lost, %d doubled, %d out of order, %d ghosts", v.Acked, v.Lost, v.Doubled, v.Reordered, v.Ghosts)
}

// Check compares what was published, of which each of the receivers has to have all that
// was acknowledged, with what came, in its order. What was published in vain may have
// come or not.
func Check(published []Publish, came []Delivery, receivers ...string) (v Verdict) {
	tried := make(map[ID]bool, len(published))
	for _, p := range published {
		tried[p.ID] = true
	}
	type key struct {
		receiver  string
		publisher int
	}
	had, last := make(map[Delivery]bool, len(came)), make(map[key]int)
	for _, d := range came {
		at := key{d.Receiver, d.Publisher}
		latest, some := last[at]
		switch {
		case !tried[d.ID]:
			v.Ghosts++
			continue
		case had[d]:
			v.Doubled++
			continue
		case some && d.Number < latest:
			v.Reordered++
		default:
			last[at] = d.Number
		}
		had[d] = true
	}
	for _, p := range published {
		if !p.Acked {
			continue
		}
		v.Acked++
		for _, r := range receivers {
			if !had[Delivery{ID: p.ID, Receiver: r}] {
				v.Lost++
			}
		}
	}
	return v
}

// Ledger is where publishers and receivers write what they did, from any goroutine.
type Ledger struct {
	mu        sync.Mutex
	published []Publish
	came      []Delivery
	distinct  map[Delivery]bool
}

// Published notes that a message was tried, and whether that went well.
func (l *Ledger) Published(id ID, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.published = append(l.published, Publish{ID: id, Acked: err == nil})
}

// Delivered notes that a message came.
func (l *Ledger) Delivered(receiver string, id ID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	d := Delivery{ID: id, Receiver: receiver}
	l.came = append(l.came, d)
	if l.distinct == nil {
		l.distinct = make(map[Delivery]bool)
	}
	l.distinct[d] = true
}

// Complete reports whether each receiver has all that was acknowledged.
func (l *Ledger) Complete(receivers ...string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, p := range l.published {
		for _, r := range receivers {
			if p.Acked && !l.distinct[Delivery{ID: p.ID, Receiver: r}] {
				return false
			}
		}
	}
	return true
}

// Acked is how many publishes went well so far.
func (l *Ledger) Acked() (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, p := range l.published {
		if p.Acked {
			n++
		}
	}
	return n
}

// Check is that of what was noted. What a publish noted late came before it counts too.
func (l *Ledger) Check(receivers ...string) Verdict {
	l.mu.Lock()
	defer l.mu.Unlock()
	return Check(l.published, l.came, receivers...)
}
