package pubsub

import (
	"context"
	"slices"
	"sync"
	"time"

	wmessage "github.com/ThreeDotsLabs/watermill/message"
)

// Out is where what a subscription receives goes.
type Out struct {
	ctx      context.Context         // of the subscription
	handle   func(*wmessage.Message) // nil, or where messages go instead
	messages chan *wmessage.Message  // with room for all that are not settled: they are kept from the beginning
	over     chan struct{}           // closed when the subscription has ended
	slots    chan struct{}           // one entry per message that is not settled
	waiting  sync.WaitGroup
	given    int // how many were, for the goroutine that calls Give

	mu   sync.Mutex
	left []*entry // what was not settled when the subscription ended

	telling context.Context // of what the engine is told
	giveUp  context.CancelFunc
}

func newOut(inFlight int) *Out {
	return &Out{
		messages: make(chan *wmessage.Message, inFlight),
		over:     make(chan struct{}),
		slots:    make(chan struct{}, inFlight),
	}
}

// begin is the beginning of the subscription, whose context is ctx.
func (o *Out) begin(ctx context.Context) {
	o.ctx = ctx
	o.telling, o.giveUp = context.WithCancel(context.WithoutCancel(ctx))
}

// Context is the subscription's.
func (o *Out) Context() context.Context { return o.ctx }

// One hands a message on and waits until it is acknowledged; refused it is handed on
// again, before all that come later. It returns false when the subscription ended.
func (o *Out) One(m *wmessage.Message) bool {
	if o.handle != nil {
		o.handle(m)
		return o.ctx.Err() == nil
	}
	for {
		taken, ok := o.send(m)
		if !ok {
			return false
		}
		select {
		case <-m.Acked():
			taken()
			return true
		case <-m.Nacked():
			taken()
			m = m.Copy()
		case <-o.ctx.Done():
			taken()
			return false
		}
	}
}

// send hands a message on, unless the subscription has ended. Who has it sees by the end
// of its context, which is taken, that what he said of it is known.
func (o *Out) send(m *wmessage.Message) (taken context.CancelFunc, ok bool) {
	if o.ctx.Err() != nil { // though there may be room
		return nil, false
	}
	ctx, taken := context.WithCancel(o.ctx)
	m.SetContext(ctx)
	select {
	case o.messages <- m:
		return taken, true
	case <-o.ctx.Done():
		taken()
		return nil, false
	}
}

// Held is what an engine is told of a message. The context ends a while after the
// subscription did.
type Held struct {
	// Ack says that the message is done with. It is tried until it succeeds.
	Ack func(context.Context) error
	// Nack says that somebody else is to have it.
	Nack func(context.Context) error
	// AtOnce leaves it to the engine's driver to say so of all messages at once that are
	// not settled when the subscription has ended: after Settled.
	AtOnce bool
	// Again has what is refused handed on again instead, as long as the subscription
	// lasts: Nack then says that this one is not done with it.
	Again bool
	// Keep says that it is still worked on.
	Keep func(context.Context) error
	// Every is after which time Keep is called, again and again.
	Every time.Duration
}

// Reserve waits for room for a message, and returns for how many there is. It is 0
// when the subscription ended. It is for the goroutine that calls Give.
func (o *Out) Reserve() int {
	select {
	case o.slots <- struct{}{}:
		<-o.slots
		return cap(o.slots) - len(o.slots)
	case <-o.ctx.Done():
		return 0
	}
}

// entry is a message that was given.
type entry struct {
	Held
	number  int
	message *wmessage.Message
	taken   context.CancelFunc
}

// Give hands a message on while others are not settled, in their order. What is not
// settled when the subscription ends is refused when nothing more comes, in that order
// too: an engine that puts what is refused behind what was refused before keeps it.
// There is a goroutine for each message that is not settled.
func (o *Out) Give(m *wmessage.Message, h Held) {
	e := &entry{Held: h, number: o.given, message: m, taken: func() {}}
	o.given++
	select {
	case o.slots <- struct{}{}:
	case <-o.ctx.Done():
		o.leave(e)
		return
	}
	o.hand(e)
	o.waiting.Go(func() {
		o.keep(e)
		<-o.slots
	})
}

func (o *Out) hand(e *entry) bool {
	taken, ok := o.send(e.message)
	if ok {
		e.taken = taken
	}
	return ok
}

// keep waits until a message is acknowledged or refused, and tells the engine. The end of
// the subscription leaves it to Settled.
func (o *Out) keep(e *entry) {
	defer func() { e.taken() }()
	switch {
	case o.wait(e):
		o.settle(e.Ack)
	case o.ctx.Err() == nil:
		o.settle(e.Nack)
	default:
		o.leave(e)
	}
}

func (o *Out) leave(e *entry) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.left = append(o.left, e)
}

// wait reports whether a message is acknowledged. It is not when the subscription ends
// before.
func (o *Out) wait(e *entry) bool {
	tick := time.NewTicker(e.Every)
	defer tick.Stop()
	for {
		select {
		case <-e.message.Acked():
			return true
		case <-e.message.Nacked():
			if !e.Again || !o.again(e) {
				return false
			}
		case <-tick.C:
			_ = e.Keep(o.ctx) // in vain: the engine delivers it again
		case <-o.ctx.Done():
			return e.acked()
		}
	}
}

func (e *entry) acked() bool {
	select {
	case <-e.message.Acked():
		return true
	default:
		return false
	}
}

// again hands a message on that was refused.
func (o *Out) again(e *entry) bool {
	e.taken()
	e.message = e.message.Copy()
	return o.hand(e)
}

// Settled waits until the engine was told of all that was given out. It is for the
// goroutine that calls Give, which does no more, once the subscription has ended.
func (o *Out) Settled() {
	defer time.AfterFunc(patience, o.giveUp).Stop()
	o.waiting.Wait()
	slices.SortFunc(o.left, func(a, b *entry) int { return a.number - b.number })
	for _, e := range o.left {
		switch {
		case e.acked(): // since
			o.settle(e.Ack)
		case !e.AtOnce:
			o.settle(e.Nack)
		}
	}
	o.left = nil
}

// patience is how long an engine may take to say what it has sent when the subscription
// ends, and then to learn what became of that.
const patience = time.Second

// Late returns a context for what comes after the subscription: it ends a little later.
func (o *Out) Late() (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(o.ctx))
	stop := context.AfterFunc(o.ctx, func() { time.AfterFunc(patience, cancel) })
	return ctx, func() {
		stop()
		cancel()
	}
}

// settle tells the engine until it knows, or nobody waits any more.
func (o *Out) settle(tell func(context.Context) error) {
	for pause := 50 * time.Millisecond; o.attempt(tell) != nil; pause = min(2*pause, time.Second) {
		select {
		case <-time.After(pause):
		case <-o.telling.Done():
			return
		}
	}
}

// attempt has a deadline once the subscription has ended: the client of Redis heeds no
// other end of a context while it waits for an answer.
func (o *Out) attempt(tell func(context.Context) error) error {
	if o.ctx.Err() == nil {
		return tell(o.telling)
	}
	ctx, cancel := context.WithTimeout(o.telling, patience)
	defer cancel()
	return tell(ctx)
}
