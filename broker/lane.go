package broker

import (
	"context"
	"crypto/rand"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/message/destination"
)

// lane is a topic that keeps its last messages. It numbers them, and delivers them
// in that order: one goroutine at a time goes through the steps, without the lock.
type lane struct {
	broker *Memory
	rule   *Rule
	dest   string
	entry  *destination.Entry[*lane]
	epoch  string
	born   time.Time

	mu      sync.Mutex
	room    sync.Cond // steps became fewer
	dead    bool      // it keeps nothing and never will again
	last    uint64    // offset that was given out
	kept    records   // the last ones, without a gap
	bytes   int       // of these
	steps   []step
	done    int  // of the steps
	running bool // somebody goes through them
	timer   *time.Timer
}

// step is a message to deliver, or a subscription to begin.
type step struct {
	ctx  context.Context
	m    *message.Raw
	join *join
}

// maxSteps is how many steps may wait for the one who goes through them. Who finds
// more waits until there are fewer.
const maxSteps = 1024

func newLane(b *Memory, dest string, rule *Rule) *lane {
	l := &lane{broker: b, rule: rule, dest: dest, epoch: strings.ToLower(rand.Text()[:12]), born: time.Now()}
	l.room.L = &l.mu
	return l
}

// publish numbers a message, keeps and delivers it.
func (l *lane) publish(ctx context.Context, m *message.Raw) error {
	l.mu.Lock()
	l.awaitRoom()
	if l.dead {
		l.mu.Unlock()
		return errGone
	}
	l.last++
	out := l.numbered(m)
	l.keep(&out)
	l.watch()
	l.take(ctx, &out, nil)
	return nil
}

// begin adds a subscription behind what was published before.
func (l *lane) begin(ctx context.Context, j *join) error {
	l.mu.Lock()
	l.awaitRoom()
	if l.dead {
		l.mu.Unlock()
		return errGone
	}
	l.giveUp(l.old())
	l.watch()
	l.replay(j) // now: what is numbered later comes later
	l.take(ctx, nil, j)
	return nil
}

func (l *lane) awaitRoom() {
	for l.running && !l.dead && len(l.steps)-l.done >= maxSteps {
		l.room.Wait()
	}
}

// numbered returns m as it is delivered.
func (l *lane) numbered(m *message.Raw) message.Raw {
	var buf [40]byte
	id := string(strconv.AppendUint(append(append(buf[:0], l.epoch...), '-'), l.last, 10))
	return message.Raw{Destination: m.Destination, Payload: m.Payload, Header: m.Header.WithAll(
		message.Field{Name: message.HeaderMessageID, Value: id},
		message.Field{Name: message.HeaderOffset, Value: id[len(l.epoch)+1:]},
		message.Field{Name: message.HeaderEpoch, Value: l.epoch},
	)}
}

// take does a step, and those that came meanwhile, or leaves it to whoever is at it.
// It gives the lock away. A message that nobody waits behind is not copied to the heap.
func (l *lane) take(ctx context.Context, m *message.Raw, j *join) {
	defer l.mu.Unlock()
	if l.running {
		s := step{ctx: detached(ctx), join: j}
		if m != nil {
			s.m = new(*m)
		}
		l.steps = append(l.steps, s)
		return
	}
	l.running = true
	defer func() { l.running = false }() // also when an interceptor ends the goroutine
	l.do(ctx, m, j)
	for l.done < len(l.steps) {
		s := l.steps[l.done]
		l.steps[l.done] = step{}
		l.done++
		if l.done == len(l.steps) {
			l.steps, l.done = l.steps[:0], 0
		}
		l.room.Signal()
		l.do(s.ctx, s.m, s.join)
	}
}

// do does a step. It gives the lock away meanwhile.
func (l *lane) do(ctx context.Context, m *message.Raw, j *join) {
	l.mu.Unlock()
	defer l.mu.Lock()
	if j != nil {
		j.run(ctx, l.broker)
		return
	}
	l.broker.fanOut(ctx, *m)
}

// keep adds a message to those that are kept, and gives up the oldest ones as the
// rule says. A message that the broker has no room for ends what was kept, because
// there must be no gap.
func (l *lane) keep(m *message.Raw) {
	r := record{header: m.Header, payload: m.Payload, size: sizeOf(m)}
	if l.rule.ages() {
		r.at = time.Since(l.born)
	}
	bounds := &l.rule.History
	for l.kept.n > 0 && (l.kept.n >= max(bounds.Messages, 1) || l.bytes+r.size > bounds.Bytes) {
		l.giveUp(1)
	}
	if r.size > bounds.Bytes || !l.broker.store.reserve(r.size) {
		l.giveUp(l.kept.n)
		return
	}
	l.kept.push(r)
	l.bytes += r.size
}

// giveUp forgets the n oldest messages.
func (l *lane) giveUp(n int) {
	for range n {
		size := l.kept.pop()
		l.bytes -= size
		l.broker.store.release(size)
	}
}

func (l *lane) wakeIn(d time.Duration) {
	l.broker.store.timers.Add(1)
	l.timer = time.AfterFunc(d, l.tick)
}

// idle is how long a lane stays that keeps nothing.
const idle = time.Minute

// tick gives up what is too old, and ends a lane that keeps nothing.
func (l *lane) tick() {
	defer l.broker.store.timers.Done()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.dead {
		return
	}
	l.timer = nil
	l.giveUp(l.old())
	if l.kept.n == 0 && !l.running {
		l.end()
		return
	}
	l.watch()
}

// old returns how many messages are too old.
func (l *lane) old() (n int) {
	most := l.kept.n
	if l.rule.Retain {
		most-- // the last one stays
	}
	for now := time.Since(l.born); n < most && l.rule.ages() && now-l.kept.at(n).at >= l.rule.History.Age; {
		n++
	}
	return n
}

// watch sets the timer for what is to be given up next.
func (l *lane) watch() {
	switch {
	case l.timer != nil:
	case l.kept.n == 0:
		l.wakeIn(idle)
	case l.rule.ages() && (l.kept.n > 1 || !l.rule.Retain):
		l.wakeIn(l.kept.at(0).at + l.rule.History.Age - time.Since(l.born))
	}
}

// end makes a lane dead. The lock is held.
func (l *lane) end() {
	l.dead = true
	l.room.Broadcast() // who waits leaves, and makes no room for another one
	l.giveUp(l.kept.n)
	if l.timer != nil && l.timer.Stop() {
		l.broker.store.timers.Done()
	}
	l.timer = nil
	l.broker.lanes.forget(l)
}

func (l *lane) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.dead {
		l.end()
	}
}
