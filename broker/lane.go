package broker

import (
	"context"
	"crypto/rand"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/message/destination"
)

// lane is a topic that keeps its last messages. It numbers them, and delivers them
// in that order: one goroutine at a time goes through the steps, without the lock. One
// that keeps nothing ends when there is nothing to do: clients choose its destination.
type lane struct {
	broker *Memory
	rule   *Rule
	dest   string
	entry  *destination.Entry[*lane]
	epoch  string
	born   time.Time

	mu      sync.Mutex
	room    sync.Cond // steps became fewer, or somebody waited long enough
	dead    bool      // it keeps nothing and never will again
	last    uint64    // offset that was given out
	kept    records   // the last ones, without a gap
	bytes   int       // of these
	steps   []step
	done    int  // of the steps
	running bool // somebody goes through them
	timer   *time.Timer
	told    bool // somebody knows a place here and may come back to it
	idle    bool // it stays for him: one of maxIdle
}

// step is a message to deliver, or a subscription to begin.
type step struct {
	ctx  context.Context
	m    *message.Raw
	join *join
}

// maxSteps is how many steps may wait for the one who goes through them. Who finds
// more waits until there are fewer, but not for ever: he may be an interceptor of the
// way out, for whom they wait. What the engine was given while there was room is beside
// that: one of each sender.
const (
	maxSteps = 1024
	fewSteps = 64 // room for so many stays with the lane
)

const patience = 10 * time.Second

var errBusy error = message.Errorf(message.CodeFull, "too much is on its way from this destination")

func newLane(b *Memory, dest string, rule *Rule) *lane {
	l := &lane{broker: b, rule: rule, dest: dest, epoch: newEpoch(), born: time.Now()}
	l.room.L = &l.mu
	return l
}

func newEpoch() string { return strings.ToLower(rand.Text()[:12]) }

// publish numbers a message, keeps and delivers it.
func (l *lane) publish(ctx context.Context, m *message.Raw) error {
	if err := l.enter(ctx); err != nil {
		return err
	}
	l.add(ctx, m)
	return nil
}

// follow is publish of what the engine took from this node: that is refused no more, so it
// needs no room.
func (l *lane) follow(ctx context.Context, m *message.Raw) error {
	l.mu.Lock()
	if l.dead {
		l.mu.Unlock()
		return errGone
	}
	l.add(ctx, m)
	return nil
}

// add does that. It gives the lock away.
func (l *lane) add(ctx context.Context, m *message.Raw) {
	l.last++
	out := l.numbered(m)
	l.keep(&out)
	l.watch()
	l.take(ctx, &out, nil)
}

// begin adds a subscription behind what was published before.
func (l *lane) begin(ctx context.Context, j *join) error {
	if err := l.enter(ctx); err != nil {
		return err
	}
	l.giveUp(l.old())
	l.replay(j) // now: what is numbered later comes later
	l.take(ctx, nil, j)
	return nil
}

// enter takes the lock, when there is room for a step.
func (l *lane) enter(ctx context.Context) error {
	l.mu.Lock()
	err := l.awaitRoom(ctx)
	if l.dead {
		err = errGone
	}
	if err != nil {
		l.mu.Unlock()
	}
	return err
}

func (l *lane) full() bool { return l.running && !l.dead && len(l.steps)-l.done >= maxSteps }

func (l *lane) awaitRoom(ctx context.Context) error {
	if !l.full() {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	defer context.AfterFunc(ctx, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.room.Broadcast()
	})()
	for l.full() {
		if ctx.Err() != nil {
			return errBusy
		}
		l.room.Wait()
	}
	return nil
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
		l.queue(ctx, m, j)
		return
	}
	l.running = true
	defer l.stop()             // also when an interceptor ends the goroutine
	if l.done < len(l.steps) { // one did
		l.queue(ctx, m, j)
	} else {
		l.do(ctx, m, j)
	}
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
	if cap(l.steps) > fewSteps {
		l.steps = nil
	}
}

// queue adds a step for whoever goes through them.
func (l *lane) queue(ctx context.Context, m *message.Raw, j *join) {
	s := step{ctx: detached(ctx), join: j}
	if m != nil {
		s.m = new(*m)
	}
	if l.done >= maxSteps {
		l.steps, l.done = slices.Delete(l.steps, 0, l.done), 0
	}
	l.steps = append(l.steps, s)
}

// stop is the end of going through the steps.
func (l *lane) stop() {
	l.running = false
	l.room.Broadcast()
	l.endIfIdle()
}

// do does a step. It gives the lock away meanwhile.
func (l *lane) do(ctx context.Context, m *message.Raw, j *join) {
	l.mu.Unlock()
	defer l.mu.Lock()
	if j != nil {
		j.run(ctx, l.broker)
		return
	}
	l.broker.fanOut(ctx, *m, false)
}

// keep adds a message to those that are kept, and gives up the oldest ones as the
// rule says, or as the broker has room. If there is none at all, nothing stays, because
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
	for r.size > bounds.Bytes || !l.broker.store.reserve(r.size) {
		if l.kept.n == 0 {
			l.broker.store.dropped[dropUnkept].Add(1)
			return
		}
		l.giveUp(1)
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

// tick gives up what is too old.
func (l *lane) tick() {
	defer l.broker.store.timers.Done()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.dead {
		return
	}
	l.timer, l.told = nil, false
	l.leaveIdle()
	l.giveUp(l.old())
	l.watch()
	l.endIfIdle()
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
	least := 1
	if l.rule.Retain {
		least = 2 // the last one stays
	}
	if l.timer == nil && l.rule.ages() && l.kept.n >= least {
		l.wakeIn(l.kept.at(0).at + l.rule.History.Age - time.Since(l.born))
	}
}

func (l *lane) wakeIn(d time.Duration) {
	l.broker.store.timers.Add(1)
	l.timer = time.AfterFunc(d, l.tick)
}

// idleTime is how long a lane stays that keeps nothing.
const idleTime = time.Minute

// endIfIdle ends a lane that keeps nothing and has nothing to do. One in which
// somebody knows a place stays a while for him.
func (l *lane) endIfIdle() {
	if l.dead || l.kept.n > 0 || l.running || l.done < len(l.steps) || l.idle {
		return
	}
	if l.idle = l.told && l.broker.lanes.stay(); !l.idle {
		l.end()
	} else if l.timer == nil {
		l.wakeIn(idleTime)
	}
}

func (l *lane) leaveIdle() {
	if l.idle {
		l.idle = false
		l.broker.lanes.idle.Add(-1)
	}
}

// end makes a lane dead.
func (l *lane) end() {
	if l.dead {
		return
	}
	l.dead = true
	l.room.Broadcast() // who waits leaves, and makes no room for another one
	l.leaveIdle()
	l.giveUp(l.kept.n)
	if l.timer != nil && l.timer.Stop() {
		l.broker.store.timers.Done()
	}
	l.timer = nil
	l.broker.lanes.forget(l)
}

// renew begins a new epoch: nobody resumes from before, for something may be missing.
// What is retained stays.
func (l *lane) renew() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.dead {
		return
	}
	l.epoch = newEpoch()
	least := 0
	if l.rule.Retain {
		least = 1
	}
	l.giveUp(max(l.kept.n-least, 0))
	l.endIfIdle()
}

func (l *lane) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.end()
}
