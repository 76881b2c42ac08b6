package handler

import (
	"container/list"
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/headrace/headrace/internal/detach"
	"github.com/headrace/headrace/message"
)

// AggregateConfig describes an [Aggregator].
type AggregateConfig[T any] struct {
	// Key says which messages belong together. Zero (nil) means all.
	Key func(message.Message[T]) string
	// Complete says whether a group has all it needs; it is asked after every
	// message and must not keep the slice. Zero (nil) means that only
	// MaxGroupSize and Timeout end a group.
	Complete func(group []message.Message[T]) bool
	// Timeout is how long a group is waited for from its first message on. Zero
	// means a minute.
	Timeout time.Duration
	// DiscardPartial refuses the messages of a group that ends by Timeout (with
	// CodeTimeout) or by Shutdown (with CodeUnavailable). Zero means that such a
	// group is combined and passed on like a complete one.
	DiscardPartial bool
	// MaxGroups is how many groups may be open; a message that would open
	// another is refused with CodeFull. Zero means 1,024.
	MaxGroups int
	// MaxGroupSize is how many messages a group may have; one that reaches it is
	// complete. Zero means 1,024.
	MaxGroupSize int
	// Logger is told of errors that nobody waits for. Zero (nil) means
	// slog.Default() at the time of the error.
	Logger *slog.Logger
}

func (c AggregateConfig[T]) withDefaults() AggregateConfig[T] {
	if c.Key == nil {
		c.Key = func(message.Message[T]) string { return "" }
	}
	if c.Complete == nil {
		c.Complete = func([]message.Message[T]) bool { return false }
	}
	if c.Timeout == 0 {
		c.Timeout = time.Minute
	}
	if c.MaxGroups == 0 {
		c.MaxGroups = 1024
	}
	if c.MaxGroupSize == 0 {
		c.MaxGroupSize = 1024
	}
	return c
}

// Aggregator collects messages in groups and passes each group on as one
// message, one group at a time in the order in which they end. Its methods may
// be called from any goroutine, but not by what comes after it in the pipeline:
// that would wait for itself.
type Aggregator[T, U any] struct {
	stage   string
	config  AggregateConfig[T]
	combine func(context.Context, []message.Message[T]) (U, error)
	next    message.Handler[U]
	life    context.Context
	end     context.CancelFunc

	turn   chan struct{} // a lock whose wait ctx can end; held while a group is passed on; guards:
	groups map[string]*group[T]
	ages   list.List   // of *group[T], the oldest first
	timer  *time.Timer // one for all: only the oldest group needs it
	armed  bool

	busy    sync.WaitGroup // the timer while it is armed or at work, and groups that are being ended
	closing chan struct{}  // closed when intake stops
	drained chan struct{}  // closed when no group is left after that
	once    sync.Once
}

var errIncomplete error = message.Errorf(message.CodeTimeout, "group is incomplete")

// Aggregate returns a stage that makes one message of every group of messages:
// combine makes its payload, next takes it. Combine may keep the slice but not
// change it; its error is the outcome of the group.
//
// The message has kind, destination, subscription and header of the group's
// first message, its session if all have the same, and its context's values;
// the context ends with Close. Every message of the group is completed with the
// outcome of the group. Shutdown or Close ends the stage.
func Aggregate[T, U any](c AggregateConfig[T], combine func(context.Context, []message.Message[T]) (U, error), next message.Handler[U]) *Aggregator[T, U] {
	mustWire(combine != nil && next != nil, "Aggregate needs a function and a next handler")
	mustWire(c.Timeout >= 0 && c.MaxGroups >= 0 && c.MaxGroupSize >= 0, "AggregateConfig has a negative field")
	return newAggregator("aggregate", c, combine, next)
}

func newAggregator[T, U any](stage string, c AggregateConfig[T], combine func(context.Context, []message.Message[T]) (U, error), next message.Handler[U]) *Aggregator[T, U] {
	a := &Aggregator[T, U]{
		stage:   stage,
		config:  c.withDefaults(),
		combine: combine,
		next:    next,
		turn:    make(chan struct{}, 1),
		groups:  make(map[string]*group[T]),
		closing: make(chan struct{}),
		drained: make(chan struct{}),
	}
	a.life, a.end = context.WithCancel(context.Background())
	return a
}

// Handle takes m over and returns; m's Done learns how its group ended. The
// message that completes a group passes it on before its Handle returns. While
// a group is being passed on, Handle waits as long as ctx lasts. Errors:
// CodeFull when there is no room for another group, CodeUnavailable after
// Shutdown or Close, or ctx's.
func (a *Aggregator[T, U]) Handle(ctx context.Context, m message.Message[T]) error {
	key := a.config.Key(m)
	if err := a.enter(ctx); err != nil {
		return err
	}
	complete, err := a.add(ctx, key, m)
	if complete != nil {
		a.pass(complete, nil)
	}
	return err
}

// enter waits for the turn of a sender.
func (a *Aggregator[T, U]) enter(ctx context.Context) error {
	select {
	case a.turn <- struct{}{}:
	case <-a.closing:
		return errStageClosed
	case <-ctx.Done():
		return ctx.Err()
	}
	if a.isClosing() {
		a.leave()
		return errStageClosed
	}
	return nil
}

func (a *Aggregator[T, U]) leave() { <-a.turn }

func (a *Aggregator[T, U]) isClosing() bool {
	select {
	case <-a.closing:
		return true
	default:
		return false
	}
}

// add puts m into its group. It keeps the turn if that completes the group, and
// gives it back otherwise.
func (a *Aggregator[T, U]) add(ctx context.Context, key string, m message.Message[T]) (complete *group[T], err error) {
	defer func() {
		if complete == nil {
			a.leave()
		}
	}()
	g := a.groups[key]
	if g == nil {
		if len(a.groups) == a.config.MaxGroups {
			return nil, errStageFull
		}
		g = &group[T]{key: key, ctx: detach.Context(ctx, a.life), due: time.Now().Add(a.config.Timeout)}
	}
	members := append(g.members, m)
	ready := len(members) == a.config.MaxGroupSize || a.config.Complete(members) // its panic leaves all as it was
	m.Done.Hold()
	g.members = members
	switch {
	case ready:
		a.remove(g)
		return g, nil
	case g.place == nil:
		a.groups[key] = g
		g.place = a.ages.PushBack(g)
		a.arm(a.config.Timeout)
	}
	return nil, nil
}

func (a *Aggregator[T, U]) remove(g *group[T]) {
	if g.place != nil {
		delete(a.groups, g.key)
		a.ages.Remove(g.place)
	}
}

// pass ends a group: with refusal, or by passing it on when that is nil. It is
// called with the turn and gives it back before the messages learn the outcome,
// so that whoever is told may send again.
func (a *Aggregator[T, U]) pass(g *group[T], refusal error) {
	a.busy.Add(1)
	defer a.busy.Done()
	done, err := g.done(), refusal
	defer func() {
		a.leave()
		if refusal != errStageClosed { // that one was asked for
			logLost(g.ctx, a.config.Logger, a.stage, g.members[0], g.unwatched(), err)
		}
		done.Release(err)
	}()
	if refusal == nil {
		err = errExited
		err = a.emit(g, done)
	}
}

func (a *Aggregator[T, U]) emit(g *group[T], done *message.Completion) (err error) {
	defer message.Recover(&err)
	payload, err := a.combine(g.ctx, g.members)
	if err != nil {
		return err
	}
	m := message.WithPayload(g.members[0], payload)
	m.Session, m.Done = g.session(), done
	return a.next.Handle(g.ctx, m)
}

// arm sets the timer unless it is set: what is due later is seen when it fires.
func (a *Aggregator[T, U]) arm(wait time.Duration) {
	if a.armed {
		return
	}
	a.armed = true
	a.busy.Add(1)
	if a.timer == nil {
		a.timer = time.AfterFunc(wait, func() { persist(a.expire) })
	} else {
		a.timer.Reset(wait)
	}
}

// expire runs on the timer's goroutine.
func (a *Aggregator[T, U]) expire() {
	a.passDue()
	a.armed = false
	if oldest := a.oldest(); oldest != nil {
		a.arm(time.Until(oldest.due))
	}
	a.leave()
	a.busy.Done()
}

// passDue ends the groups that are due, which after closing are all. It returns
// with the turn.
func (a *Aggregator[T, U]) passDue() {
	for {
		a.turn <- struct{}{}
		g := a.oldest()
		if g == nil || g.due.After(time.Now()) && !a.isClosing() {
			return
		}
		a.remove(g)
		a.pass(g, a.refusal())
	}
}

func (a *Aggregator[T, U]) oldest() *group[T] {
	if front := a.ages.Front(); front != nil {
		return front.Value.(*group[T])
	}
	return nil
}

// refusal returns why a group that is not complete is not passed on, or nil.
func (a *Aggregator[T, U]) refusal() error {
	switch {
	case a.life.Err() != nil:
		return errStageClosed
	case !a.config.DiscardPartial:
		return nil
	case a.isClosing():
		return errStageClosed
	default:
		return errIncomplete
	}
}

// stop refuses new messages, calls then and starts to end all groups.
func (a *Aggregator[T, U]) stop(then func()) {
	a.once.Do(func() {
		close(a.closing)
		then()
		go persist(a.drain)
	})
}

func (a *Aggregator[T, U]) drain() {
	a.passDue()
	if a.armed && a.timer.Stop() {
		a.busy.Done()
	}
	a.leave()
	a.busy.Wait()
	close(a.drained)
}

// Shutdown refuses new messages, ends all groups as if their Timeout had come
// and waits until they were passed on. When ctx ends first it returns an error;
// the groups go on being ended until Close.
func (a *Aggregator[T, U]) Shutdown(ctx context.Context) error {
	a.stop(func() {})
	if !drainedBefore(ctx, a.drained) {
		return fmt.Errorf("%s: groups are left: %w", a.stage, ctx.Err())
	}
	return nil
}

// Close refuses new messages, completes those of open groups with
// CodeUnavailable, cancels the context of the group that is being passed on and
// waits for its handler, which must not call Close itself.
func (a *Aggregator[T, U]) Close() {
	a.stop(a.end) // in this order: what waits for the end of a group must not go on in its place
	a.end()
	<-a.drained
}
