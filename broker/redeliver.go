package broker

import (
	"errors"
	"time"

	"github.com/headrace/headrace/message"
)

// refuse lets a letter that is in no list wait for its next delivery, or end as a
// dead letter.
func (q *queue) refuse(l *letter) {
	l.refusals++
	acks := &q.rule.Acks
	switch {
	case q.orphaned(l):
	case acks.MaxDeliveries > 0 && l.refusals >= acks.MaxDeliveries:
		q.doomed = append(q.doomed, l)
		q.release(l)
		q.store.deadLetters.Add(1)
	default:
		q.store.redelivered.Add(1)
		l.due = time.Now().Add(backoff(acks, l.refusals))
		q.later.insert(l, byDue)
		q.wakeAt(l.due)
	}
}

// backoff is how long a letter waits that was refused n times.
func backoff(a *Acks, n int) time.Duration {
	d := a.Backoff
	for ; n > 1 && d < a.MaxBackoff; n-- {
		d *= 2
	}
	return min(d, a.MaxBackoff)
}

// wakeAt sees to it that tick is called at t, or before.
func (q *queue) wakeAt(t time.Time) {
	if q.dead || q.timer != nil && !t.Before(q.wake) {
		return
	}
	q.stopTimer()
	q.wake = t
	q.store.timers.Add(1)
	q.timer = time.AfterFunc(time.Until(t), q.tick)
}

func (q *queue) stopTimer() {
	if q.timer != nil && q.timer.Stop() {
		q.store.timers.Done()
	}
	q.timer = nil
}

// tick looks for what is due: deliveries whose deadline has passed, letters that
// have waited, consumers that have rested.
func (q *queue) tick() {
	defer q.store.timers.Done()
	q.mu.Lock()
	now := time.Now()
	if q.timer != nil && !now.Before(q.wake) {
		q.timer = nil
	}
	q.pause = min(max(2*q.pause, minPause), maxPause)
	for l := q.later.first; l != nil && !l.due.After(now); l = q.later.first {
		l.leave()
		q.again.insert(l, bySeq)
	}
	for _, c := range q.consumers {
		q.expire(c, now)
	}
	for i := len(q.leaving) - 1; i >= 0; i-- { // what has expired leaves the list
		q.expire(q.leaving[i], now)
	}
	q.wakeForNext()
	q.unlock()
	q.run()
}

// expire refuses what was under way to c for too long.
func (q *queue) expire(c *consumer, now time.Time) {
	if q.rule.Acks.Deadline <= 0 {
		return
	}
	for l := c.under.first; l != nil && !l.due.After(now); l = c.under.first {
		c.unsettled.expire(l)
		q.takeBack(l)
		q.refuse(l)
		q.store.expired.Add(1)
	}
}

// wakeForNext sets the timer for what is due next.
func (q *queue) wakeForNext() {
	if l := q.later.first; l != nil {
		q.wakeAt(l.due)
	}
	if q.rule.Acks.Deadline <= 0 {
		return
	}
	for _, cs := range [...][]*consumer{q.consumers, q.leaving} {
		for _, c := range cs {
			if l := c.under.first; l != nil {
				q.wakeAt(l.due)
			}
		}
	}
}

// putBack lets a letter that is in no list be delivered again at once.
func (q *queue) putBack(l *letter) {
	if !q.orphaned(l) {
		q.again.insert(l, bySeq)
	}
}

// orphaned gives up a letter that is in no list if nobody can get it any more, and
// reports whether it did: its queue may have ended while it was delivered.
func (q *queue) orphaned(l *letter) bool {
	switch {
	case q.dead:
		q.drop(l, dropClosed)
	case q.abandoned():
		q.drop(l, dropGone)
	default:
		return false
	}
	return true
}

// abandoned reports whether the one subscription of the queue has ended.
func (q *queue) abandoned() bool { return q.single && len(q.consumers) == 0 }

// drop gives up a letter that is in no list.
func (q *queue) drop(l *letter, why dropReason) {
	q.store.dropped[why].Add(1)
	q.settled(l, errDropped[why])
}

// discard gives up all that waits.
func (q *queue) discard(why dropReason) {
	for _, ls := range [...]*letters{&q.again, &q.ready, &q.later} {
		for l := ls.first; l != nil; l = ls.first {
			l.leave()
			q.drop(l, why)
		}
	}
}

// end makes a queue dead. The lock is held.
func (q *queue) end() {
	q.dead = true
	q.stopTimer()
	q.store.forget(q)
}

// close gives up everything.
func (q *queue) close() {
	q.mu.Lock()
	defer q.unlock()
	if q.dead {
		return
	}
	for _, cs := range [...][]*consumer{q.consumers, q.leaving} {
		for _, c := range cs {
			for l := c.under.first; l != nil; l = c.under.first {
				c.unsettled.remove(l.ack)
				l.leave()
				l.ack, l.to = 0, nil
				q.drop(l, dropClosed)
			}
		}
	}
	q.discard(dropClosed)
	q.consumers, q.leaving = nil, nil
	q.end()
}

func isDrop(err error) bool { return errors.Is(err, message.ErrDropped) }

// isUnreachable reports whether a delivery failed because of the way to the client.
func isUnreachable(err error) bool {
	e, ok := errors.AsType[*message.Error](err)
	return ok && (e.Code == message.CodeUnavailable || e.Code == message.CodeFull)
}
