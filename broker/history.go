package broker

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/message/destination"
)

// lanes are the topics of a broker that keep messages.
type lanes struct {
	index *destination.Index[*lane]
	idle  atomic.Int64 // lanes that stay though they keep nothing

	mu     sync.Mutex
	all    map[*lane]struct{}
	closed bool
}

func (ls *lanes) init(sep destination.Separator) {
	ls.index = destination.NewIndex[*lane](sep)
	ls.all = make(map[*lane]struct{})
}

// of returns the lane of a destination, making it if it is missing. It may be dead
// when it is used: then there is another one.
func (ls *lanes) of(ctx context.Context, b *Memory, dest string, rule *Rule) (*lane, error) {
	for l := range ls.index.Match(dest) {
		return l, nil
	}
	p, err := exact(dest, rule, b.config.Separator)
	if err != nil {
		return nil, err
	}
	if err := b.mesh.hold(ctx, dest, rule); err != nil { // as long as the lane lives
		return nil, err
	}
	ls.mu.Lock()
	defer ls.mu.Unlock()
	if ls.closed {
		b.mesh.part(dest)
		return nil, errClosed
	}
	for l := range ls.index.Match(dest) {
		b.mesh.part(dest)
		return l, nil
	}
	l := newLane(b, dest, rule)
	l.entry = ls.index.Add(p, l)
	ls.all[l] = struct{}{}
	return l, nil
}

// maxIdle is how many lanes may stay that keep nothing.
const maxIdle = 1024

// stay takes one of their places.
func (ls *lanes) stay() bool {
	if ls.idle.Add(1) <= maxIdle {
		return true
	}
	ls.idle.Add(-1)
	return false
}

func (ls *lanes) forget(l *lane) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	delete(ls.all, l)
	ls.index.Remove(l.entry)
	l.broker.mesh.part(l.dest)
}

// renew begins the histories of all topics anew.
func (ls *lanes) renew() {
	for _, l := range ls.list() {
		l.renew()
	}
}

// list returns all there are.
func (ls *lanes) list() []*lane {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	return slices.Collect(maps.Keys(ls.all))
}

func (ls *lanes) close() {
	ls.mu.Lock()
	ls.closed = true
	ls.mu.Unlock()
	for _, l := range ls.list() {
		l.close()
	}
}

// in does something in the lane of a destination.
func (ls *lanes) in(ctx context.Context, b *Memory, dest string, rule *Rule, do func(*lane) error) error {
	for {
		l, err := ls.of(ctx, b, dest, rule)
		if err == nil {
			err = do(l)
		}
		if err != errGone {
			return err
		}
	}
}

// await returns when there is room for a step in the lane of a destination, if it has one.
// Nothing is taken of it: what has to wait for something else then goes in by follow.
func (ls *lanes) await(ctx context.Context, dest string) (err error) {
	for l := range ls.index.Match(dest) {
		l.mu.Lock()
		err = l.awaitRoom(ctx)
		l.mu.Unlock()
	}
	return err
}

// keeps reports whether topics of the rule keep messages.
func (r *Rule) keeps() bool { return r.Retain || r.History.Messages > 0 }

// ages reports whether messages are given up because of their age.
func (r *Rule) ages() bool { return r.History.Messages > 0 && r.History.Age > 0 }

// join is a subscription to a lane that begins, or, without a client, who only waits for
// his turn.
type join struct {
	client  *client
	to      subscription
	pattern destination.Pattern
	begun   func(error)
	reply   *message.Raw  // to the question whether it can resume
	first   []message.Raw // what the subscription gets when it begins, behind the reply

	resume bool   // it asks what it missed
	epoch  string // in which the client was
	offset uint64 // of the last message that it has
}

// readResume reads whether a subscription asks to resume, and where.
func (j *join) readResume(h message.Header) error {
	var err error
	text, ok := h.Lookup(message.HeaderOffset)
	if !ok {
		return nil
	}
	j.resume, j.epoch = true, h.Get(message.HeaderEpoch)
	if j.offset, err = strconv.ParseUint(text, 10, 64); err != nil {
		return message.Errorf(message.CodeInvalid, "%s is no offset: %.40q", message.HeaderOffset, text)
	}
	return nil
}

// replay notes what a subscription gets that begins now: if it asks to resume, an
// empty message that says whether it can and after which offset it goes on, and then
// what it missed; if not, the last message, where that is retained. The lane's lock
// is held.
func (l *lane) replay(j *join) {
	n := l.kept.n
	first := n // of what it gets
	if l.rule.Retain && n > 0 {
		first--
	}
	j.first = nil // another lane may have died
	if j.resume {
		l.told = true
		missed := l.last - j.offset
		can := j.epoch == l.epoch && j.offset <= l.last && missed <= uint64(n)
		if can {
			first = n - int(missed)
		}
		at := l.last - uint64(n-first) // who loses his session before the rest comes goes on from there
		j.reply = j.answer(l.dest, can, message.Field{Name: message.HeaderEpoch, Value: l.epoch},
			message.Field{Name: message.HeaderOffset, Value: strconv.FormatUint(at, 10)})
	}
	for ; first < n; first++ {
		j.first = append(j.first, l.kept.at(first).message(l.dest))
	}
}

// answer tells a subscription whether it could resume. It is no message of the topic:
// it goes out at once, and nobody acknowledges it.
func (j *join) answer(dest string, can bool, fields ...message.Field) *message.Raw {
	fields = append(fields, message.Field{Name: message.HeaderRecovered, Value: strconv.FormatBool(can)})
	return &message.Raw{Destination: dest, Session: j.to.session, Subscription: j.to.id, Header: message.NewHeader(fields...)}
}

// run begins a subscription with what it gets first, unless it has ended.
func (j *join) run(ctx context.Context, b *Memory) {
	c := j.client
	if c == nil {
		j.begun(nil)
		return
	}
	c.mu.Lock()
	e, ok := c.subscriptions[j.to.id]
	if ok = ok && e.join == j; ok {
		e.index, e.join = b.index.Add(j.pattern, j.to), nil
		c.subscriptions[j.to.id] = e
	}
	c.mu.Unlock()
	if !ok {
		j.begun(errEnded)
		return
	}
	defer j.begun(nil) // also when an interceptor ends the goroutine
	if j.resume {
		_ = b.delivery.to(ctx, j.reply) // it is counted
	}
	for _, m := range j.first {
		b.store.hand(ctx, m, j.to)
	}
}
